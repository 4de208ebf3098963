//! rustls' configuration where the caller gives none.

#[cfg(any(not(feature = "aws-lc-rs"), feature = "__native-roots"))]
use std::io;
#[cfg(feature = "aws-lc-rs")]
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::tungstenite::Error;
#[cfg(feature = "aws-lc-rs")]
use crate::tungstenite::error::TlsError;

/// The configuration without a connector: the roots that are compiled in, the machine's, or both.
pub(crate) fn config() -> Result<ClientConfig, Error> {
    Ok(builder()?
        .with_root_certificates(roots()?)
        .with_no_client_auth())
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

/// The process's provider if one is installed, else aws-lc-rs.
#[cfg(feature = "aws-lc-rs")]
fn builder() -> Result<Builder, Error> {
    use rustls::crypto::{CryptoProvider, aws_lc_rs};

    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider);
    Ok(builder
        .with_safe_default_protocol_versions()
        .map_err(TlsError::from)?)
}

/// rustls' choice, as for tokio-tungstenite: the process's provider, or the only one compiled in.
///
/// rustls panics where there is neither, and offers no way to ask before.
#[cfg(not(feature = "aws-lc-rs"))]
fn builder() -> Result<Builder, Error> {
    std::panic::catch_unwind(ClientConfig::builder).map_err(|_| {
        Error::Io(io::Error::other(
            "rustls has no crypto provider, or more than one to choose from: enable feature `aws-lc-rs` of tungstenite-deflate, \
             or call rustls::crypto::CryptoProvider::install_default at the start of the program",
        ))
    })
}

#[cfg_attr(
    not(any(feature = "__native-roots", feature = "__webpki-roots")),
    expect(
        unused_mut,
        clippy::unnecessary_wraps,
        reason = "without roots no server is trusted"
    )
)]
fn roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    #[cfg(feature = "__native-roots")]
    add_native(&mut roots)?;
    #[cfg(feature = "__webpki-roots")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

/// The machine's own roots; that there are none matters only without compiled-in ones.
#[cfg(feature = "__native-roots")]
fn add_native(roots: &mut RootCertStore) -> Result<(), Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() && cfg!(not(feature = "__webpki-roots")) {
        let text = format!(
            "no native root CA certificates found (errors: {:?})",
            found.errors
        );
        return Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, text)));
    }
    roots.add_parsable_certificates(found.certs);
    Ok(())
}
