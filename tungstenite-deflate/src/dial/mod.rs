//! The way to a server beneath TLS: addresses and Happy Eyeballs (RFC 8305), proxies, redirects, one deadline for all.
//!
//! `connect_async_with_options`, `connect_async_tls_with_options` and `sync::connect_with_options` follow
//! [`Options::dial`](crate::Options::dial):
//!
//! ```no_run
//! use std::time::Duration;
//! use tungstenite_deflate::{Options, connect_async_with_options, dial::Dial};
//!
//! # async fn example() -> Result<(), tungstenite_deflate::tungstenite::Error> {
//! let dial = Dial::default().timeout(Some(Duration::from_secs(10))).max_redirects(5);
//! let options = Options::default().dial(dial).url_credentials(true);
//! let (socket, response) = connect_async_with_options("wss://alice:secret@example.com/chat", options, true).await?;
//! # Ok(()) }
//! ```
//!
//! | purpose | setting | default | in functions shared with tokio-tungstenite |
//! |---|---|---|---|
//! | both address families race | [`Dial::attempt_delay`] | 250 ms | none: one address after the other |
//! | a deadline | [`Dial::timeout`] | 30 s | none |
//! | one address family | [`Dial::family`] | both | both |
//! | redirects | [`Dial::max_redirects`] | 0 | 0 |
//! | proxies | `Dial::proxy`, feature `proxy` | none | none |
//! | Basic credentials of the URL | [`Options::url_credentials`](crate::Options::url_credentials) | off | off |
//!
//! Programs that open their connections by themselves use the parts: [`happy_eyeballs`], [`Family`], `Proxy::tunnel`,
//! [`Redirect`](crate::handshake::Redirect).

mod family;
#[cfg(feature = "connect")]
mod open;
#[cfg(feature = "connect")]
mod race;
mod settings;

#[cfg(feature = "proxy")]
mod choice;
#[cfg(feature = "proxy")]
mod no_proxy;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(feature = "proxy")]
mod tunnel;

#[cfg(feature = "proxy")]
pub use choice::ProxyChoice;
pub use family::Family;
#[cfg(feature = "sync")]
pub(crate) use family::interleaved;
#[cfg(feature = "proxy")]
pub use no_proxy::NoProxy;
#[cfg(feature = "proxy")]
pub use proxy::{InvalidProxy, InvalidProxyVariable, Proxy, ProxyKind};
#[cfg(feature = "connect")]
#[cfg_attr(docsrs, doc(cfg(feature = "connect")))]
pub use race::happy_eyeballs;
pub use settings::Dial;
pub(crate) use settings::overdue;
#[cfg(feature = "proxy")]
pub use tunnel::{ProxyError, SocksError};
