//! A message as a line of JSON, for `--jsonl` and for recordings.

use std::time::Instant;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tungstenite_deflate::tungstenite::Message;

use crate::meter::WireMessage;

/// Direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// From us to the peer.
    Sent,
    /// From the peer to us.
    Received,
}

/// One line of `--jsonl` and of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its time, RFC 3339 in UTC.
    pub time: String,
    /// Seconds since the connection opened.
    pub elapsed: f64,
    /// Its direction.
    pub direction: Direction,
    /// `text`, `binary`, `ping`, `pong` or `close`.
    pub opcode: String,
    /// Bytes of the payload.
    pub bytes: usize,
    /// Bytes on the wire, frame headers included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wire_bytes: Option<u64>,
    /// It was compressed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compressed: Option<bool>,
    /// Payload of a text, reason of a close.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Payload of anything else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base64: Option<String>,
    /// Code of a close.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<u16>,
}

impl Record {
    /// A record of `message`, now.
    pub(crate) fn new(
        opened: Instant,
        direction: Direction,
        message: &Message,
        wire: Option<WireMessage>,
    ) -> Self {
        let mut record = Self {
            time: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
            elapsed: (opened.elapsed().as_secs_f64() * 1e6).round() / 1e6,
            direction,
            opcode: opcode_name(message).into(),
            bytes: message.len(),
            wire_bytes: wire.map(|wire| wire.bytes),
            compressed: wire.map(|wire| wire.compressed),
            text: None,
            base64: None,
            code: None,
        };
        match message {
            Message::Text(text) => record.text = Some(text.to_string()),
            Message::Close(frame) => {
                record.code = frame.as_ref().map(|frame| frame.code.into());
                record.text = frame.as_ref().map(|frame| frame.reason.to_string());
            }
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => {
                record.base64 = Some(encode(bytes));
            }
            Message::Frame(_) => {}
        }
        record
    }

    /// The message that was recorded, if it is text or binary.
    ///
    /// # Errors
    /// The payload is missing or not base64.
    pub(crate) fn message(&self) -> Result<Option<Message>, String> {
        match (self.opcode.as_str(), &self.text, &self.base64) {
            ("text", Some(text), _) => Ok(Some(Message::text(text.as_str()))),
            ("binary", _, Some(base64)) => {
                decode(base64.as_bytes()).map(|bytes| Some(Message::binary(bytes)))
            }
            ("ping" | "pong" | "close", ..) => Ok(None),
            (opcode, ..) => Err(format!(
                "a record with opcode `{opcode}` and no payload for it"
            )),
        }
    }
}

/// Base64 with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Undoes [`encode`].
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| format!("not base64: {error}"))
}

/// The opcode's name in RFC 6455 §11.8.
pub(crate) fn opcode_name(message: &Message) -> &'static str {
    match message {
        Message::Text(_) => "text",
        Message::Binary(_) => "binary",
        Message::Ping(_) => "ping",
        Message::Pong(_) => "pong",
        Message::Close(_) => "close",
        Message::Frame(_) => "frame",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_way_through_json() {
        for message in [
            Message::text("Olá\n\"x\""),
            Message::binary(vec![0, 255, 10]),
        ] {
            let record = Record::new(Instant::now(), Direction::Received, &message, None);
            let line = serde_json::to_string(&record).unwrap();
            let back: Record = serde_json::from_str(&line).unwrap();
            assert_eq!(back.message(), Ok(Some(message)));
        }
    }
}
