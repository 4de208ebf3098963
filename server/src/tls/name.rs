//! The server name (SNI) of the handshake that this thread is processing.
//!
//! rustls' unbuffered interface tells it to nobody but the resolver of certificates, which runs while bytes of the
//! handshake are processed and does not know the connection.

use std::cell::RefCell;

thread_local! {
    static NAMED: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// A client hello names this server.
pub(super) fn note(name: Option<&str>) {
    NAMED.set(name.map(Box::from));
}

/// The name of the last client hello, if it had one and nobody has taken it yet.
pub(super) fn take() -> Option<Box<str>> {
    NAMED.take()
}
