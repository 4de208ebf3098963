//! Messages as Protocol Buffers write them: fields with a tag, whole and then broken.

use tonic::Code;

use crate::call::Outcome;
use crate::random::Random;

/// Wire types, which tell the format after a tag (Protocol Buffers, *Encoding*).
const VARINT: u8 = 0;
const EIGHT_BYTES: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const GROUP: u8 = 3;
const END_OF_GROUP: u8 = 4;
const FOUR_BYTES: u8 = 5;

/// Fields of no message here are numbered from this on.
const UNKNOWN: u32 = 100;

/// Bytes that are not UTF-8 (RFC 3629 §3).
const NOT_UTF8: &[&[u8]] = &[
    &[0xff],
    &[0x80],
    &[0xc0, 0x80],
    &[0xe2, 0x82],
    &[0xed, 0xa0, 0x80],
    &[0xf4, 0x90, 0x80, 0x80],
    &[0xf8, 0x88, 0x80, 0x80, 0x80],
];

/// A number in groups of seven bits, the lowest first.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

fn tag(number: u32, kind: u8) -> Vec<u8> {
    varint(u64::from(number) << 3 | u64::from(kind))
}

/// A field with this content.
fn delimited(number: u32, content: &[u8]) -> Vec<u8> {
    [
        tag(number, LENGTH_DELIMITED),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

/// A field that holds a text.
pub fn string(number: u32, text: &str) -> Vec<u8> {
    delimited(number, text.as_bytes())
}

/// A field that holds a message.
pub fn nested(number: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    delimited(number, &fields.concat())
}

/// Something to say, never nothing.
pub fn text(random: &mut Random) -> String {
    let words = [
        "Olá",
        "gRPC",
        "a\0b",
        "\u{1f600}",
        "\u{feff}",
        "line\nline",
        "x",
    ];
    let words = (0..=random.below(5)).map(|_| random.pick(&words));
    words.collect::<Vec<_>>().join(" ")
}

/// A field that no message here has, and that is skipped.
fn unknown(random: &mut Random, depth: usize) -> Vec<u8> {
    let number = UNKNOWN + u32::try_from(random.below(1 << 20)).unwrap();
    match random.below(6) {
        0 => [tag(number, VARINT), varint(random.next())].concat(),
        1 => [tag(number, EIGHT_BYTES), random.bytes(8)].concat(),
        2 => [tag(number, FOUR_BYTES), random.bytes(4)].concat(),
        // A number may be written longer than it needs to be.
        3 => [tag(number, VARINT), vec![0x81, 0x80, 0]].concat(),
        4 if depth < 5 => {
            let inner = unknown(random, depth + 1);
            [tag(number, GROUP), inner, tag(number, END_OF_GROUP)].concat()
        }
        _ => {
            let bytes = random.below(20);
            delimited(number, &random.bytes(bytes))
        }
    }
}

/// Something that no reader takes for a field where a text stands in 1 and 2. Only at the end of a message is each sure
/// to be found wrong.
fn broken(random: &mut Random) -> Vec<u8> {
    let known = random.pick(&[1, 2]);
    let number = random.pick(&[known, UNKNOWN]);
    match random.below(12) {
        0 => [tag(known, VARINT), varint(random.next())].concat(),
        1 => [tag(known, EIGHT_BYTES), random.bytes(8)].concat(),
        2 => [tag(known, FOUR_BYTES), random.bytes(4)].concat(),
        3 => [tag(known, GROUP), tag(known, END_OF_GROUP)].concat(),
        4 => [tag(number, random.pick(&[6, 7])), vec![0; 8]].concat(),
        5 => [tag(0, random.pick(&[VARINT, LENGTH_DELIMITED])), vec![0]].concat(),
        // A tag beyond 32 bits.
        6 => [varint(1 << 32 | random.next() >> 1), vec![0]].concat(),
        // A number beyond 64 bits.
        7 => [
            tag(UNKNOWN, VARINT),
            vec![0xff; 9],
            vec![random.pick(&[2, 0x7f, 0xff])],
            vec![1],
        ]
        .concat(),
        8 => {
            let more = random.pick(&[1, 100, 1 << 31, 1 << 32, 1 << 63, u64::MAX - 20]);
            let bytes = random.below(20);
            let length = varint(bytes as u64 + more);
            [tag(number, LENGTH_DELIMITED), length, random.bytes(bytes)].concat()
        }
        9 => {
            let text = random.pick(NOT_UTF8);
            delimited(known, &[b"ol", text, b"!"].concat())
        }
        // A group without its end, with another's, and an end without a group.
        10 => match random.below(3) {
            0 => tag(UNKNOWN, GROUP),
            1 => [tag(UNKNOWN, GROUP), tag(UNKNOWN + 1, END_OF_GROUP)].concat(),
            _ => tag(UNKNOWN, END_OF_GROUP),
        },
        // Deeper than any reader goes along.
        _ => {
            let depth = 101 + random.below(100);
            [
                tag(UNKNOWN, GROUP).repeat(depth),
                tag(UNKNOWN, END_OF_GROUP).repeat(depth),
            ]
            .concat()
        }
    }
}

/// Puts what is skipped around `fields`, and perhaps breaks them; tells whether they are still whole.
pub fn dress(random: &mut Random, fields: &mut Vec<Vec<u8>>) -> bool {
    for _ in 0..random.below(4) {
        let at = random.below(fields.len() + 1);
        fields.insert(at, unknown(random, 0));
    }
    match random.below(4) {
        0 => return true,
        1 => {
            // No beginning of a field is one.
            let last = fields.pop().unwrap();
            fields.push(last[..=random.below(last.len() - 1)].to_vec());
        }
        _ => fields.push(broken(random)),
    }
    false
}

/// A message of the tutorial's, and what becomes of a call with it.
pub fn message(random: &mut Random) -> (Vec<u8>, Outcome) {
    let text = text(random);
    let mut fields = vec![string(1, "Alice")];
    // A field that occurs several times has the last one's value.
    for earlier in 0..random.below(3) {
        fields.push(string(2, &earlier.to_string()));
    }
    fields.push(string(2, &text));
    let expected = if dress(random, &mut fields) {
        Outcome::Replied(text)
    } else {
        Outcome::Failed(Code::Internal)
    };
    (fields.concat(), expected)
}
