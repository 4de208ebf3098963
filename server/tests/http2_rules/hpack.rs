//! Header blocks (RFC 7541).

use super::case::Outcome::{Goaway, Reset, Status};
use super::case::{Case, case, rule};
use super::wire::code::{COMPRESSION_ERROR, PROTOCOL_ERROR};
use super::wire::{END_STREAM, get, headers, integer, literal, request, string};

const GENERIC: &str =
    "h2 gives PROTOCOL_ERROR where a header block cannot be read; the connection ends all the same";
const BROKEN: &[super::case::Outcome] = &[Goaway(COMPRESSION_ERROR)];

pub fn cases() -> Vec<Case> {
    let mut cases = examples();
    cases.extend(representations());
    cases.extend(indices());
    cases.extend(integers());
    cases.extend(strings());
    cases.extend(size_updates());
    cases.extend(evictions());
    cases
}

/// `:authority: localhost`, which the examples of the RFC lack, is theirs to bring.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| u8::try_from((byte as char).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The requests of RFC 7541 appendix C.3 and C.4, each after the one before.
#[rustfmt::skip]
fn examples() -> Vec<Case> {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let mut cases = Vec::new();
    for (section, requests) in [("RFC 7541 C.3", plain), ("RFC 7541 C.4", huffman)] {
        for count in 1..=3_u32 {
            let mut behind = case(section, format!("the first {count} requests of the example"));
            for (number, request) in (0..count).zip(requests) {
                behind = behind.send(headers(2 * number + 1, END_STREAM, &hex(request)));
            }
            // /index.html, which the third asks for, is not there.
            let status = if count == 3 { 404 } else { 200 };
            cases.push(behind.watching(2 * count - 1).may(&[Status(status)]));
        }
    }
    cases
}

#[rustfmt::skip]
fn representations() -> Vec<Case> {
    let section = "RFC 7541 §6.2";
    let custom = |pattern: u8| [vec![pattern], string(b"x-test"), string(b"1")].concat();
    let indexed_name = |pattern: u8, bits: u32| {
        // 58 is user-agent.
        [integer(pattern, bits, 58), string(b"rules")].concat()
    };
    let with = |field: Vec<u8>| [get(&[]), field].concat();
    let valid: [(&str, Vec<u8>); 9] = [
        ("indexing, name written out", with(custom(0x40))),
        ("indexing, name by index", with(indexed_name(0x40, 6))),
        ("no indexing, name written out", with(custom(0x00))),
        ("no indexing, name by index", with(indexed_name(0x00, 4))),
        ("never indexed, name written out", with(custom(0x10))),
        ("never indexed, name by index", with(indexed_name(0x10, 4))),
        ("a field of the static table", with(vec![0x80 | 16])),
        ("indexed and then used", with([custom(0x40), vec![0xbe]].concat())),
        ("indexed, its name used", with([custom(0x40), integer(0x40, 6, 62), string(b"2")].concat())),
    ];
    let mut cases: Vec<Case> = valid
        .into_iter()
        .map(|(what, block)| {
            rule(section, what, headers(1, END_STREAM, &block), &[Status(200)])
        })
        .collect();
    for (pattern, what) in [
        (0x00, "what was not indexed cannot be used"),
        (0x10, "what is never indexed cannot be used"),
    ] {
        let block = with([custom(pattern), vec![0xbe]].concat());
        cases.push(unreadable(section, what, &block));
    }
    cases.push(
        case("RFC 7541 §2.3.2", "the table outlives a request")
            .send(headers(1, END_STREAM, &with(custom(0x40))))
            .answered(1)
            .send(headers(3, END_STREAM, &with(vec![0xbe])))
            .watching(3)
            .may(&[Status(200)]),
    );
    cases.push(
        // The table must be kept in step although the request is refused.
        case("RFC 9113 §4.3", "a malformed request adds to the table")
            .send(headers(
                1,
                END_STREAM,
                &[get(&[("connection", "close")]), custom(0x40)].concat(),
            ))
            .send(headers(3, END_STREAM, &with(vec![0xbe])))
            .watching(3)
            .may(&[Status(200)]),
    );
    cases.push(
        rule("RFC 9113 §8.3", "a :status of the static table in a request", headers(1, END_STREAM, &[vec![0x88], get(&[])].concat()), &[Reset(PROTOCOL_ERROR), Goaway(PROTOCOL_ERROR)]),
    );
    cases
}

/// Indices that stand for nothing (RFC 7541 §2.3.3, §6.1).
#[rustfmt::skip]
fn indices() -> Vec<Case> {
    let behind_get = |field: Vec<u8>| [get(&[]), field].concat();
    let mut cases = vec![unreadable("RFC 7541 §6.1", "index 0", &behind_get(vec![0x80]))];
    for index in [62, 63, 70, 127, 128, 1_000, 100_000] {
        let what = format!("index {index} with an empty table");
        let block = behind_get(integer(0x80, 7, index));
        cases.push(unreadable("RFC 7541 §2.3.3", what, &block));
    }
    for (pattern, bits, what) in [
        (0x40, 6, "indexing"),
        (0x00, 4, "no indexing"),
        (0x10, 4, "never indexed"),
    ] {
        let what = format!("the name of index 62 with an empty table, {what}");
        let block = behind_get([integer(pattern, bits, 62), string(b"1")].concat());
        cases.push(unreadable("RFC 7541 §2.3.3", what, &block));
    }
    cases
}

/// A request whose header block cannot be read.
fn unreadable(section: &'static str, what: impl Into<String>, block: &[u8]) -> Case {
    case(section, what)
        .send(headers(1, END_STREAM, block))
        .may(BROKEN)
        .deviates(Goaway(PROTOCOL_ERROR), GENERIC)
}

/// RFC 7541 §5.1: what does not fit, or does not end, is an error.
#[rustfmt::skip]
fn integers() -> Vec<Case> {
    let section = "RFC 7541 §5.1";
    let broken: [(&str, Vec<u8>); 8] = [
        ("an index of 2^35", hex("ff ff ff ff ff 7f")),
        ("an index of many bytes", [vec![0xff], vec![0xff; 20], vec![0x01]].concat()),
        ("an index without its end", hex("ff 80 80")),
        ("an index that is cut off", hex("ff")),
        ("a name of 2^35 bytes", hex("00 7f ff ff ff ff 7f")),
        ("a length without its end", hex("00 7f 80")),
        ("a table size of 2^35", hex("3f ff ff ff ff 7f")),
        ("a name's index that is cut off", hex("0f")),
    ];
    let mut cases: Vec<Case> = broken
        .into_iter()
        .map(|(what, field)| {
            let block = if what.contains("table") {
                [field, get(&[])].concat()
            } else {
                [get(&[]), field].concat()
            };
            unreadable(section, what, &block)
        })
        .collect();
    // 16 in seven bits, and 58 in six, each with zeros that mean nothing.
    for (what, field) in [
        ("an index with a needless zero", [hex("7f 00"), string(b"rules")].concat()),
        ("a length in two bytes with a zero behind", [hex("0f 2b 01"), b"x".to_vec()].concat()),
    ] {
        let block = [get(&[]), field.clone()].concat();
        // 63 is the table's second entry: there is none, and only the decoding of the number counts.
        cases.push(if field[0] == 0x7f {
            unreadable(section, what, &block)
        } else {
            rule(section, what, headers(1, END_STREAM, &block), &[Status(200)])
        });
    }
    cases
}

/// RFC 7541 §5.2: lengths, and the padding of Huffman codes.
#[rustfmt::skip]
fn strings() -> Vec<Case> {
    let section = "RFC 7541 §5.2";
    let value = |bytes: &[u8]| {
        let length = 0x80 | u8::try_from(bytes.len()).unwrap();
        [
            get(&[]),
            vec![0x00],
            string(b"x-test"),
            vec![length],
            bytes.to_vec(),
        ]
        .concat()
    };
    let broken: [(&str, Vec<u8>); 8] = [
        ("a name longer than the block", [get(&[]), hex("00 0a 78 2d")].concat()),
        ("a value longer than the block", [get(&[]), hex("00 01 78 0a 31")].concat()),
        ("no value at all", [get(&[]), hex("00 01 78")].concat()),
        // `a` is 00011; what is after it must be ones.
        ("padding of zeros", value(&[0b0001_1000])),
        ("padding with a zero in it", value(&[0b0001_1110])),
        ("padding of a whole byte", value(&[0b0001_1111, 0xff])),
        ("EOS in a string", value(&[0xff, 0xff, 0xff, 0xfc])),
        ("EOS behind a letter", value(&[0b0001_1111, 0xff, 0xff, 0xff, 0b1110_0111])),
    ];
    let mut cases: Vec<Case> = broken
        .into_iter()
        .map(|(what, block)| unreadable(section, what, &block))
        .collect();
    for (what, block) in [
        ("a letter with three bits of padding", value(&[0b0001_1111])),
        // `&` is 11111000: it needs no padding.
        ("a letter of eight bits", value(&[0b1111_1000])),
        ("an empty string in Huffman code", value(&[])),
    ] {
        cases.push(rule(section, what, headers(1, END_STREAM, &block), &[Status(200)]));
    }
    cases
}

/// RFC 7541 §4.2 and §6.3.
#[rustfmt::skip]
fn size_updates() -> Vec<Case> {
    let section = "RFC 7541 §4.2";
    let update = |size: usize| integer(0x20, 5, size);
    let first = |size: usize, what: &str| {
        case(section, what).send(headers(1, END_STREAM, &[update(size), get(&[])].concat()))
    };
    let custom = [vec![0x40], string(b"x-test"), string(b"1")].concat();
    vec![
        first(0, "no table").may(&[Status(200)]),
        first(1_000, "a smaller table").may(&[Status(200)]),
        first(4_096, "as large a table as is allowed").may(&[Status(200)]),
        rule(
            section,
            "smaller and then larger",
            headers(
                1,
                END_STREAM,
                &[update(0), update(4_096), get(&[])].concat(),
            ),
            &[Status(200)],
        ),
        case("RFC 7541 §6.3", "a larger table than is allowed")
            .send(headers(1, END_STREAM, &[update(4_097), get(&[])].concat()))
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case("RFC 7541 §6.3", "a far larger table than is allowed")
            .send(headers(
                1,
                END_STREAM,
                &[update(1 << 24), get(&[])].concat(),
            ))
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case(section, "a size at the end of a block")
            .send(headers(1, END_STREAM, &[get(&[]), update(0)].concat()))
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case(section, "a size between fields")
            .send(headers(
                1,
                END_STREAM,
                &[get(&[]), update(0), literal(b"x-a", b"1")].concat(),
            ))
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case("RFC 7541 §4.3", "what was in a table that is gone")
            .send(headers(1, END_STREAM, &[get(&[]), custom.clone()].concat()))
            .answered(1)
            .send(headers(
                3,
                END_STREAM,
                &[update(0), get(&[]), vec![0xbe]].concat(),
            ))
            .watching(3)
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case("RFC 7541 §4.3", "a table that is gone and comes back is empty")
        .send(headers(1, END_STREAM, &[get(&[]), custom].concat()))
        .answered(1)
        .send(headers(
            3,
            END_STREAM,
            &[update(0), update(4_096), get(&[]), vec![0xbe]].concat(),
        ))
        .watching(3)
        .may(BROKEN)
        .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
    ]
}

/// RFC 7541 §4.4: what is added pushes out the oldest; what is larger than the table empties it.
fn evictions() -> Vec<Case> {
    let section = "RFC 7541 §4.4";
    let indexed = |name: &str, length: usize| {
        [
            vec![0x40],
            string(name.as_bytes()),
            string(&vec![b'v'; length]),
        ]
        .concat()
    };
    let with = |fields: &[Vec<u8>]| [request("GET", "/healthz"), fields.concat()].concat();
    vec![
        case(section, "the oldest is pushed out")
            .send(headers(
                1,
                END_STREAM,
                &with(&[
                    indexed("x-a", 2_000),
                    indexed("x-b", 2_000),
                    indexed("x-c", 10),
                ]),
            ))
            .answered(1)
            // Two are left: 62 and 63.
            .send(headers(3, END_STREAM, &with(&[vec![0xc0]])))
            .watching(3)
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        case(section, "the others stay")
            .send(headers(
                1,
                END_STREAM,
                &with(&[
                    indexed("x-a", 2_000),
                    indexed("x-b", 2_000),
                    indexed("x-c", 10),
                ]),
            ))
            .answered(1)
            .send(headers(3, END_STREAM, &with(&[vec![0xbe], vec![0xbf]])))
            .watching(3)
            .may(&[Status(200)]),
        rule(
            section,
            "a field larger than the table is no error",
            headers(1, END_STREAM, &with(&[indexed("x-a", 5_000)])),
            &[Status(200)],
        ),
        case(section, "a field larger than the table empties it")
            .send(headers(
                1,
                END_STREAM,
                &with(&[indexed("x-a", 10), indexed("x-b", 5_000), vec![0xbe]]),
            ))
            .may(BROKEN)
            .deviates(Goaway(PROTOCOL_ERROR), GENERIC),
        rule(
            section,
            "a name of the table that its own entry pushes out",
            headers(
                1,
                END_STREAM,
                &with(&[
                    indexed("x-a", 10),
                    [integer(0x40, 6, 62), string(&[b'v'; 4_040])].concat(),
                ]),
            ),
            &[Status(200)],
        ),
    ]
}
