//! The choice of a proxy for each URL.

use super::no_proxy::NoProxy;
use super::proxy::{InvalidProxyVariable, Proxy};
use crate::handshake::WebSocketUrl;

/// The choice of a proxy for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyChoice {
    /// Uses no proxy.
    #[default]
    Direct,
    /// Uses the proxy that the environment names at the time of the connection, see [`Proxy::from_environment`], but for
    /// the hosts in `no_proxy` or `NO_PROXY`.
    Environment,
    /// Uses this proxy, but for some hosts.
    Through {
        /// The proxy.
        proxy: Box<Proxy>,
        /// Hosts that are connected to without it.
        except: NoProxy,
    },
}

impl ProxyChoice {
    /// Returns the proxy for `url`, if there is one.
    ///
    /// # Errors
    /// The environment names something that is no proxy.
    pub fn for_url(&self, url: &WebSocketUrl) -> Result<Option<Proxy>, InvalidProxyVariable> {
        let lookup = |name: &str| std::env::var(name).ok();
        match self {
            Self::Direct => Ok(None),
            Self::Environment if NoProxy::from_environment(lookup).contains(url) => Ok(None),
            Self::Environment => Proxy::from_environment(url.is_secure(), lookup),
            Self::Through { proxy, except } => {
                Ok((!except.contains(url)).then(|| proxy.as_ref().clone()))
            }
        }
    }
}

impl From<Proxy> for ProxyChoice {
    /// Uses the proxy for every host.
    fn from(proxy: Proxy) -> Self {
        Self::Through {
            proxy: Box::new(proxy),
            except: NoProxy::default(),
        }
    }
}
