//! Alerts before any key is agreed that rustls does not send, or sends with another description.

use rustls::{Error, PeerIncompatible};

/// Returns the record with the fatal alert for `error`, which came of `records`, the first of a connection; `None` if
/// rustls' own is right. `is_silent` tells that rustls has none.
///
/// - A `ClientHello` older than TLS 1.2 gets `protocol_version` (RFC 5246 §E.1), which tells a client what to do about it.
///   rustls looks for `signature_algorithms`, which those versions do not have, before it looks at the version, and
///   answers with `handshake_failure`.
/// - A message that cannot be parsed gets `decode_error` (RFC 8446 §6.2). rustls sends none if the message announces a
///   length that exceeds its limit.
pub(crate) fn plain_alert(error: &Error, records: &[u8], is_silent: bool) -> Option<[u8; 7]> {
    let description = match error {
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)
            if records
                .get(VERSION..VERSION + 2)
                .is_some_and(|version| version < &TLS12[..]) =>
        {
            PROTOCOL_VERSION
        }
        Error::InvalidMessage(_) if is_silent => DECODE_ERROR,
        _ => return None,
    };
    Some([21, 3, 1, 0, 2, 2, description])
}

/// Position of the version in the message in its record (RFC 5246 §6.2.1, §7.4.1.2).
const VERSION: usize = 5 + 4;
/// TLS 1.2 as that version.
const TLS12: [u8; 2] = [3, 3];
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
