//! Bodies: their announced length, and the trailers after them (RFC 9113 §8.1).

use super::{MALFORMED, answered, refused};
use crate::case::Outcome::{Goaway, Reset, Status};
use crate::case::{Case, case};
use crate::wire::code::PROTOCOL_ERROR;
use crate::wire::{END_HEADERS, END_STREAM, block, data, frame, get, headers, kind, post};

const PSEUDO_TRAILERS: &str =
    "h2 drops the pseudo-fields of trailers without a word; no handler sees them";

pub fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(bodies_and_trailers());
    cases
}

#[rustfmt::skip]
fn lengths() -> Vec<Case> {
    let section = "RFC 9113 §8.1.1";
    let body = br#"{"from":"rules","text":"hello"}"#;
    let length = body.len().to_string();
    let with = |length: &str| {
        case(section, format!("content-length: {length}")).send(headers(
            1,
            0,
            &post(&[("content-length", length)]),
        ))
    };
    let mut cases = vec![
        with(&length).send(data(1, END_STREAM, body)).may(&[Status(200), Status(201)]),
        with("1").send(data(1, END_STREAM, body)).may(MALFORMED),
        with("1").send(data(1, 0, b"{")).send(data(1, END_STREAM, b"}")).may(MALFORMED),
        with("100").send(data(1, END_STREAM, body)).may(MALFORMED),
        with("100").send(data(1, 0, body)).send(data(1, END_STREAM, b"")).may(MALFORMED),
        with("100")
            .send(data(1, 0, body))
            .send(frame(
                kind::HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &block(&[("x-sum", "1")]),
            ))
            .may(MALFORMED),
        refused(section, "content-length of 1 without content", &post(&[("content-length", "1")])),
        refused(section, "content-length of 1 at a GET without content", &get(&[("content-length", "1")])),
        answered(section, "content-length of 0 at a GET", &get(&[("content-length", "0")]), 200),
        case(section, "two content-lengths that differ")
            .send(headers(
                1,
                0,
                &post(&[("content-length", &length), ("content-length", "1")]),
            ))
            .send(data(1, END_STREAM, body))
            .may(MALFORMED),
    ];
    for wrong in [
        "-1",
        "+1",
        "a",
        "1 1",
        "0x10",
        "",
        "99999999999999999999999",
        "1,1",
        "1.0",
    ] {
        cases.push(with(wrong).send(data(1, END_STREAM, body)).may(MALFORMED));
    }
    cases
}

#[rustfmt::skip]
fn bodies_and_trailers() -> Vec<Case> {
    let section = "RFC 9113 §8.1";
    let body = br#"{"from":"rules","text":"hello"}"#;
    let open = |what: &str| {
        case(section, what)
            .send(headers(1, 0, &post(&[])))
            .send(data(1, 0, body))
    };
    let trailers = |flags: u8, block: &[u8]| frame(kind::HEADERS, END_HEADERS | flags, 1, block);
    vec![
        open("trailers").send(trailers(END_STREAM, &block(&[("x-sum", "1")]))).may(&[Status(200), Status(201)]),
        open("trailers that do not end the stream").send(trailers(0, &block(&[("x-sum", "1")]))).may(MALFORMED),
        open("a pseudo-field in trailers")
            .send(trailers(END_STREAM, &block(&[(":method", "GET")])))
            .may(MALFORMED)
            .deviates(Status(201), PSEUDO_TRAILERS),
        open("a whole request as trailers")
            .send(trailers(END_STREAM, &get(&[])))
            .may(MALFORMED)
            .deviates(Status(201), PSEUDO_TRAILERS),
        open("upper case in trailers").send(trailers(END_STREAM, &block(&[("X-Sum", "1")]))).may(MALFORMED),
        open("a connection-specific field in trailers")
            .send(trailers(END_STREAM, &block(&[("connection", "close")])))
            .may(MALFORMED),
        open("DATA behind trailers")
            .send(trailers(END_STREAM, &block(&[("x-sum", "1")])))
            .send(data(1, END_STREAM, b"x"))
            .may(&[
                Reset(crate::wire::code::STREAM_CLOSED),
                Goaway(crate::wire::code::STREAM_CLOSED),
            ])
            .deviates(Goaway(PROTOCOL_ERROR), crate::streams::BEHIND_THE_END),
    ]
}
