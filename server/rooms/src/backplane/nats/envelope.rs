//! A message as it stands in the stream: JSON with a version, `{"v":1,"draft":{…}}`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::message::Draft;
use crate::name::RoomName;
use crate::settings::Settings;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Bytes of an envelope beside the text, at most: names, ids, numbers and punctuation.
const BESIDE_TEXT: usize = 1024;

#[derive(Serialize)]
struct Outgoing<'a> {
    v: u32,
    draft: &'a Draft,
}

#[derive(Deserialize)]
struct Incoming {
    v: u32,
    draft: Draft,
}

/// The version alone, so that a later one is not taken for rubbish.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Longest envelope: a text of which each byte takes six, as control characters do in JSON, would be longer; such a text
/// is refused when it is published.
pub(super) fn max_bytes(settings: &Settings) -> usize {
    settings
        .max_text_bytes
        .saturating_mul(2)
        .saturating_add(BESIDE_TEXT)
}

/// `draft` as it stands in the stream.
pub(crate) fn encode(draft: &Draft) -> Vec<u8> {
    let envelope = Outgoing { v: VERSION, draft };
    serde_json::to_vec(&envelope).expect("strings and numbers can always be written as JSON")
}

/// The message in `payload`.
///
/// # Errors
/// It is none of ours; one word for why.
pub(crate) fn decode(payload: &[u8], settings: &Settings) -> Result<Draft, &'static str> {
    if payload.len() > max_bytes(settings) {
        return Err("too_large");
    }
    let Ok(envelope) = serde_json::from_slice::<Incoming>(payload) else {
        let version = serde_json::from_slice::<Version>(payload);
        let is_later = version.is_ok_and(|version| version.v > VERSION);
        return Err(if is_later { "version" } else { "malformed" });
    };
    if envelope.v != VERSION {
        return Err("version");
    }
    if envelope.draft.text.len() > settings.max_text_bytes {
        return Err("too_large");
    }
    Ok(envelope.draft)
}

/// The key by which `JetStream` knows a repeat: room, sender, id and a digest of the text, in characters that a header takes.
///
/// Half of SHA-256 is as hard to meet on purpose as a random id of 128 bits is to guess.
pub(super) fn identity(room: &RoomName, draft: &Draft) -> String {
    let mut identity = format!("{room}/{}/", draft.id);
    let digest = Sha256::digest(draft.text.as_bytes());
    let (from, text) = (draft.from.as_str().bytes(), digest.into_iter().take(16));
    for byte in from.chain(text) {
        // Writing to a String cannot fail.
        let _ = write!(identity, "{byte:02x}");
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        Draft {
            id: "a:1".parse().unwrap(),
            from: "João".parse().unwrap(),
            member: None,
            text: text.into(),
            at: 17,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let settings = Settings::default();
        for text in [
            "",
            "Olá!",
            "\"\\\n\u{0}",
            &"x".repeat(settings.max_text_bytes),
        ] {
            let bytes = encode(&draft(text));
            assert_eq!(decode(&bytes, &settings), Ok(draft(text)));
        }
        let text = String::from_utf8(encode(&draft("Olá!"))).unwrap();
        assert!(text.starts_with(r#"{"v":1,"draft":{"#), "{text}");
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        let settings = Settings::default();
        let json = |version: u32, from: &str| {
            format!(r#"{{"v":{version},"draft":{{"id":"1","from":"{from}","text":"x","at":1}}}}"#)
        };
        assert!(decode(json(1, "ana").as_bytes(), &settings).is_ok());
        for (bytes, reason) in [
            (json(2, "ana").into_bytes(), "version"),
            (br#"{"v":2,"other":1}"#.to_vec(), "version"),
            (json(0, "ana").into_bytes(), "version"),
            (json(1, "a:b").into_bytes(), "malformed"),
            (b"".to_vec(), "malformed"),
            (b"null".to_vec(), "malformed"),
            (b"[1,2".to_vec(), "malformed"),
            (vec![0xff; 100], "malformed"),
            (vec![b'['; 100_000], "malformed"),
            (vec![b' '; 10 << 20], "too_large"),
            (
                encode(&draft(&"x".repeat(settings.max_text_bytes + 1))),
                "too_large",
            ),
        ] {
            assert_eq!(decode(&bytes, &settings), Err(reason));
        }
    }

    #[test]
    fn identities_differ_by_room_sender_id_and_text() {
        let room: RoomName = "tea".parse().unwrap();
        assert_eq!(
            identity(&room, &draft("x")),
            "tea/a:1/4a6fc3a36f2d711642b726b04401627ca9fbac32f5"
        );
        assert_ne!(identity(&room, &draft("x")), identity(&room, &draft("y")));
    }
}
