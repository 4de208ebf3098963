//! WebSockets (RFC 8441) and what else CONNECT may say (RFC 9113 §8.5).

use super::MALFORMED;
use crate::case::Outcome::Status;
use crate::case::{Case, case, rule};
use crate::wire::{block, headers, websocket};

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let section = "RFC 8441 §4";
    let of = |fields: &[(&str, &str)]| block(fields);
    let (connect, scheme) = ((":method", "CONNECT"), (":scheme", "https"));
    let (authority, path) = ((":authority", "localhost"), (":path", "/echo"));
    let (protocol, version) = ((":protocol", "websocket"), ("sec-websocket-version", "13"));
    let open = |what: &str, block: &[u8]| case(section, what).send(headers(1, 0, block));
    vec![
        open("a WebSocket", &websocket("/echo")).may(&[Status(200)]),
        open("a WebSocket where there is none", &websocket("/nowhere")).may(&[Status(404)]),
        open(":protocol with GET", &of(&[(":method", "GET"), scheme, authority, path, protocol])).may(MALFORMED),
        open(":protocol twice", &of(&[connect, scheme, authority, path, protocol, protocol])).may(MALFORMED),
        open("no :scheme", &of(&[connect, authority, path, protocol, version])).may(MALFORMED),
        open("no :path", &of(&[connect, scheme, authority, protocol, version])).may(MALFORMED),
        open("no :authority", &of(&[connect, scheme, path, protocol, version])).may(MALFORMED),
        open(
            "another protocol",
            &of(&[
                connect,
                scheme,
                authority,
                path,
                (":protocol", "connect-udp"),
                version,
            ]),
        )
        .may(&[Status(400), Status(501), Status(404)]),
        open(
            "version 12",
            &of(&[
                connect,
                scheme,
                authority,
                path,
                protocol,
                ("sec-websocket-version", "12"),
            ]),
        )
        .may(&[Status(426), Status(400)]),
        rule("RFC 9113 §8.5", "CONNECT to another host", headers(1, 0, &of(&[connect, (":authority", "example.org:443")])), &[Status(400), Status(404), Status(405), Status(426), Status(501)]),
        rule("RFC 9113 §8.5", "CONNECT with :scheme and :path", headers(1, 0, &of(&[connect, scheme, authority, path])), MALFORMED),
        rule("RFC 9113 §8.5", "CONNECT without :authority", headers(1, 0, &of(&[connect])), MALFORMED),
    ]
}
