//! TLS of clients, by rustls or by the platform's library.

#[cfg(any(feature = "connect", feature = "native-tls", feature = "__rustls-tls"))]
mod client;
mod connector;
#[cfg(all(feature = "__rustls", not(feature = "native-tls")))]
pub(crate) mod defaults;
#[cfg(feature = "native-tls")]
pub(crate) mod native;
#[cfg(feature = "__rustls-tls")]
mod rustls;

#[cfg(feature = "connect")]
pub(crate) use client::open;
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub use client::{client_async_tls, client_async_tls_with_config, client_async_tls_with_options};
pub use connector::Connector;
