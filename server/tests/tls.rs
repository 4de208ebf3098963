//! The TLS side, seen by clients that mean well and by others (threats T3 to T15).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::{Dates, Request};
use common::{client_config, config, connect, soon, start, start_with, until};
use futures_util::{SinkExt, StreamExt};
use rustls::crypto::aws_lc_rs;
use rustls::{AlertDescription, ClientConfig};
use server::{Server, TlsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// The alert that ended a handshake, if one did.
fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Returns true if a GET of `/healthz` over `config` is answered; the alert if a handshake refused it.
async fn healthy(
    server: &common::Running,
    config: ClientConfig,
) -> Result<(), Option<AlertDescription>> {
    let outcome = async {
        let mut stream = connect(server.address, config, "localhost").await?;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        // TLS 1.3: a refusal of the client's certificate arrives with the first read.
        let mut answer = String::new();
        match stream.read_to_string(&mut answer).await {
            Err(error) if answer.is_empty() => Err(error),
            _ if answer.contains("200 OK") => Ok(()),
            _ => Err(std::io::Error::new(ErrorKind::InvalidData, answer)),
        }
    };
    soon(outcome).await.map_err(|error| alert(&error))
}

/// A client that trusts the server's CA and shows the certificate `name`.
fn with_certificate(authority: &Path, certificate: &Path, key: &Path) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let (chain, key) = certs::load_pair(certificate, key).unwrap();
    let roots = certs::load_roots(authority).unwrap();
    let builder = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    builder.with_client_auth_cert(chain, key).unwrap()
}

/// One certificate for a client called `name`.
fn client_request(name: &str, dates: Dates) -> Request {
    Request {
        client: Some(name.to_owned()),
        dates,
        ..Request::default()
    }
}

#[tokio::test]
async fn application_protocol_decides_and_foreign_ones_are_refused() {
    // T3
    let server = start(&[]).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = server.tls(offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
    let error = soon(connect(
        server.address,
        client_config(&server.authority(), &["smtp"]),
        "localhost",
    ))
    .await
    .unwrap_err();
    assert_eq!(alert(&error), Some(AlertDescription::NoApplicationProtocol));
    assert_eq!(
        healthy(&server, client_config(&server.authority(), &[])).await,
        Ok(())
    );
}

#[tokio::test]
async fn what_is_not_tls_is_closed_soon() {
    // T4
    let server = start(&[]).await;
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3],
        &[0x80, 0x2e, 1, 0, 2],
        &[0; 4096],
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let begun = Instant::now();
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        assert!(
            answer.is_empty() || answer[0] == 0x15,
            "an alert or nothing: {answer:?}"
        );
    }
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_tls_handshake_failures_total{cause=\"not_tls\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn silent_handshakes_end_at_their_deadline_and_hold_nobody_up() {
    // T5
    let server = start(&["--handshake-timeout", "500ms", "--max-handshakes", "50"]).await;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_eq!(
        healthy(&server, client_config(&server.authority(), &[])).await,
        Ok(())
    );
    assert!(
        begun.elapsed() < Duration::from_millis(450),
        "the silent ones held it up: {:?}",
        begun.elapsed()
    );
    for mut stream in silent {
        assert_eq!(soon(stream.read(&mut [0; 16])).await.unwrap_or(0), 0);
    }
    assert!(begun.elapsed() >= Duration::from_millis(450));
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_tls_handshake_failures_total{cause=\"timeout\"} 40"),
        "{metrics}"
    );
}

#[tokio::test]
async fn t5_who_is_silent_or_stalls_takes_no_turn_from_others() {
    let server = start(&["--handshake-timeout", "15s", "--max-handshakes", "4"]).await;
    let mut held = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        if number % 4 == 0 {
            // The beginning of a record that never gets whole.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        held.push(stream);
    }
    let begun = Instant::now();
    let config = client_config(&server.authority(), &[]);
    assert_eq!(healthy(&server, config).await, Ok(()));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "they held it up: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn tls12_is_served_unless_switched_off() {
    // T1
    let tls12 = |authority: &Path| {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap();
        builder
            .with_root_certificates(certs::load_roots(authority).unwrap())
            .with_no_client_auth()
    };
    let server = start(&[]).await;
    assert_eq!(healthy(&server, tls12(&server.authority())).await, Ok(()));
    let server = start(&["--tls13-only", "on"]).await;
    assert_eq!(
        healthy(&server, tls12(&server.authority())).await,
        Err(Some(AlertDescription::ProtocolVersion))
    );
    assert_eq!(
        healthy(&server, client_config(&server.authority(), &[])).await,
        Ok(())
    );
}

#[tokio::test]
async fn client_certificates_are_checked_as_the_mode_says() {
    // T9
    let directory = tempfile::tempdir().unwrap();
    let own = |request| certs::ensure(directory.path(), &request).unwrap();
    own(Request::default());
    let good = own(client_request("good", Dates::Now));
    let expired = own(client_request("expired", Dates::Expired));
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = certs::ensure(elsewhere.path(), &client_request("foreign", Dates::Now)).unwrap();
    let authority = directory.path().join("ca.crt");
    let none = || client_config(&authority, &[]);
    let show =
        |shown: &certs::Outcome| with_certificate(&authority, &shown.certificate, &shown.key);
    let trust = authority.to_str().unwrap().to_owned();
    let mut directory = Some(directory);
    for (mode, without) in [
        ("optional", Ok(())),
        ("required", Err(Some(AlertDescription::CertificateRequired))),
    ] {
        let flags = ["--client-auth", mode, "--client-ca", &trust];
        let server = start_with(directory.take().unwrap(), &flags, |server| server);
        assert_eq!(healthy(&server, none()).await, without, "{mode}, none");
        assert_eq!(healthy(&server, show(&good)).await, Ok(()), "{mode}, good");
        assert_eq!(
            healthy(&server, show(&expired)).await,
            Err(Some(AlertDescription::CertificateExpired)),
            "{mode}"
        );
        let refused = healthy(&server, show(&foreign)).await;
        assert!(
            matches!(
                refused,
                Err(Some(
                    AlertDescription::UnknownCA
                        | AlertDescription::BadCertificate
                        | AlertDescription::DecryptError
                ))
            ),
            "{mode}: {refused:?}"
        );
        directory = Some(server.certs);
    }
}

#[tokio::test]
async fn client_certificates_need_an_authority() {
    let directory = tempfile::tempdir().unwrap();
    let error = Server::new(config(directory.path(), &["--client-auth", "required"]))
        .err()
        .unwrap();
    assert!(error.to_string().contains("--client-ca"), "{error}");
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_picks_the_certificate() {
    // T10
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = |name: &str| Request {
        names: vec![name.parse().unwrap()],
        ..Request::default()
    };
    let first = certs::ensure(one.path(), &name("one.test")).unwrap();
    let second = certs::ensure(two.path(), &name("*.two.test")).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let flags = [
        ["--cert".to_owned(), text(&first.certificate)],
        ["--key".to_owned(), text(&first.key)],
        ["--cert".to_owned(), text(&second.certificate)],
        ["--key".to_owned(), text(&second.key)],
    ]
    .concat();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for refuse in [false, true] {
        if refuse {
            flags.extend(["--unknown-name", "refuse"]);
        }
        let server = start_with(tempfile::tempdir().unwrap(), &flags, |server| server);
        let dial =
            |authority: &Path, name| connect(server.address, client_config(authority, &[]), name);
        soon(dial(&first.authority, "one.test")).await.unwrap();
        soon(dial(&second.authority, "www.two.test")).await.unwrap();
        soon(dial(&first.authority, "127.0.0.1")).await.unwrap();
        let unknown = soon(dial(&first.authority, "three.test"))
            .await
            .unwrap_err();
        assert_eq!(
            alert(&unknown) == Some(AlertDescription::AccessDenied),
            refuse,
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn certificates_and_keys_must_pair_up() {
    // T12
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--cert", "a.crt", "--cert", "b.crt", "--key", "a.key"];
    let error = Server::new(config(directory.path(), &flags)).err().unwrap();
    assert!(
        matches!(
            error,
            server::ServerError::Tls(TlsError::Unpaired {
                certificates: 2,
                keys: 1
            })
        ),
        "{error}"
    );
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = certs::ensure(one.path(), &Request::default()).unwrap();
    let second = certs::ensure(two.path(), &Request::default()).unwrap();
    let flags = [
        "--cert",
        first.certificate.to_str().unwrap(),
        "--key",
        second.key.to_str().unwrap(),
    ];
    let error = Server::new(config(directory.path(), &flags))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(first.certificate.to_str().unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn a_resumed_session_is_counted() {
    // T15
    for (flags, resumed) in [(&[][..], true), (&["--session-tickets", "off"], false)] {
        let server = start(flags).await;
        let config = client_config(&server.authority(), &[]);
        for _ in 0..2 {
            assert_eq!(healthy(&server, config.clone()).await, Ok(()));
        }
        assert_eq!(
            server.get("/metrics").await.contains("resumed=\"yes\""),
            resumed
        );
    }
}

/// Returns the number of reloads that ended with `result`.
async fn reloads(server: &common::Running, result: &str) -> u64 {
    let metrics = server.get("/metrics").await;
    let prefix = format!("wss_certificate_reloads_total{{result=\"{result}\"}} ");
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
        .unwrap_or(0)
}

/// The certificate that a new connection is shown.
async fn shown(server: &common::Running) -> Vec<u8> {
    let stream = server.tls(&[]).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_hundred_new_certificates_cost_no_connection() {
    // T13
    let server = start(&["--certificate-poll", "off"]).await;
    // What SIGHUP does; the watch of the files is tested below.
    let reload = &server.reload;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.open("/echo", &[]).await.0);
    }
    for swap in 0..100 {
        let made = certs::ensure(
            server.certs.path(),
            &Request {
                force: true,
                ..Request::default()
            },
        )
        .unwrap();
        reload();
        let chain = certs::load_certificates(&made.certificate).unwrap();
        assert_eq!(shown(&server).await, chain[0].to_vec(), "swap {swap}");
        let client = &mut clients[swap % 20];
        let word = Message::text(format!("swap {swap}"));
        soon(client.send(word.clone())).await.unwrap();
        assert_eq!(soon(client.next()).await.unwrap().unwrap(), word);
    }
    for mut client in clients {
        soon(client.send(Message::text("still here")))
            .await
            .unwrap();
        assert_eq!(
            soon(client.next()).await.unwrap().unwrap(),
            Message::text("still here")
        );
    }
    assert_eq!(reloads(&server, "loaded").await, 100);
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_a_bad_one_changes_nothing() {
    // T13
    let server = start(&["--certificate-poll", "20ms"]).await;
    let before = shown(&server).await;
    let certificate = server.certs.path().join("server.crt");
    let good = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, &good[..good.len() / 2]).unwrap();
    until(async || reloads(&server, "refused").await >= 1).await;
    assert_eq!(shown(&server).await, before);
    std::fs::write(&certificate, &good).unwrap();
    let made = certs::ensure(
        server.certs.path(),
        &Request {
            force: true,
            ..Request::default()
        },
    )
    .unwrap();
    let now = certs::load_certificates(&made.certificate).unwrap()[0].to_vec();
    assert_ne!(now, before);
    until(async || shown(&server).await == now).await;
}

/// A CA of an older version, which programs on BoringSSL refuse, is reported at the start.
#[tokio::test]
async fn an_authority_of_an_older_version_is_reported() {
    use rcgen::{
        BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree,
        IsCa, KeyPair, NameConstraints,
    };
    let pair = tempfile::tempdir().unwrap();
    certs::ensure(pair.path(), &Request::default()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(
        DnType::OrganizationName,
        "tungstenite-deflate development CA",
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let loopback = CidrSubnet::from_addr_prefix("127.0.0.1".parse().unwrap(), 32);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::IpAddress(loopback)],
        excluded_subtrees: Vec::new(),
    });
    let old = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let log = || {
        // The fourth argument is the directory of --certs.
        let preparation = format!("cp {}/* \"$4\"", pair.path().display());
        let program = common::program::begin_after(&preparation, &[]);
        program.signal("TERM");
        let (_, output, errors) = program.end();
        output + &errors
    };
    assert!(!log().contains("the CA is of an older version"));
    std::fs::write(pair.path().join("ca.crt"), old.pem()).unwrap();
    let line = log();
    assert!(
        line.contains("the CA is of an older version; run scripts/generate-certs"),
        "{line}"
    );
}
