//! Certificates described for people and for pins.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::name::ip_from_octets;

/// The facts of a certificate that are shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Subject as one line (`CN=localhost, O=…`). May hold characters chosen by a stranger: escape it on a terminal.
    pub subject: String,
    /// Issuer as one line, with the same warning.
    pub issuer: String,
    /// DNS names and IP addresses of the subject alternative name, in their order.
    pub names: Vec<String>,
    /// First instant at which it is valid.
    pub not_before: OffsetDateTime,
    /// Last instant at which it is valid.
    pub not_after: OffsetDateTime,
    /// Whole days until [`not_after`](Self::not_after) at the time of the call; negative when it has passed.
    pub days_left: i64,
    /// SHA-256 of the whole certificate. Changes with each renewal.
    pub sha256: Sha256Digest,
    /// SHA-256 of its public key (SPKI). Renewal keeps the key, so this is what to pin.
    pub spki: Sha256Digest,
}

impl Description {
    /// `2027-02-19 02:05:57 UTC`.
    pub fn not_after_text(&self) -> String {
        utc(self.not_after)
    }

    /// The public key's pin in the form of `curl --pinnedpubkey`: `sha256//` and base64.
    pub fn spki_pin(&self) -> String {
        format!("sha256//{}", STANDARD.encode(self.spki.0))
    }
}

impl Display for Description {
    /// One line: names, end, fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.names.is_empty() {
            "no names".to_owned()
        } else {
            self.names.join(", ")
        };
        write!(
            f,
            "{names}; until {} ({} days); SHA-256 {}",
            self.not_after_text(),
            self.days_left,
            self.sha256
        )
    }
}

/// A SHA-256 digest; shown as `openssl x509 -fingerprint` shows it: `AB:CD:…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Describes a certificate, or `None` when the bytes are not X.509.
pub fn describe(certificate: &CertificateDer<'_>) -> Option<Description> {
    let ([], x509) = X509Certificate::from_der(certificate).ok()? else {
        return None;
    };
    let not_after = x509.validity().not_after.to_datetime();
    // A minute's grace, so that a certificate just made for 90 days says 90.
    let left = not_after - OffsetDateTime::now_utc() + Duration::MINUTE;
    Some(Description {
        subject: x509.subject().to_string(),
        issuer: x509.issuer().to_string(),
        names: names(&x509),
        not_before: x509.validity().not_before.to_datetime(),
        not_after,
        days_left: left.whole_seconds().div_euclid(86_400),
        sha256: Sha256Digest::of(certificate),
        spki: Sha256Digest::of(x509.public_key().raw),
    })
}

/// The certificate's `SubjectPublicKeyInfo` in DER, or `None` when the bytes are not X.509.
pub(crate) fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (_, x509) = X509Certificate::from_der(certificate).ok()?;
    Some(x509.tbs_certificate.subject_pki.raw)
}

fn names(x509: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = x509.subject_alternative_name() else {
        return Vec::new();
    };
    let readable = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::IPAddress(octets) => ip_from_octets(octets).map(|ip| ip.to_string()),
        _ => None,
    };
    alternative
        .value
        .general_names
        .iter()
        .filter_map(readable)
        .collect()
}

pub(crate) fn utc(instant: OffsetDateTime) -> String {
    let (year, month, day) = (instant.year(), u8::from(instant.month()), instant.day());
    let (hour, minute, second) = instant.to_hms();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}
