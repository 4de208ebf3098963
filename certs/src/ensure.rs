//! Decides about the certificates of a directory: make, keep or renew.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::authority::{self, Authority};
use crate::describe::utc;
use crate::issue::{self, Purpose, Validity, both_or_neither};
use crate::store::Store;
use crate::{Description, Error, Name, SecretFiles, describe, load_pair_with};

/// Most names in one certificate.
const MAX_NAMES: usize = 100;

/// A request for a certificate.
///
/// The default is the server's pair for `localhost`, `127.0.0.1` and `::1`, valid for 90 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names beside the [local ones](Name::local), at most 100 with them. Empty: the local ones for a new pair, and
    /// those that it has for an existing pair. Not for clients.
    pub names: Vec<Name>,
    /// Days from now until the end, 1 to [`MAX_DAYS`](Self::MAX_DAYS). Default: 90.
    ///
    /// For what is made now; another number alone does not replace a good pair.
    pub days: u16,
    /// Makes a new key and certificate although the present pair is good. The CA is kept. Default: off.
    pub force: bool,
    /// A client's name: its certificate, `NAME.crt` and `NAME.key`, instead of the server's. Letters, digits, `-` and
    /// `_`, at most 64. Default: none.
    pub client: Option<String>,
    /// The dates of the certificate; others than the default are for tests. Default: valid now.
    pub dates: Dates,
    /// Rule for the private keys that are there already. Default: checked.
    pub secret_files: SecretFiles,
}

/// Validity of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// From an hour ago, for clocks that are late.
    #[default]
    Now,
    /// For tests: ended a day ago.
    Expired,
    /// For tests: begins in a day.
    NotYetValid,
}

impl Request {
    /// Longest lifetime, in days: what Apple's platforms accept for certificates of a private CA.
    pub const MAX_DAYS: u16 = 825;

    fn validity(&self, now: OffsetDateTime) -> Validity {
        let lifetime = Duration::days(self.days.into());
        match self.dates {
            Dates::Now => Validity::starting_now(now, lifetime),
            Dates::Expired => Validity::over(now, lifetime),
            Dates::NotYetValid => Validity::to_come(now, lifetime),
        }
        .limited()
    }

    fn check(&self) -> Result<(), Error> {
        if !(1..=Self::MAX_DAYS).contains(&self.days) {
            return Err(Error::Request(format!(
                "{} days asked for; allowed are 1 to {}",
                self.days,
                Self::MAX_DAYS
            )));
        }
        if self.names.len() + Name::local().len() > MAX_NAMES {
            return Err(Error::Request(format!(
                "{} names asked for; at most {MAX_NAMES} are allowed",
                self.names.len()
            )));
        }
        let Some(client) = &self.client else {
            return Ok(());
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if client.is_empty() || client.len() > 64 || !client.bytes().all(allowed) {
            return Err(Error::Request(
                "a client's name has 1 to 64 letters, digits, '-' or '_'".to_owned(),
            ));
        }
        if ["ca", "server"].contains(&client.to_ascii_lowercase().as_str()) {
            return Err(Error::Request(format!(
                "\"{client}\" cannot be a client's name: its files belong to the {client}"
            )));
        }
        Ok(())
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            days: 90,
            force: false,
            client: None,
            dates: Dates::Now,
            secret_files: SecretFiles::Checked,
        }
    }
}

/// The treatment of a file or pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It did not exist.
    Made,
    /// It was good and is unchanged.
    Kept,
    /// It was replaced, and why. A pair keeps its key unless this was forced; the CA always keeps its key.
    Renewed(String),
}

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made => f.write_str("made"),
            Self::Kept => f.write_str("kept"),
            Self::Renewed(_) => f.write_str("renewed"),
        }
    }
}

/// The files, the work done on them, and the certificate's content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The CA's certificate, to be trusted by clients.
    pub authority: PathBuf,
    /// The CA's private key.
    pub authority_key: PathBuf,
    /// The treatment of the CA.
    pub authority_action: Action,
    /// The certificate that was asked for: the one certificate, without the CA's.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8.
    pub key: PathBuf,
    /// The treatment of the pair.
    pub action: Action,
    /// The content of the certificate.
    pub description: Description,
}

impl Display for Outcome {
    /// One line, fit for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            certificate,
            authority_action,
            authority,
            ..
        } = self;
        let (certificate, authority) = (certificate.display(), authority.display());
        write!(
            f,
            "{action} {certificate} ({}), CA {authority_action}: {authority}",
            self.description
        )
    }
}

/// Sees to it that `directory` holds a good pair and the CA that signed it.
///
/// A missing directory is made with mode 0700, a missing CA and a missing pair are made. A pair that is good is kept. A
/// pair with other names than asked for, or with less than a third of its lifetime left, is renewed with its own key, so
/// that public-key pins hold. A CA that does not permit a name asked for, or ends too early, is reissued under its own
/// name and key, permitting the old names and the new ones: what it signed stays valid, but those who trust its
/// certificate need the new one to accept the new names.
///
/// Other processes that call this for the same directory wait.
///
/// # Errors
/// The request is not allowed; files are half present, unreadable, mismatched or not signed by the CA (nothing was
/// changed then); or the directory cannot be written (no half file is left).
pub fn ensure(directory: &Path, request: &Request) -> Result<Outcome, Error> {
    request.check()?;
    let now = OffsetDateTime::now_utc();
    let store = Store::open(directory)?;
    let authority = Authority::load(&store, request.secret_files)?;
    let stem = request.client.as_deref().unwrap_or("server");
    let present = Present::load(&store, stem, authority.as_ref(), request.secret_files)?;
    let purpose = purpose(request, present.as_ref())?;
    let action = match &present {
        None => Action::Made,
        Some(present) => match present.reason_to_renew(request, &purpose, now)? {
            None => Action::Kept,
            Some(reason) => Action::Renewed(reason),
        },
    };
    let paths = Paths {
        store: &store,
        stem,
    };
    match (action, present) {
        (Action::Kept, Some(present)) => keep(&paths, &purpose, authority, present, now),
        (action, present) => make(&paths, request, &purpose, action, authority, present, now),
    }
}

/// Leaves the pair alone; reissues only a CA that no longer fits it, as when an older one was put back.
fn keep(
    paths: &Paths<'_>,
    purpose: &Purpose,
    authority: Option<Authority>,
    present: Present,
    now: OffsetDateTime,
) -> Result<Outcome, Error> {
    let validity = Validity {
        not_before: present.description.not_before,
        not_after: present.description.not_after,
    };
    let (authority, authority_action) =
        fit_authority(paths, authority, purpose.names(), validity, now)?;
    if authority_action != Action::Kept {
        let mut batch = paths.store.batch();
        authority.stage(&mut batch, false)?;
        batch.commit()?;
    }
    Ok(paths.outcome(Action::Kept, authority_action, present.description))
}

/// Makes what is missing or to be replaced, and writes it in one go.
fn make(
    paths: &Paths<'_>,
    request: &Request,
    purpose: &Purpose,
    action: Action,
    authority: Option<Authority>,
    present: Option<Present>,
    now: OffsetDateTime,
) -> Result<Outcome, Error> {
    let validity = request.validity(now);
    let (authority, authority_action) =
        fit_authority(paths, authority, purpose.names(), validity, now)?;
    let failed = |error: rcgen::Error| Error::Make {
        path: paths.certificate(),
        reason: error.to_string(),
    };
    let old_key = present
        .filter(|_| !request.force)
        .map(|present| KeyPair::try_from(&present.key));
    let new_key = old_key.is_none();
    let key = old_key
        .unwrap_or_else(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256))
        .map_err(failed)?;
    let issuer = authority.issuer().map_err(failed)?;
    let certificate = issue::leaf(purpose, validity, &key, &issuer).map_err(failed)?;
    let description = describe(certificate.der())
        .ok_or_else(|| failed(rcgen::Error::CouldNotParseCertificate))?;

    let mut batch = paths.store.batch();
    if authority_action != Action::Kept {
        authority.stage(&mut batch, authority_action == Action::Made)?;
    }
    if new_key {
        batch.key(&paths.name("key"), &key.serialize_pem())?;
    }
    batch.certificate(&paths.name("crt"), &certificate.pem())?;
    batch.commit()?;
    Ok(paths.outcome(action, authority_action, description))
}

/// The CA, made or reissued as far as this certificate needs it.
fn fit_authority(
    paths: &Paths<'_>,
    authority: Option<Authority>,
    names: &[Name],
    validity: Validity,
    now: OffsetDateTime,
) -> Result<(Authority, Action), Error> {
    let path = paths.store.file(authority::CERTIFICATE);
    let failed = |error: rcgen::Error| Error::Make {
        path: path.clone(),
        reason: error.to_string(),
    };
    let Some(authority) = authority else {
        let permitted: BTreeSet<Name> = Name::local()
            .into_iter()
            .chain(names.iter().cloned())
            .collect();
        let permitted: Vec<Name> = permitted.into_iter().collect();
        return Ok((
            Authority::new(&permitted, now).map_err(failed)?,
            Action::Made,
        ));
    };
    let Some(reason) = authority.shortcoming(names, validity.not_after.max(now)) else {
        return Ok((authority, Action::Kept));
    };
    match authority.reissue(names, now) {
        Some(reissued) => Ok((reissued.map_err(failed)?, Action::Renewed(reason))),
        None => Err(Error::Authority {
            reason: format!(
                "{reason}, and it was not made here, so it is not reissued; move it and its key away"
            ),
            path,
        }),
    }
}

/// For whom: the client, or the server under the names asked for or those that it has.
fn purpose(request: &Request, present: Option<&Present>) -> Result<Purpose, Error> {
    if let Some(client) = &request.client {
        return Ok(Purpose::Client(client.clone()));
    }
    let more = match present {
        Some(present) if request.names.is_empty() => present
            .description
            .names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()?,
        _ => request.names.clone(),
    };
    let mut names = Name::local();
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Purpose::Server(names))
}

/// A pair that is there already.
struct Present {
    certificate: PathBuf,
    key: PrivateKeyDer<'static>,
    description: Description,
}

impl Present {
    /// Reads the pair; `None` when neither file is there.
    fn load(
        store: &Store,
        stem: &str,
        authority: Option<&Authority>,
        rule: SecretFiles,
    ) -> Result<Option<Self>, Error> {
        let (certificate, key) = (format!("{stem}.crt"), format!("{stem}.key"));
        if !both_or_neither(store, &certificate, &key)? {
            return Ok(None);
        }
        let certificate = store.file(&certificate);
        let (chain, key) = load_pair_with(&certificate, &store.file(&key), rule)?;
        let own: Option<&CertificateDer<'_>> = chain.first();
        let ours = own.filter(|own| authority.is_some_and(|authority| authority.signed(own)));
        match ours.and_then(describe) {
            Some(description) => Ok(Some(Self {
                certificate,
                key,
                description,
            })),
            None => Err(Error::Foreign {
                certificate,
                authority: store.file(authority::CERTIFICATE),
            }),
        }
    }

    fn reason_to_renew(
        &self,
        request: &Request,
        purpose: &Purpose,
        now: OffsetDateTime,
    ) -> Result<Option<String>, Error> {
        if request.force {
            return Ok(Some("forced".to_owned()));
        }
        let state = self.state(now);
        if request.dates != Dates::Now {
            return match state {
                Dates::Now => Err(Error::WouldReplace {
                    path: self.certificate.clone(),
                    until: self.description.not_after_text(),
                }),
                state if state == request.dates => Ok(None),
                _ => Ok(Some("other dates asked for".to_owned())),
            };
        }
        let (begin, end) = (self.description.not_before, self.description.not_after);
        Ok(match state {
            Dates::Expired => Some(format!("it ended on {}", utc(end))),
            Dates::NotYetValid => Some(format!("it would begin on {}", utc(begin))),
            Dates::Now if (end - now) * 3 < end - begin => Some(format!(
                "less than a third of its lifetime is left: it would end on {}",
                utc(end)
            )),
            Dates::Now => self.other_names(purpose),
        })
    }

    fn state(&self, now: OffsetDateTime) -> Dates {
        if self.description.not_after < now {
            Dates::Expired
        } else if now < self.description.not_before {
            Dates::NotYetValid
        } else {
            Dates::Now
        }
    }

    /// Words for the difference between the names it has and those wanted.
    fn other_names(&self, purpose: &Purpose) -> Option<String> {
        let Purpose::Server(names) = purpose else {
            return None;
        };
        let wanted: BTreeSet<String> = names.iter().map(Name::to_string).collect();
        let had: BTreeSet<String> = self.description.names.iter().cloned().collect();
        let list = |names: Vec<&String>| {
            names
                .into_iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (added, dropped) = (
            list(wanted.difference(&had).collect()),
            list(had.difference(&wanted).collect()),
        );
        match (added.is_empty(), dropped.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("other names: now also {added}")),
            (true, false) => Some(format!("other names: no longer {dropped}")),
            (false, false) => Some(format!(
                "other names: now also {added}, no longer {dropped}"
            )),
        }
    }
}

/// File names of the pair at hand.
struct Paths<'a> {
    store: &'a Store,
    stem: &'a str,
}

impl Paths<'_> {
    fn name(&self, extension: &str) -> String {
        format!("{}.{extension}", self.stem)
    }

    fn certificate(&self) -> PathBuf {
        self.store.file(&self.name("crt"))
    }

    fn outcome(
        &self,
        action: Action,
        authority_action: Action,
        description: Description,
    ) -> Outcome {
        Outcome {
            authority: self.store.file(authority::CERTIFICATE),
            authority_key: self.store.file(authority::KEY),
            authority_action,
            certificate: self.certificate(),
            key: self.store.file(&self.name("key")),
            action,
            description,
        }
    }
}
