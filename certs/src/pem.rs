//! PEM text to certificates or a private key: the one place of the workspace that reads PEM.

use std::fmt::{self, Display};

use rustls_pemfile::Item;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The content that a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One or more certificates, the holder's own first.
    Certificate,
    /// One private key, not encrypted.
    PrivateKey,
    /// A shared secret or a password, in whatever form.
    Secret,
    /// Public keys that decide who is trusted.
    PublicKey,
}

impl Kind {
    /// Returns the remedy for a missing file.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Certificate | Self::PrivateKey => {
                "name another file or run scripts/generate-certs"
            }
            Self::Secret | Self::PublicKey => "name another file",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
            Self::Secret => "secret file",
            Self::PublicKey => "file of public keys",
        })
    }
}

/// Cause for which the content of a PEM file cannot be used.
///
/// The text says what was seen and what helps; it never repeats key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemFault {
    /// The file has no bytes, or only white space.
    #[error("is empty; write it again, for example with scripts/generate-certs")]
    Empty,
    /// The bytes are ASN.1 (DER or PKCS#12), not text.
    #[error("is binary (DER or PKCS#12), not PEM; convert it with openssl")]
    Binary,
    /// The text is UTF-16, as some editors save it.
    #[error("is UTF-16 text; save it as ASCII or UTF-8")]
    Utf16,
    /// A section begins but does not end, or its base64 is damaged.
    #[error("is damaged: {0}; copy it again as a whole")]
    Damaged(&'static str),
    /// A complete file without the section that was asked for.
    #[error("holds {found}, but no {wanted}; name the file with the {wanted}")]
    Absent {
        /// The purpose for which the file was opened.
        wanted: Kind,
        /// The content that it has instead.
        found: &'static str,
    },
    /// The private key needs a pass phrase.
    #[error("is an encrypted private key; decrypt it first: openssl pkey -in FILE -out NEW")]
    Encrypted,
    /// More private keys than one, so that nobody knows which is meant.
    #[error("holds {count} private keys, exactly one is allowed; split the file")]
    SeveralKeys {
        /// Their number.
        count: usize,
    },
    /// The section's content is not an X.509 certificate.
    #[error("holds something that is not an X.509 certificate (section {section})")]
    NotX509 {
        /// Position among the certificates of the file, from 1.
        section: usize,
    },
    /// The key is damaged, or of a kind that TLS here does not use.
    #[error(
        "holds a private key that cannot be used; ECDSA P-256/P-384/P-521, Ed25519 and RSA from 2048 bits are allowed"
    )]
    UnusableKey,
}

/// Reads all certificates of a PEM text, in their order.
///
/// Text and sections of other kinds around them are passed over; at least one certificate must be there, and each must
/// be X.509.
///
/// # Errors
/// See [`PemFault`].
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let sections = Sections::read(text)?;
    if sections.certificates.is_empty() {
        return Err(PemFault::Absent {
            wanted: Kind::Certificate,
            found: sections.found(),
        });
    }
    for (index, certificate) in sections.certificates.iter().enumerate() {
        match X509Certificate::from_der(certificate) {
            Ok(([], _)) => {}
            _ => return Err(PemFault::NotX509 { section: index + 1 }),
        }
    }
    Ok(sections.certificates)
}

/// Reads the one private key of a PEM text: PKCS#8, PKCS#1 or SEC 1, not encrypted.
///
/// # Errors
/// See [`PemFault`].
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemFault> {
    if encrypted(text) {
        return Err(PemFault::Encrypted);
    }
    let mut sections = Sections::read(text)?;
    match sections.keys.len() {
        0 => Err(PemFault::Absent {
            wanted: Kind::PrivateKey,
            found: sections.found(),
        }),
        1 => Ok(sections.keys.remove(0)),
        count => Err(PemFault::SeveralKeys { count }),
    }
}

/// The sections of a PEM text, sorted by kind.
#[derive(Default)]
struct Sections {
    certificates: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
    others: usize,
}

impl Sections {
    fn read(text: &[u8]) -> Result<Self, PemFault> {
        refuse_what_is_no_text(text)?;
        let mut sections = Self::default();
        let mut rest = text;
        while let Some((item, remainder)) =
            rustls_pemfile::read_one_from_slice(rest).map_err(|e| damage(&e))?
        {
            rest = remainder;
            match item {
                Item::X509Certificate(certificate) => sections.certificates.push(certificate),
                Item::Pkcs1Key(key) => sections.keys.push(key.into()),
                Item::Pkcs8Key(key) => sections.keys.push(key.into()),
                Item::Sec1Key(key) => sections.keys.push(key.into()),
                _ => sections.others += 1,
            }
        }
        Ok(sections)
    }

    /// Words for what is there, when what was wanted is not.
    fn found(&self) -> &'static str {
        match (self.certificates.len(), self.keys.len(), self.others) {
            (0, 0, 0) => "no PEM section",
            (_, 0, 0) => "a certificate",
            (0, _, 0) => "a private key",
            (0, 0, _) => "a PEM section of another kind (public key, request or revocation list)",
            _ => "other PEM sections",
        }
    }
}

fn refuse_what_is_no_text(text: &[u8]) -> Result<(), PemFault> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(PemFault::Empty);
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(PemFault::Utf16);
    }
    let marked = contains(text, b"-----BEGIN ");
    // ASN.1: SEQUENCE with a length in the long form, as every certificate and key has.
    if !marked && text.len() > 1 && text[0] == 0x30 && text[1] >= 0x80 {
        return Err(PemFault::Binary);
    }
    if !marked && (contains(text, b"-\0-\0-\0") || contains(text, b"\0-\0-\0-")) {
        return Err(PemFault::Utf16);
    }
    Ok(())
}

/// A key with a pass phrase: PKCS#8's own kind of section, or the header of the older OpenSSL format.
fn encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

fn damage(error: &rustls_pemfile::Error) -> PemFault {
    PemFault::Damaged(match error {
        rustls_pemfile::Error::MissingSectionEnd { .. } => "a section has no END line",
        rustls_pemfile::Error::IllegalSectionStart { .. } => {
            "a BEGIN line does not end in five dashes"
        }
        rustls_pemfile::Error::Base64Decode(_) => "a section is not valid base64",
    })
}
