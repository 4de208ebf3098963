//! Requests that are malformed, and those that only look so (RFC 9113 §8, RFC 8441 §4).

mod bodies;
mod connects;
mod fields;
mod targets;

use super::case::Outcome::{self, Goaway, Reset, Status};
use super::case::{Case, rule};
use super::wire::code::PROTOCOL_ERROR;
use super::wire::{END_STREAM, get, headers, kind, request};

/// A malformed request is a stream error, before which a server may say what is wrong (RFC 9113 §8.1.1); any stream
/// error may be taken for one of the connection (§5.4.2).
const MALFORMED: &[Outcome] = &[Reset(PROTOCOL_ERROR), Status(400), Goaway(PROTOCOL_ERROR)];

pub fn cases() -> Vec<Case> {
    let mut cases = semantics();
    cases.extend(fields::cases());
    cases.extend(targets::cases());
    cases.extend(bodies::cases());
    cases.extend(connects::cases());
    cases
}

fn refused(section: &'static str, what: impl Into<String>, block: &[u8]) -> Case {
    rule(section, what, headers(1, END_STREAM, block), MALFORMED)
}

#[rustfmt::skip]
fn answered(section: &'static str, what: impl Into<String>, block: &[u8], status: u16) -> Case {
    rule(section, what, headers(1, END_STREAM, block), &[Status(status)])
}

#[rustfmt::skip]
fn semantics() -> Vec<Case> {
    let section = "RFC 9113 §8";
    vec![
        answered(section, "GET", &get(&[]), 200),
        answered(section, "HEAD", &request("HEAD", "/healthz"), 200).check(|frames| {
            let data = frames
                .iter()
                .filter(|frame| frame.kind == kind::DATA && frame.stream == 1);
            match data.map(|frame| frame.payload.len()).sum() {
                0_usize => Ok(()),
                bytes => Err(format!("{bytes} bytes of content for HEAD")),
            }
        }),
        answered(section, "a method that is not allowed", &request("DELETE", "/healthz"), 405),
        answered(section, "an unknown method", &request("BREW", "/healthz"), 405),
        answered(section, "a path that is not there", &request("GET", "/nowhere"), 404),
        answered(section, "GET of a WebSocket route", &request("GET", "/echo"), 426),
        answered("RFC 9113 §8.2.3", "Cookie in several fields", &get(&[("cookie", "a=b"), ("cookie", "c=d")]), 200),
        answered("RFC 9110 §10.1.1", "Expect of something else than 100-continue", &get(&[("expect", "tea")]), 200),
    ]
}
