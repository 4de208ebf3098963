//! Certificates that answer ACME's challenges TLS-ALPN-01 (RFC 8737).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use values::sync::lock;

/// The protocol by which an ACME server asks for the answer to a challenge.
pub(crate) const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The challenges that are answered at present; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenges(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

/// A challenge that is answered as long as this lives.
#[derive(Debug)]
pub(crate) struct Answer {
    challenges: Challenges,
    name: String,
}

impl Challenges {
    /// Answers the challenge for `name` with `certificate`.
    pub(crate) fn answer(&self, name: String, certificate: CertifiedKey) -> Answer {
        lock(&self.0).insert(name.clone(), Arc::new(certificate));
        Answer {
            challenges: self.clone(),
            name,
        }
    }

    /// The answer to `hello`, if it asks for one: such a client offers that protocol and no other (RFC 8737 section 3).
    pub(super) fn find(&self, hello: &ClientHello<'_>) -> Asked {
        let mut protocols = hello.alpn().into_iter().flatten();
        match (protocols.next(), protocols.next()) {
            (Some(ACME_PROTOCOL), None) => {
                let name = hello.server_name().unwrap_or_default();
                Asked::Challenge(lock(&self.0).get(name).cloned())
            }
            _ => Asked::Service,
        }
    }
}

/// Purpose of a client's handshake.
pub(super) enum Asked {
    /// The answer to a challenge; `None` if there is none.
    Challenge(Option<Arc<CertifiedKey>>),
    /// The service.
    Service,
}

impl Drop for Answer {
    fn drop(&mut self) {
        lock(&self.challenges.0).remove(&self.name);
    }
}
