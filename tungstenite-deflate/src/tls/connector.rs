//! The TLS that a client uses for `wss`: chosen by the program, or what is compiled in.

use std::fmt;
#[cfg(feature = "__rustls")]
use std::sync::Arc;

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
