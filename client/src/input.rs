//! Messages from standard input, in a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use tungstenite_deflate::tungstenite::Message;

use crate::command::Input;
use crate::output::Framing;
use crate::record::decode;

/// Settings of the way from standard input to messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputOptions {
    /// Framing that ends a message.
    pub(crate) framing: Framing,
    /// Binary messages rather than text.
    pub(crate) binary: bool,
    /// Most bytes of one message; more is an error, for the rest of the input could not be trusted.
    pub(crate) max_bytes: usize,
}

/// Messages read ahead of the connection. When they are full the reader waits, and with it whoever writes to the pipe.
const READ_AHEAD: usize = 256;

/// Tells whether standard input has nothing to give just now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading(Option<Arc<AtomicBool>>);

impl Reading {
    /// Nothing has been read that is not yet a message, and nothing is there to be read. The end of the input counts
    /// as something: it will be seen in a moment.
    pub(crate) fn is_idle(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|is_busy| !is_ready() && !is_busy.load(Ordering::SeqCst) && !is_ready())
    }
}

fn is_ready() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Starts reading standard input. The thread ends with the input, or at its next message once nobody wants more.
///
/// # Errors
/// There is no standard input.
pub(crate) fn spawn(options: InputOptions) -> io::Result<(mpsc::Receiver<Input>, Reading)> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let is_busy = Arc::new(AtomicBool::new(true));
    let reading = Reading(Some(Arc::clone(&is_busy)));
    let mut stdin = BufReader::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    std::thread::spawn(move || {
        let mut number = 0_u64;
        loop {
            number += 1;
            if stdin.buffer().is_empty() {
                is_busy.store(false, Ordering::SeqCst);
                let filled = stdin.fill_buf().map(<[u8]>::is_empty);
                is_busy.store(true, Ordering::SeqCst);
                // A terminal tells its end once; what is wrong with the input is seen again below.
                if filled.is_ok_and(|is_over| is_over) {
                    return;
                }
            }
            let input = match next_message(&mut stdin, options) {
                Ok(None) => return,
                Ok(Some(message)) => Input::Message(message),
                Err(reason) => Input::Bad(format!("message {number} of standard input: {reason}")),
            };
            let is_last = matches!(input, Input::Bad(_));
            if sender.blocking_send(input).is_err() || is_last {
                return;
            }
        }
    });
    Ok((receiver, reading))
}

/// The next message; `None` at the end of the input.
fn next_message(
    reader: &mut impl BufRead,
    options: InputOptions,
) -> Result<Option<Message>, String> {
    let payload = match options.framing {
        Framing::Lines => until(reader, b'\n', options.max_bytes)?.map(|mut line| {
            // In binary messages every byte counts.
            if !options.binary && line.last() == Some(&b'\r') {
                line.pop();
            }
            line
        }),
        Framing::Null => until(reader, 0, options.max_bytes)?,
        Framing::Base64 => {
            let longest = options.max_bytes.saturating_mul(4) / 3 + 8;
            until(reader, b'\n', longest)?
                .map(|line| decode(line.trim_ascii()))
                .transpose()?
        }
        Framing::LengthPrefixed => length_prefixed(reader, options.max_bytes)?,
    };
    let Some(payload) = payload else {
        return Ok(None);
    };
    if options.binary || options.framing == Framing::Base64 {
        return Ok(Some(Message::binary(payload)));
    }
    let text = String::from_utf8(payload).map_err(|error| {
        format!(
            "not UTF-8 from byte {} on; send it with --binary",
            error.utf8_error().valid_up_to()
        )
    })?;
    Ok(Some(Message::text(text)))
}

fn until(reader: &mut impl BufRead, end: u8, max_bytes: usize) -> Result<Option<Vec<u8>>, String> {
    let mut payload = Vec::new();
    let limit = max_bytes as u64 + 1;
    reader
        .take(limit)
        .read_until(end, &mut payload)
        .map_err(|error| error.to_string())?;
    if payload.is_empty() {
        return Ok(None);
    }
    if payload.last() == Some(&end) {
        payload.pop();
    } else if payload.len() as u64 == limit {
        return Err(format!(
            "more than {max_bytes} bytes, raise --max-message if that is wanted"
        ));
    }
    Ok(Some(payload))
}

fn length_prefixed(reader: &mut impl BufRead, max_bytes: usize) -> Result<Option<Vec<u8>>, String> {
    if reader
        .fill_buf()
        .map_err(|error| error.to_string())?
        .is_empty()
    {
        return Ok(None);
    }
    let mut prefix = [0; 4];
    reader
        .read_exact(&mut prefix)
        .map_err(|_| "the input ends amid a length".to_owned())?;
    let length = u32::from_be_bytes(prefix) as usize;
    // Judged before any of it is read: the buffer grows with what arrives.
    if length > max_bytes {
        return Err(format!(
            "its length says {length} bytes, at most {max_bytes} are sent (--max-message)"
        ));
    }
    let mut payload = Vec::new();
    reader
        .take(length as u64)
        .read_to_end(&mut payload)
        .map_err(|error| error.to_string())?;
    if payload.len() < length {
        return Err(format!(
            "the input ends after {} of its {length} bytes",
            payload.len()
        ));
    }
    Ok(Some(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(framing: Framing, binary: bool, mut bytes: &[u8]) -> Result<Vec<Message>, String> {
        let options = InputOptions {
            framing,
            binary,
            max_bytes: 8,
        };
        let mut messages = Vec::new();
        while let Some(message) = next_message(&mut bytes, options)? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn framings_give_messages() {
        let text = |parts: &[&str]| {
            Ok(parts
                .iter()
                .map(|part| Message::text(*part))
                .collect::<Vec<_>>())
        };
        assert_eq!(
            messages(Framing::Lines, false, b"a\r\n\nb"),
            text(&["a", "", "b"])
        );
        assert_eq!(
            messages(Framing::Lines, false, b"12345678\n"),
            text(&["12345678"])
        );
        assert_eq!(
            messages(Framing::Null, false, b"a\nb\0c"),
            text(&["a\nb", "c"])
        );
        assert_eq!(
            messages(Framing::LengthPrefixed, false, b"\0\0\0\x01a\0\0\0\0"),
            text(&["a", ""])
        );
        assert_eq!(
            messages(Framing::Base64, false, b"AP8=\n"),
            Ok(vec![Message::binary(vec![0, 255])])
        );
        assert_eq!(
            messages(Framing::Lines, true, b"\xff\r\n\r\n\rx"),
            Ok(vec![
                Message::binary(vec![255, b'\r']),
                Message::binary(vec![b'\r']),
                Message::binary(vec![b'\r', b'x']),
            ])
        );
    }

    #[test]
    fn wrong_input_says_what_is_wrong() {
        for (framing, bytes, part) in [
            (Framing::Lines, &b"123456789\n"[..], "more than 8"),
            (Framing::Lines, b"\xff\n", "--binary"),
            (Framing::Base64, b"***\n", "base64"),
            (Framing::LengthPrefixed, b"\0\0", "amid"),
            (Framing::LengthPrefixed, b"\0\0\0\x02a", "1 of its 2"),
            (Framing::LengthPrefixed, b"\xff\xff\xff\xff", "4294967295"),
        ] {
            let error = messages(framing, false, bytes).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
