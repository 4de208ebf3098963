//! Requests for rooms (`chat.v2`) that can be read: what they ask for is right or wrong in a known way.

use tonic::Code;

use crate::call::{Call, MOST_TEXT_BYTES, Outcome};
use crate::fields::{self, nested, string};
use crate::prefixes::{self, prefixed};
use crate::random::Random;

/// Texts that are no names of rooms, those of members, those of messages, and no positions in a history.
const BAD_ROOMS: &[&str] = &[
    "", "a b", "a.b", "a/b", "\u{e9}", "*", ">", "a\0", "..", "a\n",
];
#[rustfmt::skip]
const BAD_NAMES: &[&str] = &[
    "", "a  b", " a", "a:b", "a\0", "\u{202e}", "a\n", "a,b", "\u{3164}", "p\u{430}ypal",
    "\u{1c3}",
];
const BAD_IDS: &[&str] = &["a b", "\u{e9}", "\u{7f}", "\n", "\0"];
#[rustfmt::skip]
const BAD_PLACES: &[&str] = &[
    ":", "7", "xyz:1", "0000000000c0ffee:", "0000000000c0ffee:-1", "c0ffee:1",
    "0000000000c0ffee:+1", "0000000000c0ffee:99999999999999999999", "0000000000c0ffee:1:1",
];

/// A bad text, or one that is too long; 64 bytes are the most for each of these.
fn bad(random: &mut Random, from: &[&str]) -> String {
    if random.once_in(8) {
        return "a".repeat(65 + random.below(400));
    }
    random.pick(from).to_owned()
}

/// The name of a room of few members, and a name and an id that are right, now and then as long as they may be.
fn good(random: &mut Random) -> String {
    let number = random.below(500);
    format!("{number:0width$}", width = random.pick(&[1, 1, 1, 64]))
}

/// A request to join, and whether it is right.
fn join(random: &mut Random) -> (Vec<Vec<u8>>, bool) {
    let (mut room, mut name, mut since) = (good(random), good(random), String::new());
    if random.once_in(4) {
        since = format!("{:016x}:{}", random.next(), random.below(1000));
    }
    let spoiled = random.below(6);
    match spoiled {
        0 => room = bad(random, BAD_ROOMS),
        1 => name = bad(random, BAD_NAMES),
        2 => since = bad(random, BAD_PLACES),
        _ => {}
    }
    (
        vec![string(1, &room), string(2, &name), string(3, &since)],
        spoiled > 2,
    )
}

/// A call that sends one message, or one that would join to listen.
pub fn call(random: &mut Random) -> Call {
    if random.once_in(3) {
        return subscription(random);
    }
    let (mut room, mut sender) = (good(random), good(random));
    let (mut text, mut id) = (fields::text(random), good(random));
    let mut expected = Outcome::Failed(Code::InvalidArgument);
    match random.below(7) {
        0 => room = bad(random, BAD_ROOMS),
        1 => sender = bad(random, BAD_NAMES),
        2 => id = bad(random, BAD_IDS),
        3 => text.clear(),
        // On both sides of the limits for texts and for what may stand around them.
        4 => {
            let (bytes, outcome) = [
                (MOST_TEXT_BYTES, Outcome::Done),
                (
                    MOST_TEXT_BYTES + 1,
                    Outcome::Failed(Code::ResourceExhausted),
                ),
                (
                    MOST_TEXT_BYTES + 1024,
                    Outcome::Failed(Code::ResourceExhausted),
                ),
            ][random.below(3)]
            .clone();
            text = "a".repeat(bytes);
            expected = outcome;
        }
        5 => {
            id.clear();
            expected = Outcome::Done;
        }
        _ => expected = Outcome::Done,
    }
    let fields = [
        string(1, &room),
        string(2, &sender),
        string(3, &text),
        string(4, &id),
    ];
    let body = prefixed(&fields.concat());
    Call::new("/chat.v2.ChatService/Send", body, expected)
}

/// A subscription that comes to nothing: one that is right would not end.
fn subscription(random: &mut Random) -> Call {
    let (mut fields, is_right) = join(random);
    let is_whole = fields::dress(random, &mut fields);
    let mut body = prefixed(&fields.concat());
    let code = match (is_whole, is_right) {
        (false, _) => Code::Internal,
        (true, false) => Code::InvalidArgument,
        (true, true) => prefixes::spoil(random, &mut body),
    };
    Call::new(
        "/chat.v2.ChatService/Subscribe",
        body,
        Outcome::Failed(code),
    )
}

/// A conversation: one request joins, the others say something.
pub fn conversation(random: &mut Random) -> Call {
    let (fields, joins) = join(random);
    let mut first = vec![nested(1, &fields)];
    let mut failed = (!joins).then_some(Code::InvalidArgument);
    match random.below(10) {
        // Somebody who has not joined says something, or nothing.
        kind @ (0 | 1) => {
            first = if kind == 0 {
                vec![nested(2, &[string(1, "early")])]
            } else {
                Vec::new()
            };
            failed = Some(Code::InvalidArgument);
        }
        2 if !fields::dress(random, &mut first) => failed = Some(Code::Internal),
        _ => {}
    }
    let mut body = prefixed(&first.concat());
    let mut errors = Vec::new();
    for _ in 0..random.below(6) {
        let (request, outcome) = say(random);
        body.extend(request);
        match outcome {
            Said::Well => {}
            Said::Badly(code) => errors.push(code.to_owned()),
            Said::Last(code) => {
                failed = failed.or(code);
                break;
            }
        }
    }
    errors.sort_unstable();
    let expected = failed.map_or(Outcome::Conversed(errors), Outcome::Failed);
    Call::new("/chat.v2.ChatService/Converse", body, expected)
}

/// Outcome of a request in a conversation.
enum Said {
    Well,
    /// The conversation goes on after an error with this code.
    Badly(&'static str),
    /// Nothing after it is read; the call ends with this status, or as if the client had said everything.
    Last(Option<Code>),
}

/// A request that says something, after its prefix.
fn say(random: &mut Random) -> (Vec<u8>, Said) {
    let (mut text, mut id) = (fields::text(random), good(random));
    let mut said = Said::Well;
    match random.below(12) {
        0 => (id, said) = (bad(random, BAD_IDS), Said::Badly("malformed")),
        1 => (text, said) = (String::new(), Said::Badly("empty")),
        2 => (text, said) = ("a".repeat(MOST_TEXT_BYTES + 1), Said::Badly("refused")),
        // Somebody who has joined joins.
        3 => {
            let (fields, _) = join(random);
            let said = Said::Last(Some(Code::InvalidArgument));
            return (prefixed(&nested(1, &fields)), said);
        }
        _ => {}
    }
    let mut request = vec![nested(2, &[string(1, &text), string(2, &id)])];
    if random.once_in(6) && !fields::dress(random, &mut request) {
        said = Said::Last(Some(Code::Internal));
    }
    let mut bytes = prefixed(&request.concat());
    if random.once_in(10) {
        let code = match random.below(3) {
            0 => {
                bytes[0] = random.pick(&[1, 2, 0x80]);
                Some(Code::Internal)
            }
            1 => {
                bytes[1] = 0xff;
                Some(Code::ResourceExhausted)
            }
            _ => {
                bytes.truncate(1 + random.below(bytes.len() - 1));
                // tonic takes an end directly after a prefix for the end of the stream.
                (bytes.len() != 5).then_some(Code::Internal)
            }
        };
        said = Said::Last(code);
    }
    (bytes, said)
}
