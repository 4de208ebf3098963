//! Model of RFC 6455 and RFC 7692 for a sequence of bytes, read frame by frame from a buffer that holds all of them.

use std::collections::BTreeSet;

use super::inflate::{self, inflate};

/// Largest message and frame, in bytes, and most fragments of a message, in these tests.
pub const MOST_BYTES: usize = 4096;
pub const MOST_FRAGMENTS: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// End of the connection, with the close codes that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is well so far; whether a frame or message has begun and not ended.
    Open { unfinished: bool },
    /// The peer's Close came.
    Closed,
    /// The connection must fail with one of these.
    Fails(BTreeSet<u16>),
    /// The bytes so far cannot become right: the connection may fail now, or with the bytes that follow.
    MayFail(BTreeSet<u16>),
    /// From here on this model has no opinion.
    Unsure,
}

#[derive(Debug)]
pub struct Verdict {
    pub seen: Vec<Seen>,
    pub end: End,
}

/// The receiving role, and permessage-deflate if it was agreed, with or without context takeover.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub server: bool,
    pub deflate: Option<bool>,
}

struct Message {
    text: bool,
    compressed: bool,
    fragments: usize,
    payload: Vec<u8>,
}

fn fails(code: u16) -> End {
    End::Fails(BTreeSet::from([code]))
}

pub fn judge(bytes: &[u8], rules: Rules) -> Verdict {
    let mut verdict = Verdict {
        seen: Vec::new(),
        end: End::Open { unfinished: false },
    };
    let (mut rest, mut message, mut context) = (bytes, None, Vec::new());
    while !rest.is_empty() {
        match frame(&mut rest, &mut message, &mut context, rules) {
            Ok(Some(seen @ Seen::Close(_))) => {
                verdict.seen.push(seen);
                verdict.end = End::Closed;
                return verdict;
            }
            Ok(seen) => verdict.seen.extend(seen),
            Err(end) => {
                verdict.end = end;
                return verdict;
            }
        }
    }
    verdict.end = End::Open {
        unfinished: message.is_some(),
    };
    // A message that is bad already, however it goes on.
    if let Some(message) = &message {
        if message.compressed {
            verdict.end = unfinished_compressed(message, &context);
        }
    }
    verdict
}

/// One frame (RFC 6455 §5.2).
fn frame(
    rest: &mut &[u8],
    message: &mut Option<Message>,
    context: &mut Vec<u8>,
    rules: Rules,
) -> Result<Option<Seen>, End> {
    let all = *rest;
    let unfinished = || End::Open { unfinished: true };
    let (fin, rsv, opcode) = (all[0] & 0x80 != 0, all[0] >> 4 & 7, all[0] & 15);
    let control = opcode >= 8;
    // What the first byte alone shows.
    let mut wrong = rsv & 3 != 0
        || matches!(opcode, 3..=7 | 11..=15)
        || (control && (!fin || rsv != 0))
        || (rsv == 4 && (rules.deflate.is_none() || opcode == 0))
        || (opcode == 0 && message.is_none())
        || (matches!(opcode, 1 | 2) && message.is_some());
    let Some(second) = all.get(1) else {
        return Err(if wrong {
            End::MayFail(BTreeSet::from([1002]))
        } else {
            unfinished()
        });
    };
    let (masked, short) = (second & 0x80 != 0, second & 0x7f);
    wrong |= masked != rules.server || (control && short > 125);
    let extended = [0, 2, 8][match short {
        126 => 1,
        127 => 2,
        _ => 0,
    }];
    let header = 2 + extended + if masked { 4 } else { 0 };
    let mut length = u64::from(short);
    if let Some(bytes) = all.get(2..2 + extended).filter(|bytes| !bytes.is_empty()) {
        length = bytes
            .iter()
            .fold(0, |length, byte| length << 8 | u64::from(*byte));
        wrong |= length < if extended == 2 { 126 } else { 65_536 } || length >> 63 != 0;
    }
    if all.len() < header {
        // Too long a message may be told of by then, too.
        return Err(if wrong {
            End::MayFail(BTreeSet::from([1002]))
        } else {
            unfinished()
        });
    }
    if wrong {
        return Err(fails(1002));
    }
    if !control {
        limits(length, rsv == 4, message.as_ref())?;
    }
    let key = if masked {
        &all[header - 4..header]
    } else {
        &[0; 4]
    };
    let available = &all[header..];
    let length = usize::try_from(length).unwrap();
    let payload: Vec<u8> = available[..length.min(available.len())]
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    let whole = available.len() >= length;
    *rest = &available[payload.len()..];
    if control {
        return if whole {
            control_frame(opcode, payload).map(Some)
        } else {
            Err(unfinished())
        };
    }
    let current = message.get_or_insert_with(|| Message {
        text: opcode == 1,
        compressed: rsv == 4,
        fragments: 0,
        payload: Vec::new(),
    });
    current.fragments += 1;
    current.payload.extend(payload);
    if !current.compressed && current.text {
        // Text fails at its first bad byte.
        match std::str::from_utf8(&current.payload) {
            Err(error) if error.error_len().is_some() || (fin && whole) => return Err(fails(1007)),
            _ => {}
        }
    }
    if !whole {
        // What is there of a compressed frame may be wrong already, but nobody has to look.
        return Err(if current.compressed {
            unfinished_compressed(current, context)
        } else {
            unfinished()
        });
    }
    if !fin {
        return Ok(None);
    }
    finish(message.take().unwrap(), context, rules).map(Some)
}

/// The limits of these tests; they count on the header alone.
fn limits(length: u64, compressed: bool, message: Option<&Message>) -> Result<(), End> {
    let before = message.map_or(0, |message| message.payload.len() as u64);
    let compressed = compressed || message.is_some_and(|message| message.compressed);
    // A compressor that is flushed after every byte takes 7 for each; each frame is bounded all the same.
    let most = MOST_BYTES as u64 * if compressed { 8 } else { 1 } + if compressed { 64 } else { 0 };
    if length > MOST_BYTES as u64 || before + length > most {
        return Err(fails(1009));
    }
    if message.map_or(0, |message| message.fragments) >= MOST_FRAGMENTS {
        return Err(fails(1008));
    }
    Ok(())
}

fn control_frame(opcode: u8, payload: Vec<u8>) -> Result<Seen, End> {
    match (opcode, &payload[..]) {
        (9, _) => Ok(Seen::Ping(payload)),
        (10, _) => Ok(Seen::Pong(payload)),
        (_, []) => Ok(Seen::Close(None)),
        (_, [_]) => Err(fails(1002)),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // RFC 6455 §7.4, and the registry for 1012 to 1014.
            let allowed = match code {
                1000..=1014 => !matches!(code, 1004..=1006),
                _ => (3000..5000).contains(&code),
            };
            match (allowed, std::str::from_utf8(reason)) {
                (true, Ok(reason)) => Ok(Seen::Close(Some((code, reason.to_owned())))),
                (true, Err(_)) => Err(fails(1007)),
                (false, Ok(_)) => Err(fails(1002)),
                (false, Err(_)) => Err(End::Fails(BTreeSet::from([1002, 1007]))),
            }
        }
    }
}

/// A message whose last frame is there.
fn finish(message: Message, context: &mut Vec<u8>, rules: Rules) -> Result<Seen, End> {
    let payload = if message.compressed {
        let before = context.len();
        let mut bytes = message.payload;
        // RFC 7692 §7.2.2; a payload of no bytes stands for no bytes (threat D13), of which the RFC has no word.
        if !bytes.is_empty() {
            bytes.extend([0x00, 0x00, 0xff, 0xff]);
        }
        let end = inflate(&bytes, context, MOST_BYTES);
        let payload = context[before..].to_vec();
        let mut codes = BTreeSet::new();
        if payload.len() > MOST_BYTES {
            codes.insert(1009);
            // What is beyond the limit may never be looked at, and what is before it may be told of first.
            if message.text && std::str::from_utf8(&payload).is_err() {
                codes.insert(1007);
            }
            return Err(End::Fails(codes));
        }
        match end {
            inflate::End::Final => return Err(End::Unsure),
            inflate::End::Early | inflate::End::Invalid => return Err(fails(1007)),
            inflate::End::Whole => {}
        }
        if rules.deflate == Some(false) {
            context.clear();
        }
        payload
    } else {
        message.payload
    };
    if !message.text {
        return Ok(Seen::Binary(payload));
    }
    String::from_utf8(payload)
        .map(Seen::Text)
        .map_err(|_| fails(1007))
}

/// A compressed message that has not ended: whether it may fail already.
fn unfinished_compressed(message: &Message, context: &[u8]) -> End {
    let mut out = context.to_vec();
    let end = inflate(&message.payload, &mut out, MOST_BYTES);
    let payload = &out[context.len()..];
    let mut codes = BTreeSet::new();
    if payload.len() > MOST_BYTES {
        codes.insert(1009);
    }
    let bad_text = || std::str::from_utf8(payload).is_err_and(|error| error.error_len().is_some());
    if end == inflate::End::Invalid || (message.text && bad_text()) {
        codes.insert(1007);
    }
    match end {
        inflate::End::Final => End::Unsure,
        _ if codes.is_empty() => End::Open { unfinished: true },
        _ => End::MayFail(codes),
    }
}
