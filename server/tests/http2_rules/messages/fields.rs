//! Fields of a request: their names, their values, those that are forbidden in HTTP/2, and too many of them.

use super::{answered, refused};
use crate::case::Outcome::{Goaway, Status};
use crate::case::{Case, rule};
use crate::wire::code::{COMPRESSION_ERROR, ENHANCE_YOUR_CALM};
use crate::wire::{END_HEADERS, END_STREAM, frame, get, headers, kind, literal, request};

pub fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(values());
    cases.extend(connection_specific());
    cases.extend(large());
    cases
}

#[rustfmt::skip]
fn names() -> Vec<Case> {
    let section = "RFC 9113 §8.2.1";
    let mut cases = vec![
        refused("RFC 9113 §8.2", "a name in upper case", &get(&[("X-TEST", "1")])),
        refused("RFC 9113 §8.2", "a name with one upper-case letter", &get(&[("x-tesT", "1")])),
        refused(section, "an empty name", &get(&[("", "1")])),
        refused(section, "a colon in a name", &get(&[("x:y", "1")])),
    ];
    for byte in [0x00, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x7f, 0x80, 0xff] {
        let name = [b'x', byte, b'y'];
        let block = [get(&[]), literal(&name, b"1")].concat();
        cases.push(refused(section, format!("byte {byte:#04x} in a name"), &block));
    }
    cases
}

#[rustfmt::skip]
fn values() -> Vec<Case> {
    let section = "RFC 9113 §8.2.1";
    let mut cases: Vec<Case> = [b'\0', b'\n', b'\r']
        .into_iter()
        .flat_map(|byte| {
            [
                vec![byte],
                vec![b'a', byte, b'b'],
                vec![b'a', byte],
                vec![byte, b'b'],
            ]
        })
        .map(|value| {
            let block = [get(&[]), literal(b"x-test", &value)].concat();
            refused(section, format!("the value {value:?}"), &block)
        })
        .collect();
    for value in [" a", "a ", "\ta", "a\t", " "] {
        let block = get(&[("x-test", value)]);
        cases.push(refused(section, format!("white space around the value {value:?}"), &block));
    }
    for value in [&b""[..], b"a b", b"a\tb", b"\x80\xff", "Olá".as_bytes()] {
        let block = [get(&[]), literal(b"x-test", value)].concat();
        cases.push(answered(section, format!("the value {value:?}"), &block, 200));
    }
    cases
}

#[rustfmt::skip]
fn connection_specific() -> Vec<Case> {
    let section = "RFC 9113 §8.2.2";
    let fields = [
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate;q=0.5"),
        ("te", ""),
    ];
    let mut cases: Vec<Case> = fields
        .into_iter()
        .map(|field| refused(section, format!("{}: {}", field.0, field.1), &get(&[field])))
        .collect();
    cases.push(answered(section, "te: trailers", &get(&[("te", "trailers")]), 200));
    cases
}

/// Heads beyond 16 KiB (RFC 9113 §10.5.1).
#[rustfmt::skip]
fn large() -> Vec<Case> {
    let section = "RFC 9113 §10.5.1";
    let long = "a".repeat(9_000);
    let block = get(&[("x-a", &long), ("x-b", &long)]);
    let split = |block: &[u8]| {
        let mut pieces = block.chunks(16_000).peekable();
        let first = pieces.next().unwrap();
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let mut bytes = frame(kind::HEADERS, END_STREAM | flags, 1, first);
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() {
                END_HEADERS
            } else {
                0
            };
            bytes.extend(crate::wire::continuation(1, flags, piece));
        }
        bytes
    };
    let many: Vec<u8> = (0..101)
        .flat_map(|number| literal(format!("x-{number}").as_bytes(), b"1"))
        .collect();
    vec![
        rule(section, "a field list of 18 KiB", split(&block), &[Status(431)]),
        rule(section, "101 small fields", split(&[get(&[]), many].concat()), &[Status(431)]),
        rule(section, "a path of 9,000 bytes", headers(1, END_STREAM, &request("GET", &format!("/{long}"))), &[Status(414)]),
        rule(section, "a field list of a megabyte", split(&[get(&[]), (0..120).flat_map(|_| literal(b"x-a", long.as_bytes())).collect()].concat()), &[Status(431), Goaway(ENHANCE_YOUR_CALM), Goaway(COMPRESSION_ERROR)]),
    ]
}
