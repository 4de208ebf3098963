//! The client of a connection that has come, and what is spoken with it.

use crate::listen::ListenerKind;
use crate::peer::Peer;

/// The client of a connection and what is spoken with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: Peer,
    pub(crate) kind: ListenerKind,
    /// True if a proxy says that the client spoke TLS.
    pub(crate) is_secure: bool,
}
