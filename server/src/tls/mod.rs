//! The TLS side: what is offered, with which certificates, and how it is replaced while serving.

mod challenges;
mod error;
mod info;
mod pairs;
mod reminder;
mod tickets;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{WebPkiClientVerifier, danger::ClientCertVerifier};
use tracing::{error, info, warn};

use crate::config::{ClientAuth, TlsOptions};
use crate::metrics::{Metrics, ResultLabel};

pub(crate) use challenges::{ACME_PROTOCOL, Answer, Challenges};
pub use error::TlsError;
pub use info::TlsInfo;
use pairs::Pairs;
use tickets::Tickets;
pub(crate) use tls_stream::TlsStream;

/// TLS over a connection.
pub(crate) type TlsTransport = TlsStream<crate::socket::Socket>;

/// Configuration of new handshakes; replaced as a whole when files change.
#[derive(Debug)]
pub(crate) struct Tls {
    options: TlsOptions,
    metrics: Metrics,
    tickets: Option<Arc<Tickets>>,
    current: ArcSwap<ServerConfig>,
    challenges: Challenges,
}

impl Tls {
    /// Reads all files named by `options`; when the pair of `--certs` is missing it is made.
    ///
    /// # Errors
    /// A file cannot be used.
    pub(crate) fn load(options: TlsOptions, metrics: Metrics) -> Result<Arc<Self>, TlsError> {
        if options.insecure_secret_files.is_on() {
            warn!(
                "--insecure-secret-files: files with secrets are used whoever can read or replace them"
            );
        }
        pairs::make_if_missing(&options)?;
        pairs::report_authority(&options);
        let tickets = options.session_tickets.is_on().then(Arc::default);
        let challenges = Challenges::default();
        let config = build(&options, tickets.clone(), &metrics, &challenges)?;
        Ok(Arc::new(Self {
            options,
            metrics,
            tickets,
            current: ArcSwap::new(config),
            challenges,
        }))
    }

    /// Reads all files named by `options` and makes none.
    ///
    /// # Errors
    /// A file cannot be used.
    pub(crate) fn check(options: &TlsOptions) -> Result<(), TlsError> {
        if pairs::would_be_made(options) {
            pairs::check_directory(&options.certs)?;
            return client_verifier(options, &Arc::new(aws_lc_rs::default_provider())).map(drop);
        }
        build(options, None, &Metrics::new(), &Challenges::default()).map(drop)
    }

    /// Returns the configuration of the next handshake.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// The challenges of an ACME server that are answered.
    pub(crate) fn challenges(&self) -> Challenges {
        self.challenges.clone()
    }

    /// Reads all files again. A bad one changes nothing: what was in force stays, and the log and a metric tell.
    pub(crate) fn reload(&self) {
        // A resumed session is not asked for its certificate again, so old tickets must not outlive the CA that they
        // were given under.
        let tickets = match self.options.client_auth {
            ClientAuth::Off => self.tickets.clone(),
            _ => self.tickets.as_ref().map(|_| Arc::default()),
        };
        let result = match build(&self.options, tickets, &self.metrics, &self.challenges) {
            Ok(config) => {
                self.current.store(config);
                info!("certificates loaded again; new connections use them");
                "loaded"
            }
            Err(error) => {
                error!(%error, "certificates changed and cannot be used; the old ones stay in force");
                "refused"
            }
        };
        self.metrics
            .certificate_reloads
            .get_or_create(&ResultLabel { result })
            .inc();
    }
}

/// Begins to gather the entropy for the first random numbers, beside all else that a start takes.
///
/// Whoever needs a random number meanwhile waits until it is there. Without a further thread the first one does it.
pub(crate) fn gather_entropy() {
    let gathering = || {
        // A failure will show where it matters.
        let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0]);
    };
    let _ = std::thread::Builder::new()
        .name("entropy".to_owned())
        .spawn(gathering);
}

/// rustls' configuration from the files as they are now.
fn build(
    options: &TlsOptions,
    tickets: Option<Arc<Tickets>>,
    metrics: &Metrics,
    challenges: &Challenges,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let pairs = Pairs::load(options, &provider, metrics, challenges)?;
    let versions: &[_] = if options.tls13_only.is_on() {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let builder = match client_verifier(options, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(pairs));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if options.acme.is_on() {
        config.alpn_protocols.push(ACME_PROTOCOL.to_vec());
    }
    // 0-RTT data can be replayed; it is never accepted.
    config.max_early_data_size = 0;
    if let Some(tickets) = tickets {
        config.ticketer = tickets;
        // Who resumes with it gets the next one; a second would cost every handshake as much as the first.
        config.send_tls13_tickets = 1;
    } else {
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// Creates the verifier of clients' certificates, if they are checked.
fn client_verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if options.client_auth == ClientAuth::Off {
        return Ok(None);
    }
    let path = options
        .client_ca
        .as_ref()
        .ok_or(TlsError::NoClientAuthority)?;
    let roots = Arc::new(certs::load_roots(path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match options.client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Off | ClientAuth::Required => builder,
    };
    let verifier = builder.build().map_err(|error| TlsError::ClientAuthority {
        path: path.clone(),
        message: error.to_string(),
    })?;
    Ok(Some(verifier))
}
