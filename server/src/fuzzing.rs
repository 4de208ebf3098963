//! Readers of strangers' bytes, as plain functions for fuzzers; no part of the interface.
//!
//! Each takes any bytes. Whatever they are, nothing panics, and what a function promises in its first sentence holds.

use drone::command::{Command, MAX_COMMAND_BYTES};
use drone::dialect::Dialect;
use rooms::Draft;

use crate::access;
use crate::config;
use crate::proxies::ProxyHeader;
use crate::routes::{ChatRequest, chat_line};

pub use rooms::fuzzing::{envelope, position};

/// Reads a message of a client of `chat.v1.json`; whether it is understood.
pub fn chat_request(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    ChatRequest::read(text).is_ok()
}

/// The line that members without JSON get for a text: every line of it but the first is indented.
///
/// # Panics
/// A text can pass for two messages.
pub fn chat_text(bytes: &[u8]) {
    let draft = Draft {
        id: "1".parse().expect("a digit is an id"),
        from: "ana".parse().expect("letters are a name"),
        member: None,
        text: String::from_utf8_lossy(bytes).into(),
        at: 0,
    };
    let line = chat_line(&draft);
    let mut lines = line.split([
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ]);
    let is_first = lines.next().is_some_and(|line| line.starts_with("ana: "));
    assert!(
        is_first && lines.all(|line| line.starts_with("    ")),
        "{line:?}"
    );
}

/// Reads a drone command in both dialects: a command that is understood is written as the same command.
///
/// # Panics
/// It is not.
pub fn drone_command(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for dialect in [Dialect::Text, Dialect::Json] {
        let Ok(command) = dialect.read(text).command else {
            continue;
        };
        let written = command.to_string();
        if written.len() > MAX_COMMAND_BYTES {
            // Numbers near zero take hundreds of digits.
            continue;
        }
        assert_eq!(Command::from_line(&written), Ok(command), "{written}");
    }
}

/// Reads a file of settings; whether they can be used.
pub fn config_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    config::from_text(text).is_ok()
}

/// Reads a file of keys for tokens; how many keys it has.
pub fn token_keys(bytes: &[u8]) -> usize {
    access::count_keys(bytes)
}

/// Reads a PROXY header as a trusted proxy sends it, at once and in two parts, which makes no difference; whether it is
/// one.
///
/// # Panics
/// It makes one, or the header is longer than the bytes or than it may be.
pub fn proxy_header(bytes: &[u8]) -> bool {
    const MAX: usize = 512;
    let parse = |bytes| ProxyHeader::parse(bytes, MAX);
    let whole = parse(bytes);
    for at in 0..bytes.len().min(MAX) {
        match (parse(&bytes[..at]), &whole) {
            (Ok(None), _) | (Err(_), Err(_)) => {}
            (Ok(Some(early)), Ok(Some(late))) => assert_eq!(&early, late, "cut at {at}"),
            (early, late) => panic!("cut at {at}: {early:?}, whole: {late:?}"),
        }
    }
    let length = whole.ok().flatten().map(|(_, length)| length);
    assert!(length.is_none_or(|length| length <= bytes.len().min(MAX)));
    length.is_some()
}

/// Checks a token against a key: nothing that was not signed with that key is good.
///
/// # Panics
/// It is.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    assert!(!access::is_good(
        text,
        b"a secret that no fuzzer can guess, of 48 bytes.."
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_take_what_is_good_and_what_is_not() {
        assert!(chat_request(br#"{"type":"message","text":"x"}"#));
        assert!(!chat_request(b"x"));
        assert!(config_file(b"[rooms]\npolicy = \"latest\"\n"));
        assert!(!config_file(b"[rooms]\npolicy = \"?\"\n"));
        assert_eq!(token_keys(&[b'x'; 32]), 1);
        assert_eq!(token_keys(b"{}"), 0);
        assert!(proxy_header(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET"));
        assert!(!proxy_header(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2"));
        assert!(!proxy_header(b"GET / HTTP/1.1\r\n"));
        for bytes in [
            &b""[..],
            b"goto 1 2 3",
            br#"{"command":"goto","x":1,"y":2,"z":3}"#,
            br#"{"v":1,"draft":{"id":"1","from":"ana","text":"x","at":1}}"#,
            b"0000000000c0ffee:7",
            b"hi\r\nbob: pay me",
            &[0xff; 9],
        ] {
            chat_text(bytes);
            position(bytes);
            drone_command(bytes);
            envelope(bytes);
            token(bytes);
        }
    }
}
