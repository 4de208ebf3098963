//! An independent reader of what an engine writes: every frame must follow RFC 6455 §5 to the letter.

/// A frame as it stands on the wire, its payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN.
    pub fin: bool,
    /// RSV1.
    pub rsv1: bool,
    /// Opcode, 0 to 15.
    pub opcode: u8,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a Close frame.
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode == 8 && self.payload.len() >= 2)
            .then(|| u16::from_be_bytes([self.payload[0], self.payload[1]]))
    }
}

/// Reads all whole frames of `bytes`, in order; panics on anything that an endpoint must not send.
pub fn frames(bytes: &[u8], from_client: bool, deflate: bool) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut amid_message = false;
    let mut rest = bytes;
    while let Some((frame, after)) = frame(rest, from_client) {
        rest = after;
        assert!(
            frames.iter().all(|earlier| earlier.opcode != 8),
            "frame after Close: {frame:?}"
        );
        match frame.opcode {
            0 => assert!(amid_message && !frame.rsv1, "{frame:?}"),
            1 | 2 => assert!(!amid_message && (deflate || !frame.rsv1), "{frame:?}"),
            8..=10 => assert!(
                frame.fin && !frame.rsv1 && frame.payload.len() <= 125,
                "{frame:?}"
            ),
            _ => panic!("reserved opcode: {frame:?}"),
        }
        if frame.opcode < 8 {
            amid_message = !frame.fin;
        }
        if frame.opcode == 8 {
            assert_ne!(frame.payload.len(), 1, "Close with half a code");
            if let Some(code) = frame.close_code() {
                assert!(
                    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999),
                    "close code {code}"
                );
                assert!(
                    std::str::from_utf8(&frame.payload[2..]).is_ok(),
                    "close reason"
                );
            }
        }
        frames.push(frame);
    }
    frames
}

fn frame(bytes: &[u8], from_client: bool) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(first & 0x30, 0, "RSV2 or RSV3");
    assert_eq!(
        second & 0x80 != 0,
        from_client,
        "masked exactly by clients (RFC 6455 §5.1)"
    );
    let (length, minimum, rest) = match second & 0x7f {
        126 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), 126, rest))?,
        127 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from_be_bytes(*length), 65_536, rest))?,
        short => (u64::from(short), 0, rest),
    };
    assert!(
        length >= minimum,
        "length {length} not in its shortest form"
    );
    let (key, rest) = if from_client {
        rest.split_first_chunk().map(|(key, rest)| (*key, rest))?
    } else {
        ([0; 4], rest)
    };
    let payload = rest.get(..usize::try_from(length).ok()?)?;
    let unmasked = payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv1: first & 0x40 != 0,
        opcode: first & 0x0f,
        payload: unmasked,
    };
    Some((frame, &rest[payload.len()..]))
}
