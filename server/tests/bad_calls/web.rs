//! Calls of pages, as gRPC-Web writes them: the same messages, in base64 if wanted.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tonic::Code;

use crate::call::{Call, Outcome, Protocol};
use crate::random::Random;
use crate::{fields, prefixes};

const BINARY: &[&str] = &["application/grpc-web", "application/grpc-web+proto"];
const TEXT: &[&str] = &[
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];
const BAD_TYPES: &[&str] = &[
    "application/grpc-web+json",
    "application/grpc-web-text+json",
    "application/grpc-webs",
    "application/x-grpc-web",
    "text/plain",
    "",
];

/// Types of gRPC itself, which needs HTTP/2.
const NOT_FOR_HTTP1: &[&str] = &[
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;charset=utf-8",
];

/// Trailers as a page would send them; requests have none.
const TRAILERS: &[u8] = b"\x80\0\0\0\x10grpc-status: 0\r\n";

/// A call as a page makes it.
pub fn call(random: &mut Random, protocol: Protocol) -> Call {
    let is_text = random.once_in(2);
    let mut call = match random.below(3) {
        0 => Call::tutorial(fields::message(random)),
        _ => Call::good(random),
    };
    let is_whole = matches!(call.expected, Outcome::Replied(_));
    match random.below(5) {
        0 | 1 if is_whole => {
            call.expected = Outcome::Failed(prefixes::spoil(random, &mut call.body));
        }
        2 if is_whole => {
            call.body.extend(TRAILERS);
            call.expected = Outcome::Failed(Code::Internal);
        }
        _ => {}
    }
    let kind = random.pick(if is_text { TEXT } else { BINARY });
    call.fields = vec![("content-type", kind.to_owned())];
    if is_text {
        call.body = BASE64_STANDARD.encode(&call.body).into_bytes();
        if random.once_in(4)
            && !call.body.is_empty()
            && call.expected != Outcome::Failed(Code::ResourceExhausted)
        {
            spoil(random, &mut call.body);
            call.expected = Outcome::Failed(Code::Internal);
        }
    }
    if random.once_in(10) {
        random.pick(BAD_TYPES).clone_into(&mut call.fields[0].1);
        call.expected = Outcome::Refused(415);
    } else if protocol == Protocol::Http1 && random.once_in(20) {
        random.pick(NOT_FOR_HTTP1).clone_into(&mut call.fields[0].1);
        call.expected = Outcome::Refused(505);
    }
    call
}

/// Breaks base64, which is not empty.
fn spoil(random: &mut Random, body: &mut Vec<u8>) {
    match random.below(3) {
        // A quantum is not whole.
        0 => body.truncate(body.len() - 1 - random.below(3)),
        1 => body.extend(random.pick(&[&b"A"[..], b"AA", b"AAA"])),
        _ => {
            let at = random.below(body.len());
            body[at] = random.pick(b"-_ \n!\0\xff");
        }
    }
}
