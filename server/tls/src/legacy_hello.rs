//! The alert for versions before TLS 1.2.
//!
//! rustls looks for `signature_algorithms`, which those versions do not have, before it looks at the version, and answers
//! with `handshake_failure`. RFC 5246 §E.1 asks for `protocol_version`, which tells a client what to do about it.

use rustls::{Error, PeerIncompatible};

/// A record with the fatal alert `protocol_version`.
pub(crate) const PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

/// Tells if `error` came of a `ClientHello` that is older than TLS 1.2 and begins `records`.
pub(crate) fn is_old_hello(error: &Error, records: &[u8]) -> bool {
    let missing = PeerIncompatible::SignatureAlgorithmsExtensionRequired;
    *error == Error::PeerIncompatible(missing)
        && records
            .get(VERSION..VERSION + 2)
            .is_some_and(|version| version < &TLS12[..])
}

/// Position of the version in the message in its record (RFC 5246 §6.2.1, §7.4.1.2).
const VERSION: usize = 5 + 4;
/// TLS 1.2 as that version.
const TLS12: [u8; 2] = [3, 3];
