//! The TLS that a client uses for `wss`: chosen by the program, or what is compiled in.

use std::fmt;
#[cfg(feature = "__rustls")]
use std::sync::Arc;

#[cfg(all(feature = "connect", feature = "__rustls-tls"))]
use super::rustls;
#[cfg(feature = "connect")]
use crate::handshake::RedirectError;

/// The TLS that a client uses for `wss`, under tokio-tungstenite's name and with its variants.
#[derive(Clone)]
#[non_exhaustive]
pub enum Connector {
    /// No TLS: a `wss` URL is refused.
    Plain,
    /// The platform's TLS library.
    #[cfg(feature = "native-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "native-tls")))]
    NativeTls(native_tls_crate::TlsConnector),
    /// rustls, with its roots, client certificates and crypto provider.
    #[cfg(feature = "__rustls")]
    Rustls(Arc<::rustls::ClientConfig>),
}

#[cfg(feature = "connect")]
impl Connector {
    /// Returns the connector without client certificate and the sessions resumed with it, for another origin.
    ///
    /// # Errors
    /// The platform's library does not tell if it has one.
    #[cfg_attr(
        not(feature = "native-tls"),
        expect(
            clippy::unnecessary_wraps,
            reason = "one signature with and without native-tls"
        )
    )]
    pub(crate) fn without_client_certificate(self) -> Result<Self, RedirectError> {
        match self {
            #[cfg(feature = "native-tls")]
            Self::NativeTls(_) => Err(RedirectError::ClientCertificate),
            #[cfg(feature = "__rustls-tls")]
            Self::Rustls(config) => Ok(Self::Rustls(rustls::without_client_certificate(config))),
            other => Ok(other),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "Plain",
            #[cfg(feature = "native-tls")]
            Self::NativeTls(_) => "NativeTls(..)",
            #[cfg(feature = "__rustls")]
            Self::Rustls(_) => "Rustls(..)",
        })
    }
}
