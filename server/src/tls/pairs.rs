//! Certificates with their keys, and which of them answers a client's server name.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use certs::Description;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::TlsError;
use super::challenges::{Asked, Challenges};
use crate::config::{TlsOptions, UnknownName};
use crate::metrics::{CertificateLabel, Metrics};

/// All certificates that are served, by name.
#[derive(Debug)]
pub(crate) struct Pairs {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// The first certificate; answers clients that name no server.
    first: Option<Arc<CertifiedKey>>,
    unknown_name: UnknownName,
    challenges: Challenges,
}

/// One certificate's file and its key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PairPaths {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pairs {
    /// Reads every pair named by `options`.
    pub(super) fn load(
        options: &TlsOptions,
        provider: &Arc<CryptoProvider>,
        metrics: &Metrics,
        challenges: &Challenges,
    ) -> Result<Self, TlsError> {
        let mut pairs = Self {
            by_name: HashMap::new(),
            first: None,
            unknown_name: options.unknown_name,
            challenges: challenges.clone(),
        };
        if options.acme.is_on() && !options.acme.certificate().exists() {
            info!("no certificate yet: until the ACME server has issued one, TLS handshakes fail");
            return Ok(pairs);
        }
        for paths in paths(options)? {
            let (chain, key) =
                certs::load_pair_with(&paths.certificate, &paths.key, options.secret_files())?;
            let description = chain.first().and_then(certs::describe);
            let mismatch = |source| TlsError::Mismatch {
                certificate: paths.certificate.clone(),
                key: paths.key.clone(),
                source,
            };
            let pair = Arc::new(CertifiedKey::from_der(chain, key, provider).map_err(mismatch)?);
            if let Some(description) = description {
                report(&paths.certificate, &description, metrics);
                for name in description.names {
                    pairs
                        .by_name
                        .entry(name.to_ascii_lowercase())
                        .or_insert_with(|| Arc::clone(&pair));
                }
            }
            pairs.first.get_or_insert(pair);
        }
        Ok(pairs)
    }

    /// The certificate for `name`: its own, else a wildcard's for its parent (RFC 9525 §6.3), else by setting.
    fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let wildcard = || {
            name.split_once('.')
                .and_then(|(_, parent)| self.by_name.get(&format!("*.{parent}")))
        };
        let found = self.by_name.get(&name).or_else(wildcard).cloned();
        match self.unknown_name {
            UnknownName::Default => found.or_else(|| self.first.clone()),
            UnknownName::Refuse => found,
        }
    }
}

impl ResolvesServerCert for Pairs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match (self.challenges.find(&hello), hello.server_name()) {
            (Asked::Challenge(answer), _) => answer,
            (Asked::Service, Some(name)) => self.find(name),
            // An address is no server name (RFC 6066 §3), so clients that dial one send none.
            (Asked::Service, None) => self.first.clone(),
        }
    }
}

/// The files of every pair: those named, else the pair in `--certs`.
pub(super) fn paths(options: &TlsOptions) -> Result<Vec<PairPaths>, TlsError> {
    if options.acme.is_on() {
        let file = options.acme.certificate();
        return Ok(vec![PairPaths {
            key: file.clone(),
            certificate: file,
        }]);
    }
    let in_directory = |name: &str| vec![options.certs.join(name)];
    let (certificates, keys) = match (options.cert.as_slice(), options.key.as_slice()) {
        ([], []) => (in_directory("server.crt"), in_directory("server.key")),
        ([_], []) => (options.cert.clone(), in_directory("server.key")),
        ([], [_]) => (in_directory("server.crt"), options.key.clone()),
        _ => (options.cert.clone(), options.key.clone()),
    };
    if certificates.len() != keys.len() {
        return Err(TlsError::Unpaired {
            certificates: certificates.len(),
            keys: keys.len(),
        });
    }
    Ok(certificates
        .into_iter()
        .zip(keys)
        .map(|(certificate, key)| PairPaths { certificate, key })
        .collect())
}

/// Returns true if neither a pair nor an ACME server is named and both files of the one in `--certs` are missing.
pub(super) fn would_be_made(options: &TlsOptions) -> bool {
    let missing = |name: &str| !options.certs.join(name).exists();
    options.cert.is_empty()
        && options.key.is_empty()
        && !options.acme.is_on()
        && missing("server.crt")
        && missing("server.key")
}

/// Finds out if a pair can be made in `certs`: it is a directory or can become one, and files can be made there.
pub(super) fn check_directory(certs: &Path) -> Result<(), TlsError> {
    let found = certs.ancestors().find(|path| path.exists());
    // A relative path begins where the program runs.
    let found = found.unwrap_or_else(|| Path::new("."));
    if !found.is_dir() {
        return Err(TlsError::NotDirectory {
            certs: certs.to_owned(),
            found: found.to_owned(),
        });
    }
    may_write(found).map_err(|reason| TlsError::NotWritable {
        certs: certs.to_owned(),
        found: found.to_owned(),
        reason,
    })
}

/// Finds out if files may be made in `directory`.
#[cfg(unix)]
fn may_write(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};

    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Nothing that can be asked without making one tells.
#[cfg(not(unix))]
fn may_write(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes the pair of `--certs` when nobody named another and both its files are missing.
pub(super) fn make_if_missing(options: &TlsOptions) -> Result<(), TlsError> {
    if would_be_made(options) {
        let request = certs::Request {
            secret_files: options.secret_files(),
            ..certs::Request::default()
        };
        let made = certs::ensure(&options.certs, &request)?;
        info!("no certificate found: {made}");
    }
    Ok(())
}

/// Logs that the CA of `--certs` should be made anew, if the pair of that directory is served and its CA is an old one.
pub(super) fn report_authority(options: &TlsOptions) {
    if !options.cert.is_empty() || options.acme.is_on() {
        return;
    }
    let file = options.certs.join("ca.crt");
    let authority = certs::load_certificates(&file).unwrap_or_default();
    if let Some(shortcoming) = authority.first().and_then(certs::authority_shortcoming) {
        warn!(file = %file.display(), shortcoming, "the CA is of an older version; run scripts/generate-certs and trust it again");
    }
}

/// Tells how long a certificate is good for.
pub(super) fn report(file: &Path, description: &Description, metrics: &Metrics) {
    let label = CertificateLabel {
        file: file.display().to_string(),
    };
    metrics
        .certificate_end
        .get_or_create(&label)
        .set(description.not_after.unix_timestamp());
    let (file, until, days_left) = (
        file.display(),
        description.not_after_text(),
        description.days_left,
    );
    match days_left {
        ..0 => {
            warn!(%file, until, days_left, "the certificate has expired; clients will refuse it");
        }
        0..WARNING_DAYS => warn!(%file, until, days_left, "the certificate ends soon; renew it"),
        _ => info!(%file, until, days_left, "certificate in use"),
    }
}

/// Days before its end from which on a certificate is worth a warning.
const WARNING_DAYS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn pairs_come_from_flags_or_from_the_directory() {
        let mut options = Config::default().tls;
        let found = paths(&options).unwrap();
        assert_eq!(
            found,
            [PairPaths {
                certificate: "certs/server.crt".into(),
                key: "certs/server.key".into()
            }]
        );
        options.cert = vec!["a.crt".into(), "b.crt".into()];
        options.key = vec!["a.key".into()];
        assert!(matches!(
            paths(&options),
            Err(TlsError::Unpaired {
                certificates: 2,
                keys: 1
            })
        ));
        options.key.push("b.key".into());
        assert_eq!(
            paths(&options).unwrap()[1],
            PairPaths {
                certificate: "b.crt".into(),
                key: "b.key".into()
            }
        );
    }
}
