//! T9: eight certificates of clients in each of the three modes.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;

use common::{connect, soon, start_with};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A chain, the leaf first, and the leaf's key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// Returns the parameters of a certificate.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> (Certificate, Issuer<'static, KeyPair>) {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate, Issuer::new(params, key))
}

/// A leaf for clients, signed by `issuer`, as `change` makes it.
fn leaf(issuer: &Issuer<'_, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = params("client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Shown {
        chain: vec![certificate.der().clone()],
        key,
    }
}

/// A leaf below so many authorities, each signed by the one before.
fn long_chain(depth: usize, root: Issuer<'static, KeyPair>) -> Shown {
    let (mut issuer, mut chain) = (root, Vec::new());
    for number in 0..depth {
        let mut params = params(&format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        chain.insert(0, certificate.der().clone());
        issuer = Issuer::new(params, key);
    }
    let mut shown = leaf(&issuer, |_| {});
    shown.chain.extend(chain);
    shown
}

/// A client that shows a certificate, or none, and takes any server: this is about the other direction.
fn client(roots: &rustls::RootCertStore, shown: Option<&Shown>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone());
    match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder
            .with_client_auth_cert(
                shown.chain.clone(),
                PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap(),
            )
            .unwrap(),
    }
}

/// The alert that the server answered with; `None` if it served.
async fn alert(server: &common::Running, config: ClientConfig) -> Option<AlertDescription> {
    let request = async {
        let mut stream = connect(server.address, config, "localhost").await?;
        let head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        // A server that refuses may close before it has read this; what it said is read below.
        let _ = stream.write_all(head).await;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer).await;
        if answer.contains("200 OK") {
            return Ok(());
        }
        read.map(|_| ())
    };
    let error = soon(request).await.err()?;
    let reason = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => panic!("neither served nor an alert: {error:?}"),
    }
}

#[tokio::test]
async fn t9_eight_certificates_in_three_modes() {
    use AlertDescription as A;
    let directory = tempfile::tempdir().unwrap();
    let (root, issuer) = authority("ours");
    let (_, foreign) = authority("foreign");
    let trusted = directory.path().join("clients.crt");
    std::fs::write(&trusted, root.pem()).unwrap();
    let mut alone = leaf(&issuer, |_| {});
    alone.chain = vec![
        params("alone")
            .self_signed(&alone.key)
            .unwrap()
            .der()
            .clone(),
    ];

    // Each with the alerts that may refuse it; none at all: it is served.
    #[rustfmt::skip]
    let cases: Vec<(&str, Shown, &[A])> = vec![
        ("good", leaf(&issuer, |_| {}), &[]),
        ("of another authority", leaf(&foreign, |_| {}), &[A::UnknownCA]),
        (
            "expired",
            leaf(&issuer, |params| {
                params.not_after = date_time_ymd(2020, 1, 1);
            }),
            &[A::CertificateExpired],
        ),
        (
            "not yet valid",
            leaf(&issuer, |params| {
                params.not_before = date_time_ymd(2090, 1, 1);
            }),
            &[A::BadCertificate, A::CertificateExpired],
        ),
        (
            "for servers",
            leaf(&issuer, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            &[A::UnsupportedCertificate, A::BadCertificate],
        ),
        // RFC 5280 §4.2.1.12: without the extension a certificate is for every purpose.
        ("without a purpose", leaf(&issuer, |params| params.extended_key_usages.clear()), &[]),
        ("self-signed", alone, &[A::UnknownCA]),
        ("a hundred authorities long", long_chain(100, issuer), &[A::UnknownCA, A::CertificateUnknown]),
    ];

    let mut directory = Some(directory);
    let trusted = trusted.to_str().unwrap().to_owned();
    for mode in ["off", "optional", "required"] {
        let flags: &[&str] = match mode {
            "off" => &[],
            _ => &["--client-auth", mode, "--client-ca", &trusted],
        };
        let server = start_with(directory.take().unwrap(), flags, |server| server);
        let roots = certs::load_roots(&server.authority()).unwrap();
        let without = alert(&server, client(&roots, None)).await;
        let expected = (mode == "required").then_some(A::CertificateRequired);
        assert_eq!(without, expected, "{mode}, none");
        for (words, shown, refusals) in &cases {
            let refusal = alert(&server, client(&roots, Some(shown))).await;
            match refusal {
                None => assert!(
                    mode == "off" || refusals.is_empty(),
                    "{mode}, {words}: served"
                ),
                Some(alert) => assert!(
                    mode != "off" && refusals.contains(&alert),
                    "{mode}, {words}: {alert:?}"
                ),
            }
        }
        directory = Some(server.certs);
    }
}
