//! The same frames to this engine and to tungstenite's: ours may be stricter, never different.

use std::io::{self, Cursor, Read, Write};

use tungstenite_deflate::ProtocolError;
use tungstenite_deflate::tungstenite::protocol::frame::FrameHeader;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite_deflate::tungstenite::{Error, Message};

use super::{Input, frames};

/// Role by the first byte; the rest is received by both.
pub fn differential(data: &[u8]) {
    let mut input = Input(data);
    let role = if input.byte() & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    header(role, input.0);
    let ours = frames::receive(role, None, std::iter::once(input.0));
    let (messages, error) = theirs(role, input.0);
    for (own, other) in ours.messages.iter().zip(&messages) {
        match (own, other) {
            // tungstenite shows another code than the one received when it does not know it.
            (Message::Close(_), Message::Close(_)) => {}
            _ => assert_eq!(own, other),
        }
    }
    assert!(
        ours.messages.len() <= messages.len(),
        "accepted what tungstenite refuses with {error:?}: {:?}",
        ours.messages
    );
    if ours.messages.len() < messages.len() {
        let stricter = matches!(
            ours.error,
            Some(
                ProtocolError::LengthEncoding { .. }
                    // A control frame whose length is not in its shortest form.
                    | ProtocolError::ControlFrameTooLong
                    | ProtocolError::InvalidUtf8
                    | ProtocolError::InvalidCloseCode { .. }
                    | ProtocolError::CloseTooShort
                    | ProtocolError::TooManyFragments { .. }
            )
        );
        assert!(
            stricter,
            "refused with {:?} what tungstenite accepts: {messages:?}",
            ours.error
        );
    }
    if let Some(error) = error.filter(|_| ours.messages.len() == messages.len()) {
        assert!(
            ours.error.is_some(),
            "no violation, but tungstenite says {error}"
        );
    }
}

/// A header alone: the payload length is the same, or ours is an error.
fn header(role: Role, bytes: &[u8]) {
    let mut cursor = Cursor::new(&bytes[..bytes.len().min(14)]);
    let Ok(Some((_, length))) = FrameHeader::parse(&mut cursor) else {
        return;
    };
    let end = usize::try_from(cursor.position()).expect("at most 14");
    let wanted = frames::wanted(role, &bytes[..end]);
    if let Some(wanted) = wanted {
        assert_eq!(
            wanted as u64,
            length,
            "payload length of {:x?}",
            &bytes[..end]
        );
    }
}

/// tungstenite's messages, and the error that ended them unless they were all.
fn theirs(role: Role, bytes: &[u8]) -> (Vec<Message>, Option<Error>) {
    let options = frames::options();
    let mut config = WebSocketConfig::default();
    config.max_message_size = options.websocket.max_message_size;
    config.max_frame_size = options.websocket.max_frame_size;
    config.read_buffer_size = 1024;
    let mut socket = WebSocket::from_raw_socket(Transport(bytes), role, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => {
                let close = message.is_close();
                messages.push(message);
                if close {
                    return (messages, None);
                }
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (messages, None);
            }
            Err(error) => return (messages, Some(error)),
        }
    }
}

/// Gives its bytes, then blocks; takes everything.
struct Transport<'a>(&'a [u8]);

impl Read for Transport<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Transport<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
