//! Result of the TLS handshake: version, group, cipher, certificate chain.

use rustls::ClientConnection;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::verify::Pin;

/// Result of the TLS handshake.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct TlsReport {
    /// Such as `TLSv1_3`.
    pub version: String,
    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// Key exchange group, such as `X25519MLKEM768`; a resumed session may have none.
    pub group: Option<String>,
    /// Protocol agreed by ALPN.
    pub alpn: Option<String>,
    /// The server's certificates, its own first.
    pub chain: Vec<CertificateReport>,
}

/// One certificate of the chain.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CertificateReport {
    /// Distinguished name.
    pub subject: String,
    /// Distinguished name of the signer.
    pub issuer: String,
    /// Names and addresses that it is valid for.
    pub names: Vec<String>,
    /// End of validity, RFC 3339.
    pub not_after: String,
    /// Days until then; negative when it is over.
    pub days_left: i64,
    /// SHA-256 of the public key, as `--pin` takes it.
    pub pin: String,
}

impl TlsReport {
    pub(super) fn of(connection: &ClientConnection) -> Self {
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}");
        Self {
            version: connection
                .protocol_version()
                .map(|version| name(&version))
                .unwrap_or_default(),
            cipher: connection
                .negotiated_cipher_suite()
                .map(|suite| name(&suite.suite()))
                .unwrap_or_default(),
            group: connection
                .negotiated_key_exchange_group()
                .map(|group| name(&group.name())),
            alpn: connection
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            chain: connection
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .filter_map(|der| certificate(der))
                .collect(),
        }
    }
}

fn certificate(der: &[u8]) -> Option<CertificateReport> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let not_after = certificate.validity().not_after.to_datetime();
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            extension
                .value
                .general_names
                .iter()
                .map(general_name)
                .collect()
        });
    Some(CertificateReport {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names.unwrap_or_default(),
        not_after: not_after
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap_or_default(),
        days_left: (not_after - time::OffsetDateTime::now_utc()).whole_days(),
        pin: Pin::of_certificate(der)?.to_string(),
    })
}

fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
            _ => <[u8; 16]>::try_from(*bytes).map_or_else(
                |_| "?".into(),
                |bytes| std::net::Ipv6Addr::from(bytes).to_string(),
            ),
        },
        other => other.to_string(),
    }
}
