//! The server name (SNI) of one handshake.
//!
//! rustls' unbuffered interface gives it to the resolver of certificates alone, which does not know the connection.
//! So each handshake gets a resolver of its own, which keeps the name and then asks the server's.

use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A resolver for one handshake that keeps the name which the client gave.
#[derive(Debug)]
pub(crate) struct NamedResolver {
    resolver: Arc<dyn ResolvesServerCert>,
    name: OnceLock<Option<Box<str>>>,
}

impl NamedResolver {
    /// Puts a resolver in front of that of `config`, in a configuration for one handshake.
    pub(crate) fn install(config: &ServerConfig) -> (Arc<Self>, Arc<ServerConfig>) {
        let named = Arc::new(Self {
            resolver: Arc::clone(&config.cert_resolver),
            name: OnceLock::new(),
        });
        let mut config = config.clone();
        config.cert_resolver = Arc::clone(&named) as Arc<dyn ResolvesServerCert>;
        (named, Arc::new(config))
    }

    /// The name in the client's hello, if one came and named a server.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get()?.as_deref()
    }
}

impl ResolvesServerCert for NamedResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A second hello, after a HelloRetryRequest, has the same name (RFC 8446 §4.1.2).
        self.name.get_or_init(|| hello.server_name().map(Box::from));
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}
