//! The settings of a connection that is opened by URL.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "proxy")]
use super::choice::ProxyChoice;
use super::family::Family;

/// The settings of a connection that is opened by URL; see [the module](crate::dial).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dial {
    /// Addresses that may be used. Default: both families.
    pub family: Family,
    /// Time after which the next address is tried while the ones before go on (RFC 8305 §5); see [`happy_eyeballs`](crate::dial::happy_eyeballs).
    /// `None` tries one address after the other, each as long as the operating system does. Default: 250 ms, as
    /// recommended by RFC 8305 §8.
    pub attempt_delay: Option<Duration>,
    /// Maximum time from the name lookup to the response of the WebSocket handshake, with proxy, TLS and redirects; `None`
    /// waits without limit. Default: 30 s.
    ///
    /// Exceeding it is an [`Error::Io`](crate::tungstenite::Error::Io) of kind `TimedOut`, and what was opened is closed.
    pub timeout: Option<Duration>,
    /// Maximum number of redirects that are followed, by the rules of [`Redirect`](crate::handshake::Redirect). Default: 0;
    /// a redirect is then [`Error::Http`](crate::tungstenite::Error::Http), as any other refusal.
    ///
    /// One that is not followed for another reason is an `Error::Io` with a
    /// [`RedirectError`](crate::handshake::RedirectError) inside. After a redirect the response's extensions hold the
    /// [`WebSocketUrl`](crate::handshake::WebSocketUrl) that answered.
    pub max_redirects: usize,
    /// The proxy to go through. Default: none.
    #[cfg(feature = "proxy")]
    #[cfg_attr(docsrs, doc(cfg(feature = "proxy")))]
    pub proxy: ProxyChoice,
}

impl Default for Dial {
    fn default() -> Self {
        Self {
            attempt_delay: Some(Duration::from_millis(250)),
            timeout: Some(Duration::from_secs(30)),
            ..Self::without_timers()
        }
    }
}

impl Dial {
    /// Returns the settings of the functions shared with tokio-tungstenite, which use no timer.
    pub(crate) fn without_timers() -> Self {
        Self {
            family: Family::Any,
            attempt_delay: None,
            timeout: None,
            max_redirects: 0,
            #[cfg(feature = "proxy")]
            proxy: ProxyChoice::Direct,
        }
    }

    /// Sets [`Self::family`].
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets [`Self::attempt_delay`].
    pub fn attempt_delay(mut self, delay: Option<Duration>) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// Sets [`Self::timeout`].
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`Self::max_redirects`].
    pub fn max_redirects(mut self, max_redirects: usize) -> Self {
        self.max_redirects = max_redirects;
        self
    }

    /// Sets [`Self::proxy`].
    #[cfg(feature = "proxy")]
    #[cfg_attr(docsrs, doc(cfg(feature = "proxy")))]
    pub fn proxy(mut self, proxy: impl Into<ProxyChoice>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Returns the addresses of `host` that may be used.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn permitted(
        &self,
        host: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> io::Result<Vec<SocketAddr>> {
        let permitted: Vec<_> = found
            .filter(|address| self.family.contains(*address))
            .collect();
        if permitted.is_empty() {
            let text = format!("{host} has no address of the wanted family");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        Ok(permitted)
    }
}

/// The error after [`Dial::timeout`].
pub(crate) fn overdue(limit: Duration) -> io::Error {
    let text = format!("the connection was not open after {limit:?}");
    io::Error::new(io::ErrorKind::TimedOut, text)
}
