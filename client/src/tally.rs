//! Counts of what went each way, and what compression saved of it.

use std::fmt::{self, Write as _};
use std::ops::AddAssign;

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
    /// Number of messages that were compressed.
    pub compressed: u64,
    /// Bytes of these before and after compression.
    pub compression: Compression,
}

/// Bytes of compressed messages, without the headers of their frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// Before compression.
    pub before: u64,
    /// After it.
    pub after: u64,
}

impl Compression {
    /// Share of the bytes that compression saved where `wire_bytes` were on the wire, compared with the same frames
    /// uncompressed; negative where it made them larger.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share is shown with two digits"
    )]
    pub fn saved(self, wire_bytes: u64) -> f64 {
        let wire = wire_bytes as f64;
        let uncompressed = wire + self.before as f64 - self.after as f64;
        if uncompressed > 0.0 {
            1.0 - wire / uncompressed
        } else {
            0.0
        }
    }
}

impl AddAssign for Compression {
    fn add_assign(&mut self, more: Self) {
        self.before += more.before;
        self.after += more.after;
    }
}

/// A share in whole percent: `62 %`, `-3 %`.
pub(crate) fn percent(share: f64) -> String {
    // Zero has no sign.
    format!("{:.0} %", (share * 100.0).round() + 0.0)
}

impl Flow {
    /// Counts one message.
    pub fn count(&mut self, payload_bytes: usize, wire: Option<WireMessage>) {
        self.messages += 1;
        self.payload_bytes += payload_bytes as u64;
        if let Some(wire) = wire {
            self.wire_bytes += wire.bytes;
            if wire.compressed {
                self.compressed += 1;
                self.compression += Compression {
                    before: payload_bytes as u64,
                    after: wire.payload_bytes,
                };
            }
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}, {} B, {} B on the wire ({} saved, {} compressed)",
            counted(self.messages, "message"),
            self.payload_bytes,
            self.wire_bytes,
            percent(self.compression.saved(self.wire_bytes)),
            self.compressed
        )
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

/// Describes the compression agreed, in the words of RFC 7692.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savings_are_those_of_the_same_frames_uncompressed() {
        for (wire_bytes, before, after, share, shown) in [
            (0, 0, 0, 0.0, "0 %"),
            // Headers save nothing, nor does what was not compressed.
            (38, 0, 0, 0.0, "0 %"),
            (33, 1200, 27, 1.0 - 33.0 / 1206.0, "97 %"),
            (60, 100, 50, 50.0 / 110.0, "45 %"),
            (108, 100, 106, -6.0 / 102.0, "-6 %"),
            (1004, 1000, 1002, -2.0 / 1002.0, "0 %"),
        ] {
            let saved = Compression { before, after }.saved(wire_bytes);
            assert!((saved - share).abs() < 1e-9, "{saved} {share}");
            assert_eq!(percent(saved), shown);
        }
    }
}
