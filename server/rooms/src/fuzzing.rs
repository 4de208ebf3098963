//! Readers of strangers' bytes as plain functions for fuzzers; no part of the interface.

use crate::backplane::nats::envelope;
use crate::{Position, Settings};

/// Reads a position in a room's history: what is read is written as the same position.
///
/// # Panics
/// It is not.
pub fn position(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}

/// Reads a message of another node, or of whoever else writes into NATS: what is read is written as the same message.
///
/// # Panics
/// It is not.
pub fn envelope(bytes: &[u8]) {
    let settings = Settings::default();
    if let Ok(draft) = envelope::decode(bytes, &settings) {
        assert_eq!(
            envelope::decode(&envelope::encode(&draft), &settings),
            Ok(draft)
        );
    }
}
