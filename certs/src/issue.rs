//! Leaf certificates: keys, dates, extensions and who signed what.

use std::path::PathBuf;

use rcgen::{
    Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;
use crate::name::Name;
use crate::store::Store;

/// For clocks that are a little late.
const BACKDATED: Duration = Duration::hours(1);
/// Longest validity that Apple's platforms accept, to the second.
const MAX_VALIDITY: Duration = Duration::seconds(825 * 86_400 - 1);

/// First and last instant of a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

impl Validity {
    /// From an hour ago until `lifetime` from now.
    pub(crate) fn starting_now(now: OffsetDateTime, lifetime: Duration) -> Self {
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Self {
            not_before: now - BACKDATED,
            not_after: now + lifetime,
        }
    }

    /// Over since yesterday.
    pub(crate) fn over(now: OffsetDateTime, lifetime: Duration) -> Self {
        Self::starting_now(now - lifetime - Duration::days(1), lifetime)
    }

    /// Begins tomorrow.
    pub(crate) fn to_come(now: OffsetDateTime, lifetime: Duration) -> Self {
        Self::starting_now(now + Duration::days(1) + BACKDATED, lifetime)
    }

    /// No longer than any platform accepts.
    pub(crate) fn limited(self) -> Self {
        Self {
            not_after: self.not_after.min(self.not_before + MAX_VALIDITY),
            ..self
        }
    }
}

/// The purpose of a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A server that is reached under these names.
    Server(Vec<Name>),
    /// A client with this common name.
    Client(String),
}

impl Purpose {
    /// The names that the CA must permit.
    pub(crate) fn names(&self) -> &[Name] {
        match self {
            Self::Server(names) => names,
            Self::Client(_) => &[],
        }
    }
}

/// Signs a certificate for `key`.
pub(crate) fn leaf(
    purpose: &Purpose,
    validity: Validity,
    key: &KeyPair,
    issuer: &Issuer<'_, &KeyPair>,
) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.serial_number = Some(random_serial()?);
    // Says CA:FALSE and, in rcgen, also brings the subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = DistinguishedName::new();
    match purpose {
        Purpose::Server(names) => {
            params
                .distinguished_name
                .push(DnType::CommonName, "localhost");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = names
                .iter()
                .map(alternative_name)
                .collect::<Result<_, _>>()?;
        }
        Purpose::Client(name) => {
            params
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
    }
    params.signed_by(key, issuer)
}

fn alternative_name(name: &Name) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        Name::Ip(ip) => SanType::IpAddress(*ip),
    })
}

/// 128 random bits, positive (RFC 5280 §4.1.2.2 allows 20 octets).
pub(crate) fn random_serial() -> Result<SerialNumber, rcgen::Error> {
    let mut serial = random::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

/// Bytes from the TLS provider's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], rcgen::Error> {
    let mut bytes = [0; N];
    provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| rcgen::Error::RemoteKeyError)?;
    Ok(bytes)
}

/// Reports whether the key of `issuer` made the signature on `certificate`.
pub(crate) fn is_signed_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (Ok((_, leaf)), Ok((_, issuer))) = (
        X509Certificate::from_der(certificate),
        X509Certificate::from_der(issuer),
    ) else {
        return false;
    };
    let public_key = &issuer.tbs_certificate.subject_pki.subject_public_key.data;
    leaf.issuer().as_raw() == issuer.subject().as_raw()
        && provider()
            .signature_verification_algorithms
            .all
            .iter()
            .any(|algorithm| {
                algorithm
                    .verify_signature(
                        public_key,
                        leaf.tbs_certificate.as_ref(),
                        &leaf.signature_value.data,
                    )
                    .is_ok()
            })
}

/// Reports whether a pair of files is there as a whole.
///
/// # Errors
/// [`Error::HalfPresent`] when one of the two is missing.
pub(crate) fn both_or_neither(store: &Store, certificate: &str, key: &str) -> Result<bool, Error> {
    let half = |present: PathBuf, absent: PathBuf| Err(Error::HalfPresent { present, absent });
    match (store.holds(certificate), store.holds(key)) {
        (true, true) => Ok(true),
        (false, false) => Ok(false),
        (true, false) => half(store.file(certificate), store.file(key)),
        (false, true) => half(store.file(key), store.file(certificate)),
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
