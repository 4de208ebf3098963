//! Prefix of each message of a call: the compression flag and the length (gRPC over HTTP/2, *Requests*).

use tonic::Code;

use crate::call::{Call, MOST_BYTES, Outcome};
use crate::fields;
use crate::random::Random;

/// Longest message that health takes, in bytes.
const MOST_BYTES_TO_HEALTH: usize = 16 * 1024;

/// A prefix with any flag and length.
fn prefix(flag: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![flag];
    bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
    bytes
}

/// A message after its prefix.
pub fn prefixed(message: &[u8]) -> Vec<u8> {
    [&prefix(0, message.len()), message].concat()
}

/// The messages in a response's body, each with its flag.
///
/// # Errors
/// It ends amid one.
pub fn messages(mut body: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
        let (message, rest) = rest.split_at_checked(length).ok_or("half a message")?;
        messages.push((prefix[0], message.to_vec()));
        body = rest;
    }
    if body.is_empty() {
        Ok(messages)
    } else {
        Err("half a prefix".to_owned())
    }
}

/// Breaks `body`, which holds one message of at least two bytes; tells what the call then ends with.
pub fn spoil(random: &mut Random, body: &mut Vec<u8>) -> Code {
    let length = body.len() - 5;
    match random.below(8) {
        // The end comes too early, before the prefix, in it and after it.
        0 => body.truncate(random.below(body.len())),
        // Longer than what follows.
        1 => {
            let longer = length + 1 + random.below(MOST_BYTES / 2 - length);
            body.splice(..5, prefix(0, longer));
        }
        // Longer than allowed, whether that much follows or not.
        2 => {
            let longer = random.pick(&[MOST_BYTES + 1, 1 << 20, 1 << 31, u32::MAX as usize]);
            body.splice(..5, prefix(0, longer));
            if random.once_in(4) {
                body.resize(5 + longer.min(10 * MOST_BYTES), b'x');
            }
            return Code::ResourceExhausted;
        }
        // Shorter: what is left is no prefix.
        3 => {
            let shorter: Vec<_> = (0..length).filter(|at| body[5 + at] > 1).collect();
            let shorter = shorter[random.below(shorter.len())];
            body.splice(..5, prefix(0, shorter));
        }
        // Compressed, without a word of how.
        4 => body[0] = 1,
        5 => body[0] = random.pick(&[2, 3, 0x7f, 0x80, 0x81, 0xff]),
        // Less than a prefix after it.
        6 => body.extend(vec![0; 1 + random.below(4)]),
        // Another message that is wrong in itself.
        _ => body.extend(prefixed(&[0xff])),
    }
    Code::Internal
}

/// A call with a message that cannot be cut out of its body, or just so.
pub fn call(random: &mut Random) -> Call {
    let mut call = Call::good(random);
    match random.below(12) {
        0 => {}
        // On both sides of the limit.
        1 => {
            let more = random.below(3);
            let text = "a".repeat(MOST_BYTES - 10 + more);
            let message = [fields::string(1, "Alice"), fields::string(2, &text)].concat();
            assert_eq!(message.len(), MOST_BYTES + more);
            call.body = prefixed(&message);
            call.expected = match more {
                0 => Outcome::Replied(text),
                _ => Outcome::Failed(Code::ResourceExhausted),
            };
        }
        // Health takes more than this, but not everything, and knows no such service.
        2 => {
            let more = random.below(3);
            let service = "a".repeat(MOST_BYTES_TO_HEALTH - 3 + more);
            let message = fields::string(1, &service);
            assert_eq!(message.len(), MOST_BYTES_TO_HEALTH + more);
            let code = if more == 0 {
                Code::NotFound
            } else {
                Code::ResourceExhausted
            };
            let path = "/grpc.health.v1.Health/Check";
            call = Call::new(path, prefixed(&message), Outcome::Failed(code));
        }
        // gRPC would have it that a second message is an error; tonic answers the first, and leaves the others aside.
        3 => call.body.extend(prefixed(&[])),
        _ => call.expected = Outcome::Failed(spoil(random, &mut call.body)),
    }
    call
}
