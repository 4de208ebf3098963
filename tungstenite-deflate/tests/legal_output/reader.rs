//! Reads what one side has written by the RFCs' text.

use flate2::{Decompress, FlushDecompress, Status};

/// A data message as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) text: bool,
    pub(super) payload: Vec<u8>,
}

/// Expectations of the writer.
pub(super) struct Rules {
    /// RFC 6455 §5.1: a client masks every frame, a server none.
    pub(super) masked: bool,
    /// permessage-deflate was agreed; with context takeover?
    pub(super) deflate: Option<bool>,
    /// Maximum payload bytes of a data frame that the library cuts.
    pub(super) fragment_bytes: Option<usize>,
}

/// The messages in `bytes`, and the payload of the Close if there is one.
pub(super) fn read(mut bytes: &[u8], rules: &Rules) -> (Vec<Read>, Option<Vec<u8>>) {
    let mut messages = Vec::new();
    let mut message: Option<(bool, bool, Vec<u8>)> = None;
    let mut inflater = Decompress::new(false);
    while !bytes.is_empty() {
        let (first, payload) = frame(&mut bytes, rules.masked);
        let (fin, rsv, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        if opcode >= 8 {
            assert!(opcode <= 10, "reserved opcode {opcode} (§5.2)");
            assert!(fin && rsv == 0 && payload.len() <= 125, "§5.5");
            if opcode == 8 {
                assert!(
                    bytes.is_empty(),
                    "{} bytes after a Close (§5.5.1)",
                    bytes.len()
                );
                return (messages, Some(payload));
            }
            continue;
        }
        assert!(opcode <= 2, "reserved opcode {opcode} (§5.2)");
        assert_eq!(opcode == 0, message.is_some(), "opcode {opcode} (§5.4)");
        assert!(
            rsv == 0 || rsv == 0x40 && opcode != 0 && rules.deflate.is_some(),
            "rsv {rsv:x}"
        );
        if let Some(most) = rules.fragment_bytes {
            assert!(
                payload.len() <= most,
                "{} bytes in a fragment",
                payload.len()
            );
        }
        let (text, compressed, mut gathered) =
            message
                .take()
                .unwrap_or((opcode == 1, rsv != 0, Vec::new()));
        gathered.extend(payload);
        if !fin {
            message = Some((text, compressed, gathered));
            continue;
        }
        if compressed {
            if rules.deflate == Some(false) {
                inflater.reset(false);
            }
            gathered = inflate(&mut inflater, gathered);
        }
        assert!(!text || std::str::from_utf8(&gathered).is_ok(), "§8.1");
        messages.push(Read {
            text,
            payload: gathered,
        });
    }
    (messages, None)
}

/// The first byte and the unmasked payload of the next frame (§5.2).
fn frame(bytes: &mut &[u8], masked: bool) -> (u8, Vec<u8>) {
    let mut take = |count: usize| {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    };
    let (first, second) = (take(1)[0], take(1)[0]);
    assert_eq!(second & 0x80 != 0, masked, "§5.1");
    let length = match second & 0x7f {
        126 => {
            let length = usize::from(u16::from_be_bytes(take(2).try_into().unwrap()));
            assert!(length > 125, "minimal length encoding");
            length
        }
        127 => {
            let length = u64::from_be_bytes(take(8).try_into().unwrap());
            assert!(length > 0xffff, "minimal length encoding");
            usize::try_from(length).unwrap()
        }
        short => short.into(),
    };
    let key: Vec<u8> = if masked { take(4).to_vec() } else { vec![0; 4] };
    let payload = take(length).iter().zip(key.iter().cycle());
    (first, payload.map(|(byte, key)| byte ^ key).collect())
}

/// RFC 7692 §7.2.2.
fn inflate(inflater: &mut Decompress, mut compressed: Vec<u8>) -> Vec<u8> {
    compressed.extend([0, 0, 0xff, 0xff]);
    let (mut message, mut at) = (Vec::new(), 0);
    loop {
        message.reserve(65_536);
        let before = inflater.total_in();
        let status = inflater
            .decompress_vec(&compressed[at..], &mut message, FlushDecompress::Sync)
            .expect("valid DEFLATE data");
        at += usize::try_from(inflater.total_in() - before).unwrap();
        if at == compressed.len() && message.len() < message.capacity() {
            assert_ne!(status, Status::StreamEnd);
            return message;
        }
    }
}
