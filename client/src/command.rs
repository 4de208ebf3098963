//! The `/` commands of the interactive session.

use std::io::ErrorKind;
use std::path::PathBuf;

use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;

use crate::file::read_named;

/// Something the user wants other than sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show the commands.
    Help,
    /// Send a Ping and show when its Pong comes.
    Ping,
    /// Make the closing handshake.
    Close(CloseFrame),
    /// Show counts and compression.
    Stats,
    /// Show address, TLS, what was agreed.
    Info,
    /// End as after Ctrl-C.
    Interrupt,
}

/// The user's next request.
#[derive(Debug)]
pub(crate) enum Input {
    /// Send this.
    Message(Message),
    /// Do this.
    Command(Command),
    /// The input does not make sense: why.
    Bad(String),
    /// The input cannot be read any more: why.
    Failed(String),
}

/// Every command with its arguments and meaning; completion and `/help` come from here.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/binary", "FILE", "send a file as one binary message"),
    ("/close", "[CODE [REASON]]", "close, with 1000 by default"),
    ("/file", "FILE", "send a file as one text message"),
    ("/help", "", "show this list"),
    ("/hex", "DIGITS", "send bytes as one binary message"),
    ("/info", "", "show address, TLS, compression"),
    ("/ping", "", "send a Ping and show the round-trip time"),
    (
        "/secret",
        "TEXT",
        "send a text that the history does not keep (a leading space does the same)",
    ),
    ("/stats", "", "show counts, bytes and compression ratio"),
    ("//", "TEXT", "send a text that begins with /"),
];

/// Parses a line of the interactive session. Reads the file of `/binary` and `/file`, up to `max_bytes`.
///
/// # Errors
/// Says what is wrong with the command.
pub(crate) fn parse(line: &str, max_bytes: usize) -> Result<Input, String> {
    // The way to send a text that begins with a slash.
    if let Some(text) = line.strip_prefix("//") {
        return Ok(Input::Message(Message::text(format!("/{text}"))));
    }
    if !line.starts_with('/') {
        return Ok(Input::Message(Message::text(line)));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    let command = |command| Ok(Input::Command(command));
    match name {
        "/help" => command(Command::Help),
        "/ping" => command(Command::Ping),
        "/stats" => command(Command::Stats),
        "/info" => command(Command::Info),
        "/close" => parse_close(rest).map(|frame| Input::Command(Command::Close(frame))),
        // The editor keeps this line out of its history; the message is like any other.
        "/secret" => Ok(Input::Message(Message::text(rest))),
        "/binary" => Ok(Input::Message(Message::binary(read(rest, max_bytes)?))),
        "/file" => {
            let bytes = read(rest, max_bytes)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| format!("{rest} is not UTF-8; send it with /binary"))?;
            Ok(Input::Message(Message::text(text)))
        }
        "/hex" => parse_hex(rest).map(|bytes| Input::Message(Message::binary(bytes))),
        _ => Err(format!(
            "{name} is not a command; see /help, or send the text with //"
        )),
    }
}

fn parse_close(text: &str) -> Result<CloseFrame, String> {
    let (code, reason) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let code: u16 = match code {
        "" => 1000,
        digits => digits
            .parse()
            .map_err(|_| format!("`{digits}` is not a close code such as 1000"))?,
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(format!(
            "close code {code} must not be sent; allowed are 1000–1003, 1007–1014, 3000–4999 (RFC 6455 §7.4)"
        ));
    }
    if reason.len() > 123 {
        return Err(format!(
            "the reason has {} bytes, at most 123 fit (RFC 6455 §5.5)",
            reason.len()
        ));
    }
    Ok(CloseFrame {
        code: code.into(),
        reason: reason.into(),
    })
}

fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let wrong = || format!("`{text}` is not pairs of hexadecimal digits");
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let pair = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(wrong)
    };
    digits.chunks(2).map(pair).collect()
}

fn read(name: &str, max_bytes: usize) -> Result<Vec<u8>, String> {
    let path = PathBuf::from(name.trim());
    read_named(&path, max_bytes as u64).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => format!("{}: {error} (--max-message)", path.display()),
        _ => format!("{}: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        match parse(line, 1024) {
            Ok(Input::Message(message)) => message,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines_become_messages_or_commands() {
        assert_eq!(message("Olá"), Message::text("Olá"));
        assert_eq!(message("//etc"), Message::text("/etc"));
        assert_eq!(message("/secret a b"), Message::text("a b"));
        assert_eq!(message("/hex 00 ff"), Message::binary(vec![0, 255]));
        assert!(
            matches!(parse("/close 1000 bye", 0), Ok(Input::Command(Command::Close(frame))) if frame.reason.as_str() == "bye")
        );
        assert!(
            matches!(parse("/close", 0), Ok(Input::Command(Command::Close(frame))) if u16::from(frame.code) == 1000)
        );
    }

    #[test]
    fn wrong_commands_are_refused() {
        let long = format!("/close 1000 {}", "x".repeat(124));
        for line in [
            "/nope",
            "/close x",
            "/close 1005",
            "/close 999",
            &long,
            "/hex 0",
            "/hex zz",
            "/hex é",
            "/binary /nonexistent",
        ] {
            assert!(parse(line, 1024).is_err(), "{line}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("big");
        std::fs::write(&path, [0; 1025]).unwrap();
        assert!(
            parse(&format!("/binary {}", path.display()), 1024)
                .unwrap_err()
                .contains("more than 1024 bytes (--max-message)")
        );
    }
}
