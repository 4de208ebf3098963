//! A failed TLS handshake in words, with what to do about it.

use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error, OtherError};
use values::escape::escaped;

use super::verify::PinMismatch;
use crate::causes::{Cause, certificate, explained, network, tls};
use crate::error::ConnectError;

/// Turns what the TLS handshake with `peer` ended with into its cause in words; `name` is the name checked.
pub(super) fn tls_error(peer: &str, name: &str, error: &io::Error) -> ConnectError {
    if let Some(fault) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return tls_fault(peer, name, fault);
    }
    let cause = network::connection(error);
    let (seen, _) = explained(&error.to_string(), cause);
    ConnectError::Tls {
        peer: peer.to_owned(),
        reason: format!("during the handshake: {seen}"),
        remedy: cause.map_or(
            "",
            |_| "check that the port speaks TLS, and see the server's log",
        ),
    }
}

/// The same for an error of TLS itself.
pub(super) fn tls_fault(peer: &str, name: &str, fault: &Error) -> ConnectError {
    let raw = fault.to_string();
    let (reason, remedy) = match fault {
        Error::InvalidCertificate(fault) => of_certificate(name, fault),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::InvalidMessage(fault) => known_or_raw(tls::of_message(fault), &raw),
        Error::PeerIncompatible(fault) => known_or_raw(tls::of_incompatibility(fault), &raw),
        Error::InvalidCertRevocationList(fault) => {
            known_or_raw(certificate::of_revocation_list(fault), &raw)
        }
        // What exactly was broken is for the server's author.
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            let cause = tls::of_error(fault);
            let (seen, remedy) = known_or_raw(cause, &raw);
            (format!("{seen}: {}", escaped(&raw)), remedy)
        }
        fault => known_or_raw(tls::of_error(fault), &raw),
    };
    ConnectError::Tls {
        peer: peer.to_owned(),
        reason,
        remedy,
    }
}

fn of_certificate(name: &str, fault: &CertificateError) -> (String, &'static str) {
    let cause = match fault {
        // Older verifiers do not report the names.
        CertificateError::NotValidForName => {
            return (wrong_name(name, &[]), certificate::OTHER_NAME);
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let remedy = if presented.is_empty() {
                certificate::WITH_NAME
            } else {
                certificate::OTHER_NAME
            };
            return (wrong_name(name, presented), remedy);
        }
        CertificateError::Other(OtherError(other)) if other.is::<PinMismatch>() => {
            let remedy = "if the key was changed on purpose, change --pin";
            return (other.to_string(), remedy);
        }
        CertificateError::Other(OtherError(other)) => {
            other.downcast_ref().and_then(certificate::of_webpki)
        }
        fault => certificate::of_certificate(fault),
    };
    known_or_raw(
        cause,
        &format!("its certificate is not acceptable: {fault}"),
    )
}

/// The meaning of a known cause, or what was seen, escaped, with no remedy.
fn known_or_raw(cause: Option<Cause>, seen: &str) -> (String, &'static str) {
    match cause {
        Some(Cause { meaning, remedy }) => (meaning.to_owned(), remedy),
        None => (escaped(seen).into_owned(), ""),
    }
}

fn wrong_name(name: &str, presented: &[String]) -> String {
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
    escaped(&text).into_owned()
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
    explained(
        &format!("the server sent the alert {alert:?}"),
        tls::of_alert(alert),
    )
}
