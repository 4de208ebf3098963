//! Counts of what went each way, and the ratio that compression reached.

use std::fmt::{self, Write as _};

use tungstenite_deflate::Agreed;

use crate::meter::WireMessage;

/// Data messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Messages, control frames left out.
    pub messages: u64,
    /// Bytes of their payloads before compression.
    pub payload_bytes: u64,
    /// Bytes of their frames on the wire, headers included.
    pub wire_bytes: u64,
    /// How many were compressed.
    pub compressed: u64,
}

impl Flow {
    /// Counts one message.
    pub fn count(&mut self, payload_bytes: usize, wire: Option<WireMessage>) {
        self.messages += 1;
        self.payload_bytes += payload_bytes as u64;
        if let Some(wire) = wire {
            self.wire_bytes += wire.bytes;
            self.compressed += u64::from(wire.compressed);
        }
    }

    /// Bytes on the wire for each byte of payload: below 1 is a gain.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio is shown with two digits"
    )]
    pub fn ratio(&self) -> Option<f64> {
        (self.payload_bytes > 0).then(|| self.wire_bytes as f64 / self.payload_bytes as f64)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}, {} B, {} B on the wire",
            counted(self.messages, "message"),
            self.payload_bytes,
            self.wire_bytes
        )?;
        match self.ratio() {
            Some(ratio) => write!(
                formatter,
                " ({:.0} %, {} compressed)",
                ratio * 100.0,
                self.compressed
            ),
            None => Ok(()),
        }
    }
}

/// Both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// From us to the peer.
    pub sent: Flow,
    /// From the peer to us.
    pub received: Flow,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sent {}; received {}", self.sent, self.received)
    }
}

/// A number with its noun: `1 message`, `2 messages`, `2 replies`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        _ if number == 1 => noun.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    };
    format!("{number} {plural}")
}

/// What was agreed on compression, in the words of RFC 7692.
pub(crate) fn agreed_text(agreed: Option<Agreed>) -> String {
    let Some(agreed) = agreed else {
        return "no compression".into();
    };
    let mut text = String::from("permessage-deflate");
    if agreed.server_no_context_takeover {
        text.push_str("; server_no_context_takeover");
    }
    if agreed.client_no_context_takeover {
        text.push_str("; client_no_context_takeover");
    }
    for (name, bits) in [
        ("server", agreed.server_max_window_bits),
        ("client", agreed.client_max_window_bits),
    ] {
        if bits != 15 {
            let _ = write!(text, "; {name}_max_window_bits={bits}");
        }
    }
    text
}
