//! Heads of opening handshakes: each part is right or wrong in a known way, so the answer is known too.

use std::collections::BTreeSet;

use bytes::BytesMut;
use tungstenite_deflate::HeadLimits;
use tungstenite_deflate::handshake::server::{self, RequestReader};

use super::random::Random;

/// Values of a part, and the status that answers each; 0 where nothing is wrong.
type Part = &'static [(&'static str, u16)];

/// Status of a bad version, which may be taken for a bad head or for another version.
const EITHER: u16 = 0xffff;

const METHOD: Part = &[
    ("GET", 0),
    ("get", 405),
    ("POST", 405),
    ("CONNECT", 405),
    ("BREW", 405),
];
const TARGET: Part = &[
    ("/", 0),
    ("/chat?x=1&y=%20", 0),
    ("/a\0b", 400),
    (" /a", EITHER),
    ("/a b", EITHER),
];
const VERSION: Part = &[
    ("HTTP/1.1", 0),
    ("HTTP/1.0", 505),
    ("HTTP/1.2", 505),
    ("HTTP/2.0", 505),
    ("HTTP/11", EITHER),
    ("FTP/1.1", EITHER),
    ("http/1.1", EITHER),
];
const HOST: Part = &[
    ("Host: localhost\r\n", 0),
    ("host: [::1]:8443\r\n", 0),
    ("HOST:\texample.org:1 \r\n", 0),
    ("", 400),
    ("Host: \r\n", 400),
    ("Host: a b\r\n", 400),
    ("Host: a/b\r\n", 400),
    ("Host: user@a\r\n", 400),
    ("Host: a\r\nHost: b\r\n", 400),
];
const UPGRADE: Part = &[
    ("Upgrade: websocket\r\n", 0),
    ("upgrade: WEBSOCKET\r\n", 0),
    ("Upgrade: h2c, websocket\r\n", 0),
    ("Upgrade: h2c\r\nUpgrade: WebSocket\r\n", 0),
    ("", 426),
    ("Upgrade: h2c\r\n", 400),
    ("Upgrade: websocket2\r\n", 400),
    ("Upgrade: notwebsocket\r\n", 400),
];
const CONNECTION: Part = &[
    ("Connection: Upgrade\r\n", 0),
    ("Connection: keep-alive, uPGRADE\r\n", 0),
    ("Connection: keep-alive\r\nConnection: Upgrade\r\n", 0),
    ("", 400),
    ("Connection: close\r\n", 400),
    ("Connection: notupgrade\r\n", 400),
];
const KEY: Part = &[
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 0),
    ("sec-websocket-key:AAAAAAAAAAAAAAAAAAAAAA==\t\r\n", 0),
    ("", 400),
    ("Sec-WebSocket-Key: \r\n", 400),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", 400),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n", 400),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n", 400),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2-jZQ==\r\n", 400),
    (
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        400,
    ),
];
const PROTOCOL_VERSION: Part = &[
    ("Sec-WebSocket-Version: 13\r\n", 0),
    ("Sec-WebSocket-Version:  13 \r\n", 0),
    ("", 400),
    ("Sec-WebSocket-Version: 8\r\n", 426),
    ("Sec-WebSocket-Version: 013\r\n", 426),
    ("Sec-WebSocket-Version: 13, 8\r\n", 426),
    (
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
        426,
    ),
];
const MORE: Part = &[
    ("", 0),
    ("X-Anything: \u{e9}\r\n", 0),
    ("Origin: http://example.com\r\n", 0),
    ("Sec-WebSocket-Protocol: chat, superchat\r\n", 0),
    (
        "Sec-WebSocket-Extensions: permessage-deflate; nonsense=\r\n",
        0,
    ),
    ("Sec-WebSocket-Protocol: chat, chat\r\n", 400),
    ("Sec-WebSocket-Protocol: ,\r\n", 0),
    ("Sec-WebSocket-Protocol: chat, \"x\"\r\n", 400),
    ("Content-Length: 5\r\n", 400),
    ("Content-Length: -1\r\n", 400),
    ("Transfer-Encoding: chunked\r\n", 400),
    ("X-Folded: a\r\n b\r\n", 400),
    ("X-Space : a\r\n", 400),
    ("X-Nul: \0\r\n", 400),
    ("X-Bare: a\rb\r\n", 400),
    ("no colon\r\n", 400),
    (": no name\r\n", 400),
];

/// Something of a part, mostly right, and its status among those of the head.
fn choose(part: Part, random: &mut Random, statuses: &mut BTreeSet<u16>) -> &'static str {
    let (text, status) = loop {
        let choice = random.pick(part);
        if choice.1 == 0 || random.once_in(10) {
            break choice;
        }
    };
    match status {
        0 => {}
        EITHER => statuses.extend([400, 505]),
        status => drop(statuses.insert(status)),
    }
    text
}

fn judged(bytes: &[u8], random: &mut Random) -> Option<u16> {
    let mut reader = RequestReader::new(HeadLimits::default());
    let (mut buffer, mut rest) = (BytesMut::new(), bytes);
    let largest = random.pick(&[1, 50, 10_000]);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.len().min(1 + random.below(largest)));
        rest = more;
        buffer.extend_from_slice(piece);
        match reader.receive(&mut buffer) {
            Err(rejection) => return Some(rejection.status().as_u16()),
            Ok(None) => {}
            Ok(Some(request)) => {
                return Some(match server::accept(&request, None) {
                    Ok((response, _)) => response.status().as_u16(),
                    Err(rejection) => rejection.status().as_u16(),
                });
            }
        }
    }
    None
}

#[test]
fn heads_are_judged_by_their_parts() {
    let (mut bad, mut good) = (0_u64, 0_u64);
    let mut number = super::seed() << 33;
    while bad < super::wanted() / 10 {
        number += 1;
        let random = &mut Random(number);
        let mut statuses = BTreeSet::new();
        let method = choose(METHOD, random, &mut statuses);
        let target = choose(TARGET, random, &mut statuses);
        let version = choose(VERSION, random, &mut statuses);
        let mut parts = vec![HOST, UPGRADE, CONNECTION, KEY, PROTOCOL_VERSION, MORE];
        let mut head = format!("{method} {target} {version}\r\n");
        while !parts.is_empty() {
            let part = parts.swap_remove(random.below(parts.len()));
            head.push_str(choose(part, random, &mut statuses));
        }
        head.push_str("\r\n");
        // A part of it is no head, and nothing is answered unless what is there is wrong already.
        let cut = random.once_in(8).then(|| random.below(head.len()));
        let bytes = &head.as_bytes()[..cut.unwrap_or(head.len())];
        let answer = judged(bytes, random);
        let fits = match (cut, statuses.is_empty()) {
            (None, true) => answer == Some(101),
            (None, false) => answer.is_some_and(|status| statuses.contains(&status)),
            (Some(_), _) => answer.is_none_or(|status| statuses.contains(&status)),
        };
        assert!(
            fits,
            "seed {number}: {answer:?}, expected one of {statuses:?}, cut at {cut:?}: {head:?}"
        );
        if statuses.is_empty() && cut.is_none() {
            good += 1;
        } else {
            bad += 1;
        }
    }
    println!(
        "{bad} bad inputs: heads of opening handshakes, 0 wrong; beside them {good} good ones"
    );
}
