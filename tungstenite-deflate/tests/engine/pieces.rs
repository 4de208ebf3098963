//! Messages that are received in pieces.

use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Limits, Options, ProtocolError};

use super::engine;

/// The pieces of a message are counted together, and the parts of a frame are one fragment.
#[test]
fn pieces_are_held_to_the_limits_of_their_message() {
    let now = Instant::now();
    let receiver = || {
        let config = WebSocketConfig::default().max_message_size(Some(100));
        let limits = Limits::default().max_fragments(Some(2));
        let options = Options::default().websocket(config).limits(limits);
        engine(Role::Client, options.pieces(true), None, now)
    };
    let (mut one, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    for _ in 0..60 {
        buffer.extend_from_slice(b"x");
        assert!(one.receive(&mut buffer, now).unwrap().is_some());
    }
    buffer.extend_from_slice(b"\x80\x28");
    assert_eq!(one.receive(&mut buffer, now), Ok(None), "60 and 40 are 100");
    let (mut two, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    buffer.resize(62, b'x');
    assert!(two.receive(&mut buffer, now).unwrap().is_some());
    buffer.extend_from_slice(b"\x80\x29");
    let (bytes, allowed) = (101, 100);
    let expected = ProtocolError::MessageTooLong { bytes, allowed };
    assert_eq!(two.receive(&mut buffer, now), Err(expected));
    let mut amid = BytesMut::from(&b"\x81\x02a\xc3"[..]);
    let result = receiver().receive(&mut amid, now);
    assert_eq!(
        result,
        Err(ProtocolError::InvalidUtf8),
        "text ends amid a character"
    );
    let (mut three, mut buffer) = (
        receiver(),
        BytesMut::from(&b"\x02\x01a\x00\x01b\x80\x01c"[..]),
    );
    for _ in 0..2 {
        assert!(three.receive(&mut buffer, now).unwrap().is_some());
    }
    let expected = ProtocolError::TooManyFragments { allowed: 2 };
    assert_eq!(three.receive(&mut buffer, now), Err(expected));
}
