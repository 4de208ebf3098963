//! Requests that are malformed, and those that only look so (RFC 9113 §8, RFC 8441 §4).

use super::case::Outcome::{self, Goaway, Reset, Status};
use super::case::{Case, case};
use super::wire::code::{COMPRESSION_ERROR, ENHANCE_YOUR_CALM, PROTOCOL_ERROR};
use super::wire::{
    END_HEADERS, END_STREAM, block, data, frame, get, headers, kind, literal, post, request,
    websocket,
};

/// A malformed request is a stream error, before which a server may say what is wrong (RFC 9113 §8.1.1); any stream
/// error may be taken for one of the connection (§5.4.2).
const MALFORMED: &[Outcome] = &[Reset(PROTOCOL_ERROR), Status(400), Goaway(PROTOCOL_ERROR)];

const PSEUDO_TRAILERS: &str =
    "h2 drops the pseudo-fields of trailers without a word; no handler sees them";

pub fn cases() -> Vec<Case> {
    let mut cases = semantics();
    cases.extend(names());
    cases.extend(values());
    cases.extend(connection_specific());
    cases.extend(pseudo_fields());
    cases.extend(targets());
    cases.extend(authorities());
    cases.extend(lengths());
    cases.extend(bodies_and_trailers());
    cases.extend(connects());
    cases.extend(large());
    cases
}

fn refused(section: &'static str, what: impl Into<String>, block: &[u8]) -> Case {
    case(section, what)
        .send(headers(1, END_STREAM, block))
        .may(MALFORMED)
}

fn answered(section: &'static str, what: impl Into<String>, block: &[u8], status: u16) -> Case {
    case(section, what)
        .send(headers(1, END_STREAM, block))
        .may(&[Status(status)])
}

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
        answered(
            section,
            "a method that is not allowed",
            &request("DELETE", "/healthz"),
            405,
        ),
        answered(
            section,
            "an unknown method",
            &request("BREW", "/healthz"),
            405,
        ),
        answered(
            section,
            "a path that is not there",
            &request("GET", "/nowhere"),
            404,
        ),
        answered(
            section,
            "GET of a WebSocket route",
            &request("GET", "/echo"),
            426,
        ),
        answered(
            "RFC 9113 §8.2.3",
            "Cookie in several fields",
            &get(&[("cookie", "a=b"), ("cookie", "c=d")]),
            200,
        ),
        answered(
            "RFC 9110 §10.1.1",
            "Expect of something else than 100-continue",
            &get(&[("expect", "tea")]),
            200,
        ),
    ]
}

fn names() -> Vec<Case> {
    let section = "RFC 9113 §8.2.1";
    let mut cases = vec![
        refused(
            "RFC 9113 §8.2",
            "a name in upper case",
            &get(&[("X-TEST", "1")]),
        ),
        refused(
            "RFC 9113 §8.2",
            "a name with one upper-case letter",
            &get(&[("x-tesT", "1")]),
        ),
        refused(section, "an empty name", &get(&[("", "1")])),
        refused(section, "a colon in a name", &get(&[("x:y", "1")])),
    ];
    for byte in [0x00, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x7f, 0x80, 0xff] {
        let name = [b'x', byte, b'y'];
        let block = [get(&[]), literal(&name, b"1")].concat();
        cases.push(refused(
            section,
            format!("byte {byte:#04x} in a name"),
            &block,
        ));
    }
    cases
}

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
        cases.push(refused(
            section,
            format!("white space around the value {value:?}"),
            &block,
        ));
    }
    for value in [&b""[..], b"a b", b"a\tb", b"\x80\xff", "Olá".as_bytes()] {
        let block = [get(&[]), literal(b"x-test", value)].concat();
        cases.push(answered(
            section,
            format!("the value {value:?}"),
            &block,
            200,
        ));
    }
    cases
}

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
    cases.push(answered(
        section,
        "te: trailers",
        &get(&[("te", "trailers")]),
        200,
    ));
    cases
}

/// A request of these fields alone.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    block(fields)
}

fn pseudo_fields() -> Vec<Case> {
    let section = "RFC 9113 §8.3";
    let (method, scheme) = ((":method", "GET"), (":scheme", "https"));
    let (authority, path) = ((":authority", "localhost"), (":path", "/healthz"));
    let all = [method, scheme, authority, path];
    let mut cases = vec![
        refused(section, "an unknown pseudo-field", &get(&[(":test", "1")])),
        refused(
            section,
            "an unknown pseudo-field first",
            &[block(&[(":test", "1")]), get(&[])].concat(),
        ),
        refused(
            section,
            "a pseudo-field of a response",
            &get(&[(":status", "200")]),
        ),
        refused(
            section,
            "only that of a response",
            &fields(&[(":status", "200")]),
        ),
        refused(
            section,
            "a pseudo-field behind a field",
            &fields(&[method, scheme, authority, ("x-test", "1"), path]),
        ),
        refused(section, "no field at all", &[]),
        answered(
            section,
            "pseudo-fields in another order",
            &fields(&[path, authority, scheme, method]),
            200,
        ),
    ];
    for twice in all {
        let (name, section) = (twice.0, "RFC 9113 §8.3");
        let block = fields(&[&all[..], &[twice]].concat());
        cases.push(refused(section, format!("{name} twice"), &block));
    }
    for missing in [method, scheme, path] {
        let rest: Vec<_> = all.into_iter().filter(|field| *field != missing).collect();
        cases.push(refused(
            "RFC 9113 §8.3.1",
            format!("no {}", missing.0),
            &fields(&rest),
        ));
    }
    cases
}

/// A request with these pseudo-fields.
fn of(method: &str, scheme: &str, authority: Option<&str>, path: &str) -> Vec<u8> {
    let mut block = vec![(":method", method), (":scheme", scheme)];
    block.extend(authority.map(|authority| (":authority", authority)));
    block.push((":path", path));
    fields(&block)
}

fn targets() -> Vec<Case> {
    let section = "RFC 9113 §8.3.1";
    let to = |path| of("GET", "https", Some("localhost"), path);
    vec![
        refused(section, "an empty path", &to("")),
        refused(section, "a path without its slash", &to("healthz")),
        refused(
            section,
            "an absolute URI as path",
            &to("https://localhost/healthz"),
        ),
        refused(section, "an asterisk for GET", &to("*")),
        refused(section, "a space in the path", &to("/a b")),
        refused(section, "NUL in the path", &to("/a\0b")),
        refused(section, "a line break in the path", &to("/a\r\nx: y")),
        refused(
            section,
            "an empty scheme",
            &of("GET", "", Some("localhost"), "/healthz"),
        ),
        refused(
            section,
            "a scheme with a space",
            &of("GET", "ht tp", Some("localhost"), "/healthz"),
        ),
        refused(
            section,
            "an empty method",
            &of("", "https", Some("localhost"), "/healthz"),
        ),
        refused(
            section,
            "a method with a space",
            &of("GET /", "https", Some("localhost"), "/healthz"),
        ),
    ]
}

fn authorities() -> Vec<Case> {
    let section = "RFC 9113 §8.3.1";
    let at = |authority| of("GET", "https", Some(authority), "/healthz");
    let with_host = |host| {
        [
            of("GET", "https", None, "/healthz"),
            block(&[("host", host)]),
        ]
        .concat()
    };
    vec![
        refused(
            section,
            "neither :authority nor Host",
            &of("GET", "https", None, "/healthz"),
        ),
        refused(section, "an empty authority", &at("")),
        refused(
            section,
            "user information in the authority",
            &at("user@localhost"),
        ),
        refused(
            section,
            "user and password in the authority",
            &at("user:secret@localhost"),
        ),
        refused(section, "a path in the authority", &at("localhost/x")),
        refused(section, "a space in the authority", &at("local host")),
        // A reg-name may hold it (RFC 3986 §3.2.2).
        answered(
            section,
            "a comma in the authority",
            &at("localhost,example.org"),
            200,
        ),
        refused(
            section,
            "a Host that says something else",
            &get(&[("host", "example.org")]),
        ),
        refused(
            section,
            "two hosts",
            &get(&[("host", "localhost"), ("host", "localhost")]),
        ),
        answered(
            section,
            "a Host that says the same",
            &get(&[("host", "localhost")]),
            200,
        ),
        answered(
            section,
            "Host instead of :authority",
            &with_host("localhost"),
            200,
        ),
        refused(
            section,
            "an invalid Host instead of :authority",
            &with_host("a/b"),
        ),
        answered(
            section,
            "an asterisk for OPTIONS",
            &of("OPTIONS", "https", Some("localhost"), "*"),
            404,
        ),
    ]
}

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
        with(&length)
            .send(data(1, END_STREAM, body))
            .may(&[Status(200), Status(201)]),
        with("1").send(data(1, END_STREAM, body)).may(MALFORMED),
        with("1")
            .send(data(1, 0, b"{"))
            .send(data(1, END_STREAM, b"}"))
            .may(MALFORMED),
        with("100").send(data(1, END_STREAM, body)).may(MALFORMED),
        with("100")
            .send(data(1, 0, body))
            .send(data(1, END_STREAM, b""))
            .may(MALFORMED),
        with("100")
            .send(data(1, 0, body))
            .send(frame(
                kind::HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &block(&[("x-sum", "1")]),
            ))
            .may(MALFORMED),
        refused(
            section,
            "content-length of 1 without content",
            &post(&[("content-length", "1")]),
        ),
        refused(
            section,
            "content-length of 1 at a GET without content",
            &get(&[("content-length", "1")]),
        ),
        answered(
            section,
            "content-length of 0 at a GET",
            &get(&[("content-length", "0")]),
            200,
        ),
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
        open("trailers")
            .send(trailers(END_STREAM, &block(&[("x-sum", "1")])))
            .may(&[Status(200), Status(201)]),
        open("trailers that do not end the stream")
            .send(trailers(0, &block(&[("x-sum", "1")])))
            .may(MALFORMED),
        open("a pseudo-field in trailers")
            .send(trailers(END_STREAM, &block(&[(":method", "GET")])))
            .may(MALFORMED)
            .deviates(Status(201), PSEUDO_TRAILERS),
        open("a whole request as trailers")
            .send(trailers(END_STREAM, &get(&[])))
            .may(MALFORMED)
            .deviates(Status(201), PSEUDO_TRAILERS),
        open("upper case in trailers")
            .send(trailers(END_STREAM, &block(&[("X-Sum", "1")])))
            .may(MALFORMED),
        open("a connection-specific field in trailers")
            .send(trailers(END_STREAM, &block(&[("connection", "close")])))
            .may(MALFORMED),
        open("DATA behind trailers")
            .send(trailers(END_STREAM, &block(&[("x-sum", "1")])))
            .send(data(1, END_STREAM, b"x"))
            .may(&[
                Reset(super::wire::code::STREAM_CLOSED),
                Goaway(super::wire::code::STREAM_CLOSED),
            ])
            .deviates(Goaway(PROTOCOL_ERROR), super::streams::BEHIND_THE_END),
    ]
}

/// WebSockets (RFC 8441) and what else CONNECT may say (RFC 9113 §8.5).
fn connects() -> Vec<Case> {
    let section = "RFC 8441 §4";
    let of = |fields: &[(&str, &str)]| block(fields);
    let (connect, scheme) = ((":method", "CONNECT"), (":scheme", "https"));
    let (authority, path) = ((":authority", "localhost"), (":path", "/echo"));
    let (protocol, version) = ((":protocol", "websocket"), ("sec-websocket-version", "13"));
    let open = |what: &str, block: &[u8]| case(section, what).send(headers(1, 0, block));
    vec![
        open("a WebSocket", &websocket("/echo")).may(&[Status(200)]),
        open("a WebSocket where there is none", &websocket("/nowhere")).may(&[Status(404)]),
        open(
            ":protocol with GET",
            &of(&[(":method", "GET"), scheme, authority, path, protocol]),
        )
        .may(MALFORMED),
        open(
            ":protocol twice",
            &of(&[connect, scheme, authority, path, protocol, protocol]),
        )
        .may(MALFORMED),
        open(
            "no :scheme",
            &of(&[connect, authority, path, protocol, version]),
        )
        .may(MALFORMED),
        open(
            "no :path",
            &of(&[connect, scheme, authority, protocol, version]),
        )
        .may(MALFORMED),
        open(
            "no :authority",
            &of(&[connect, scheme, path, protocol, version]),
        )
        .may(MALFORMED),
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
        case("RFC 9113 §8.5", "CONNECT to another host")
            .send(headers(
                1,
                0,
                &of(&[connect, (":authority", "example.org:443")]),
            ))
            .may(&[
                Status(400),
                Status(404),
                Status(405),
                Status(426),
                Status(501),
            ]),
        case("RFC 9113 §8.5", "CONNECT with :scheme and :path")
            .send(headers(1, 0, &of(&[connect, scheme, authority, path])))
            .may(MALFORMED),
        case("RFC 9113 §8.5", "CONNECT without :authority")
            .send(headers(1, 0, &of(&[connect])))
            .may(MALFORMED),
    ]
}

/// Heads beyond 16 KiB (RFC 9113 §10.5.1).
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
            bytes.extend(super::wire::continuation(1, flags, piece));
        }
        bytes
    };
    let many: Vec<u8> = (0..101)
        .flat_map(|number| literal(format!("x-{number}").as_bytes(), b"1"))
        .collect();
    vec![
        case(section, "a field list of 18 KiB")
            .send(split(&block))
            .may(&[Status(431)]),
        case(section, "101 small fields")
            .send(split(&[get(&[]), many].concat()))
            .may(&[Status(431)]),
        case(section, "a path of 9,000 bytes")
            .send(headers(1, END_STREAM, &request("GET", &format!("/{long}"))))
            .may(&[Status(414)]),
        case(section, "a field list of a megabyte")
            .send(split(
                &[
                    get(&[]),
                    (0..120)
                        .flat_map(|_| literal(b"x-a", long.as_bytes()))
                        .collect(),
                ]
                .concat(),
            ))
            .may(&[
                Status(431),
                Goaway(ENHANCE_YOUR_CALM),
                Goaway(COMPRESSION_ERROR),
            ]),
    ]
}
