//! The local CA: made once, kept, reissued with the same key when it must permit more names or last longer.
//!
//! It is limited to DNS names by name constraints (RFC 5280 §4.2.1.10), to TLS by its extended key usages, and to leaves
//! by its path length. IP addresses are not limited: BoringSSL knows no constraint of that kind and refuses every chain
//! in which one meets a certificate for an address ("unsupported name constraint type"), which would shut out gRPC,
//! Chromium and Bun.

use std::collections::BTreeSet;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, NameConstraints as ParsedConstraints};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;
use crate::issue::{self, Validity};
use crate::load::load_pair_with;
use crate::name::{Name, ip_from_octets};
use crate::secret::SecretFiles;
use crate::store::{Batch, Store};

/// File name of the CA's certificate.
pub(crate) const CERTIFICATE: &str = "ca.crt";
/// File name of the CA's private key.
pub(crate) const KEY: &str = "ca.key";

/// Lifetime of the CA: nobody should have to trust a new one soon, and its names are constrained.
const LIFETIME: Duration = Duration::days(3650);
/// By this organisation a CA of ours is distinguished from one that somebody else put here.
const ORGANISATION: &str = "tungstenite-deflate development CA";

/// A CA's certificate with its key, able to sign.
#[derive(Debug)]
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    /// Names that it may sign for; `None` when nothing restricts it.
    permitted: Option<Permitted>,
    not_after: OffsetDateTime,
    /// Made by this crate, so it may be reissued.
    ours: bool,
}

impl Authority {
    /// Makes a new CA, with a new key, that may sign for `names` only.
    pub(crate) fn new(names: &[Name], now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let tag = issue::random::<4>()?
            .map(|byte| format!("{byte:02X}"))
            .concat();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::OrganizationName, ORGANISATION);
        // Two CAs of one name but with different keys confuse those who look CAs up by name, such as OpenSSL.
        subject.push(DnType::CommonName, format!("Development CA {tag}"));
        Self::self_signed(subject, key, Permitted::default().with(names), now)
    }

    fn self_signed(
        subject: DistinguishedName,
        key: KeyPair,
        permitted: Permitted,
        now: OffsetDateTime,
    ) -> Result<Self, rcgen::Error> {
        let validity = Validity::starting_now(now, LIFETIME);
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.not_before = validity.not_before;
        params.not_after = validity.not_after;
        params.serial_number = Some(issue::random_serial()?);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // For TLS alone: names of other kinds, such as mail addresses, are not constrained.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted.to_subtrees(),
            excluded_subtrees: Vec::new(),
        });
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.into(),
            key,
            permitted: Some(permitted),
            not_after: validity.not_after,
            ours: true,
        })
    }

    /// Reads the CA of a directory; `None` when neither file is there.
    ///
    /// # Errors
    /// One of the two files is missing, or they are unreadable, exposed, mismatched or no CA.
    pub(crate) fn load(store: &Store, rule: SecretFiles) -> Result<Option<Self>, Error> {
        if !issue::both_or_neither(store, CERTIFICATE, KEY)? {
            return Ok(None);
        }
        let (chain, key) = load_pair_with(&store.file(CERTIFICATE), &store.file(KEY), rule)?;
        let refused = |reason: &str| Error::Authority {
            path: store.file(CERTIFICATE),
            reason: reason.to_owned(),
        };
        let key = KeyPair::try_from(&key)
            .map_err(|_| refused("its key is of a kind that cannot sign here; use ECDSA P-256"))?;
        let certificate = chain
            .into_iter()
            .next()
            .ok_or_else(|| refused("it is empty"))?;
        let (_, x509) =
            X509Certificate::from_der(&certificate).map_err(|_| refused("it is not X.509"))?;
        if !is_authority(&x509) {
            return Err(refused(
                "it is not the certificate of a CA; move it and its key away",
            ));
        }
        let ours = is_ours(&x509);
        let permitted = match x509.name_constraints() {
            Ok(None) => None,
            Ok(Some(constraints)) if constraints.value.excluded_subtrees.is_none() => {
                Some(Permitted::parse(constraints.value))
            }
            _ => {
                return Err(refused(
                    "its name constraints are not understood; move it and its key away",
                ));
            }
        };
        Ok(Some(Self {
            pem: String::new(),
            key,
            permitted,
            not_after: x509.validity().not_after.to_datetime(),
            ours,
            certificate,
        }))
    }

    /// Reports whether this CA signed `certificate`, whatever the dates say.
    pub(crate) fn signed(&self, certificate: &CertificateDer<'_>) -> bool {
        issue::is_signed_by(certificate, &self.certificate)
    }

    /// The reason for which this CA cannot sign for `names` until `end` as it is, or `None` when it can.
    pub(crate) fn shortcoming(&self, names: &[Name], end: OffsetDateTime) -> Option<String> {
        if self.ours
            && self
                .permitted
                .as_ref()
                .is_some_and(Permitted::limits_addresses)
        {
            return Some(LIMITS_ADDRESSES.to_owned());
        }
        let missing: Vec<String> = match &self.permitted {
            None => Vec::new(),
            Some(permitted) => names
                .iter()
                .filter(|name| !permitted.covers(name))
                .map(Name::to_string)
                .collect(),
        };
        if !missing.is_empty() {
            return Some(format!("it did not permit {}", missing.join(", ")));
        }
        (self.not_after < end)
            .then(|| format!("it ends on {}", crate::describe::utc(self.not_after)))
    }

    /// The same CA, same name and key, for more names and from now on: whatever it has signed stays valid.
    ///
    /// `None` when the CA is not ours to reissue.
    pub(crate) fn reissue(
        self,
        names: &[Name],
        now: OffsetDateTime,
    ) -> Option<Result<Self, rcgen::Error>> {
        if !self.ours {
            return None;
        }
        let permitted = self.permitted.unwrap_or_default().with(names);
        Some(
            subject_of(&self.certificate)
                .and_then(|subject| Self::self_signed(subject, self.key, permitted, now)),
        )
    }

    /// The part that signs.
    pub(crate) fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.certificate, &self.key)
    }

    /// Puts the certificate among the files to write, with the key when it is new.
    pub(crate) fn stage(&self, batch: &mut Batch<'_>, with_key: bool) -> Result<(), Error> {
        if with_key {
            batch.key(KEY, &self.key.serialize_pem())?;
        }
        batch.certificate(CERTIFICATE, &self.pem)
    }
}

/// A trait of a CA made by an older version of this crate, with its consequence.
const LIMITS_ADDRESSES: &str =
    "it limits IP addresses, for which gRPC, Chromium and other programs on BoringSSL refuse it";

/// The shortcoming of the CA in `certificate` that its holders should know of: made here by an older version, it is refused
/// by programs on BoringSSL. `None` for every other certificate.
///
/// [`ensure`](crate::ensure) reissues such a CA under its own key; the certificates that it signed stay valid.
pub fn authority_shortcoming(certificate: &CertificateDer<'_>) -> Option<&'static str> {
    let (_, x509) = X509Certificate::from_der(certificate).ok()?;
    let constraints = x509.name_constraints().ok()??;
    let is_affected = is_ours(&x509) && Permitted::parse(constraints.value).limits_addresses();
    is_affected.then_some(LIMITS_ADDRESSES)
}

/// Tests whether `certificate` is a CA that this crate made, by its subject.
pub fn is_development_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, x509)| x509.is_ca() && is_ours(&x509))
}

/// Reports whether the subject is one that this crate gives.
fn is_ours(x509: &X509Certificate<'_>) -> bool {
    x509.subject()
        .iter_organization()
        .any(|name| name.as_str() == Ok(ORGANISATION))
}

/// The subtrees that a CA may sign for (RFC 5280 §4.2.1.10).
#[derive(Debug, Default)]
struct Permitted {
    subtrees: BTreeSet<Name>,
}

impl Permitted {
    /// Reads what is understood: DNS names and single addresses. What is not understood permits nothing.
    fn parse(constraints: &ParsedConstraints<'_>) -> Self {
        let single = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some(Name::Dns(name.to_ascii_lowercase())),
            GeneralName::IPAddress(octets) => {
                let (address, mask) = octets.split_at(octets.len() / 2);
                ip_from_octets(address)
                    .filter(|_| mask.iter().all(|byte| *byte == 0xff))
                    .map(Name::Ip)
            }
            _ => None,
        };
        let permitted = constraints.permitted_subtrees.iter().flatten();
        Self {
            subtrees: permitted
                .filter_map(|subtree| single(&subtree.base))
                .collect(),
        }
    }

    /// The same for the DNS names of `names` too, and for every address.
    fn with(mut self, names: &[Name]) -> Self {
        self.subtrees.extend(names.iter().map(Name::subtree));
        self.subtrees
            .retain(|subtree| matches!(subtree, Name::Dns(_)));
        self
    }

    /// Reports whether it permits certain addresses, and so no others.
    fn limits_addresses(&self) -> bool {
        self.subtrees
            .iter()
            .any(|subtree| matches!(subtree, Name::Ip(_)))
    }

    fn covers(&self, name: &Name) -> bool {
        if matches!(name, Name::Ip(_)) && !self.limits_addresses() {
            return true;
        }
        self.subtrees
            .iter()
            .any(|subtree| match (subtree, name.subtree()) {
                (Name::Dns(parent), Name::Dns(name)) => name
                    .strip_suffix(parent.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                (Name::Ip(permitted), Name::Ip(address)) => *permitted == address,
                _ => false,
            })
    }

    fn to_subtrees(&self) -> Vec<GeneralSubtree> {
        let convert = |name: &Name| match name {
            Name::Dns(name) => GeneralSubtree::DnsName(name.clone()),
            Name::Ip(ip) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                *ip,
                if ip.is_ipv4() { 32 } else { 128 },
            )),
        };
        self.subtrees.iter().map(convert).collect()
    }
}

fn is_authority(x509: &X509Certificate<'_>) -> bool {
    let may_sign = x509
        .key_usage()
        .is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    // rcgen takes it for granted that no part of the name is empty.
    let named = x509
        .subject()
        .iter()
        .all(|part| part.iter().next().is_some());
    x509.is_ca() && may_sign && named
}

/// The subject of one of our own CAs: organisation and common name.
fn subject_of(certificate: &CertificateDer<'_>) -> Result<DistinguishedName, rcgen::Error> {
    let (_, x509) = X509Certificate::from_der(certificate)
        .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, ORGANISATION);
    if let Some(name) = x509
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
    {
        subject.push(DnType::CommonName, name);
    }
    Ok(subject)
}
