//! A failed TLS handshake in words, with what to do about it.

use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error};

use crate::error::ConnectError;
use values::escape::escaped;

/// Turns what the TLS handshake with `peer` ended with into its cause in words; `name` is the name checked.
pub(super) fn tls_error(peer: &str, name: &str, error: &io::Error) -> ConnectError {
    if let Some(fault) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return tls_fault(peer, name, fault);
    }
    let (reason, remedy) = if error.kind() == io::ErrorKind::UnexpectedEof {
        (
            "the server closed the connection amid the handshake".to_owned(),
            "check that the port speaks TLS, and see the server's log",
        )
    } else {
        (
            error.to_string(),
            "check that the port speaks TLS, and see the server's log",
        )
    };
    ConnectError::Tls {
        peer: peer.to_owned(),
        reason,
        remedy,
    }
}

/// The same for an error of TLS itself.
pub(super) fn tls_fault(peer: &str, name: &str, fault: &Error) -> ConnectError {
    let (reason, remedy) = match fault {
        Error::InvalidCertificate(fault) => certificate(name, fault),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::InvalidMessage(_) => (
            "the server does not speak TLS".to_owned(),
            "leave TLS out (ws:// or http://), or check the port",
        ),
        Error::PeerIncompatible(fault) => (
            format!("nothing in common: {fault:?}"),
            "the server wants an older TLS than 1.2 or other ciphers; update it",
        ),
        Error::NoApplicationProtocol => (
            "the server has no protocol of ours (ALPN)".to_owned(),
            "check the port",
        ),
        other => (
            escaped(&other.to_string()).into_owned(),
            "see the server's log",
        ),
    };
    ConnectError::Tls {
        peer: peer.to_owned(),
        reason,
        remedy,
    }
}

fn certificate(name: &str, fault: &CertificateError) -> (String, &'static str) {
    let (reason, remedy) = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired",
            "renew the server's certificate, and check this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check this machine's clock",
        ),
        CertificateError::UnknownIssuer => (
            "its certificate is signed by no trusted authority (unknown issuer)",
            "trust the authority with --ca FILE (for a local server: certs/ca.crt), or skip the check with --insecure",
        ),
        CertificateError::NotValidForName => return wrong_name(name, &[]),
        CertificateError::NotValidForNameContext { presented, .. } => {
            return wrong_name(name, presented);
        }
        CertificateError::BadSignature => (
            "a signature does not fit: it does not hold the key of its certificate, or that was not signed by the authority it names",
            "somebody may be in between",
        ),
        CertificateError::Revoked => (
            "its certificate was revoked",
            "replace the server's certificate",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "its certificate is not meant for servers",
            "use a certificate with server authentication",
        ),
        CertificateError::Other(other) => {
            let text = escaped(&other.to_string()).into_owned();
            return (text, "if the key was changed on purpose, change --pin");
        }
        CertificateError::BadEncoding => (
            "its certificate cannot be read",
            "replace the server's certificate",
        ),
        other => {
            let text = format!("its certificate is not acceptable: {other}");
            return (
                escaped(&text).into_owned(),
                "replace the server's certificate, or give its CA with --ca FILE",
            );
        }
    };
    (reason.to_owned(), remedy)
}

fn wrong_name(name: &str, presented: &[String]) -> (String, &'static str) {
    let names = if presented.is_empty() {
        String::new()
    } else {
        format!(
            ", only for {}",
            presented
                .iter()
                .map(|name| plain(name))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let text = format!("its certificate is not valid for {name}{names}");
    (
        escaped(&text).into_owned(),
        "dial one of those names, or give the name with --sni NAME",
    )
}

/// `DnsName("localhost")` and `IpAddress(0::1)` as `localhost` and `::1`.
fn plain(presented: &str) -> String {
    let inner = presented
        .split_once('(')
        .map_or(presented, |(_, inner)| inner);
    let name = inner.trim_end_matches(')').trim_matches('"');
    name.parse::<IpAddr>()
        .map_or_else(|_| name.to_owned(), |address| address.to_string())
}

fn alert_received(alert: AlertDescription) -> (String, &'static str) {
    let remedy = match alert {
        // OpenSSL says so of a missing certificate in TLS 1.2.
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "give a client certificate with --cert FILE --key FILE"
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown => {
            "the server does not accept the client certificate: use one from its CA"
        }
        AlertDescription::CertificateExpired => "renew the client certificate",
        AlertDescription::UnrecognisedName => {
            "the server does not know this name: check the URL or --sni"
        }
        AlertDescription::ProtocolVersion => {
            "the server has no TLS version of ours: update it, or lower --tls-min"
        }
        AlertDescription::NoApplicationProtocol => {
            "the server does not offer this HTTP version: check the port, or leave out --http2"
        }
        AlertDescription::HandshakeFailure => {
            "it may want a client certificate (--cert FILE --key FILE), or other ciphers; see the server's log"
        }
        _ => "see the server's log",
    };
    (format!("the server sent the alert {alert:?}"), remedy)
}
