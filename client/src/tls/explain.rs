//! A failed TLS handshake in words, with what to do about it.

use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::causes::{self, Cause};
use super::verify::PinMismatch;
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
        Error::PeerIncompatible(fault) => known_or_raw(
            causes::of_incompatibility(fault),
            "nothing in common",
            &format!("{fault:?}"),
        ),
        Error::NoApplicationProtocol => (
            "the server has no protocol of ours (ALPN)".to_owned(),
            "check the port",
        ),
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError
        | Error::InvalidEncryptedClientHello(_) => (
            format!(
                "the server broke the protocol: {}",
                escaped(&fault.to_string())
            ),
            "something in between may change it; see the server's log",
        ),
        Error::NoCertificatesPresented => (
            "the server shows no certificate".to_owned(),
            "see the server's log",
        ),
        Error::UnsupportedNameType => (
            format!("{} cannot stand in a certificate", escaped(name)),
            "dial a DNS name or an IP address",
        ),
        // Faults of this side, and those of a later version: shown as they are.
        other => (escaped(&other.to_string()).into_owned(), ""),
    };
    ConnectError::Tls {
        peer: peer.to_owned(),
        reason,
        remedy,
    }
}

fn certificate(name: &str, fault: &CertificateError) -> (String, &'static str) {
    match fault {
        CertificateError::NotValidForName => return wrong_name(name, &[]),
        CertificateError::NotValidForNameContext { presented, .. } => {
            return wrong_name(name, presented);
        }
        CertificateError::Other(OtherError(other)) if other.is::<PinMismatch>() => {
            let remedy = "if the key was changed on purpose, change --pin";
            return (other.to_string(), remedy);
        }
        _ => {}
    }
    let cause = match fault {
        CertificateError::Other(OtherError(other)) => {
            other.downcast_ref().and_then(causes::of_webpki)
        }
        fault => causes::of_certificate(fault),
    };
    known_or_raw(
        cause,
        "its certificate is not acceptable",
        &fault.to_string(),
    )
}

/// The known cause, or what was said, escaped, with no remedy.
fn known_or_raw(cause: Option<Cause>, what: &str, raw: &str) -> (String, &'static str) {
    match cause {
        Some((reason, remedy)) => (reason.to_owned(), remedy),
        None => (format!("{what}: {}", escaped(raw)), ""),
    }
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
    let remedy = causes::of_alert(alert).map_or("", |(_, remedy)| remedy);
    (format!("the server sent the alert {alert:?}"), remedy)
}
