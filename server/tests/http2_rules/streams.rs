//! Streams: their states, their identifiers and their number (RFC 9113 §5.1).

use super::case::Outcome::{self, Alive, Goaway, Reset, Status};
use super::case::{Case, case, rule};
use super::wire::code::{CANCEL, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED};
use super::wire::{
    END_HEADERS, END_STREAM, continuation, data, frame, get, goaway, headers, kind, post, priority,
    rst_stream, websocket, window_update,
};

/// Reason why DATA and HEADERS after `END_STREAM` are answered otherwise than the RFC asks.
pub const BEHIND_THE_END: &str = "h2 ends the connection with PROTOCOL_ERROR where the stream alone should be reset with STREAM_CLOSED";

pub fn cases() -> Vec<Case> {
    let mut cases = idle();
    cases.extend(half_closed());
    cases.extend(closed());
    cases.extend(identifiers());
    cases.extend(numbers());
    cases
}

#[rustfmt::skip]
fn idle() -> Vec<Case> {
    let section = "RFC 9113 §5.1";
    let frames: [(&str, Vec<u8>); 4] = [
        ("DATA", data(1, END_STREAM, b"x")),
        ("RST_STREAM", rst_stream(1, CANCEL)),
        ("WINDOW_UPDATE", window_update(1, 100)),
        ("CONTINUATION", continuation(1, END_HEADERS, &get(&[]))),
    ];
    let mut cases: Vec<Case> = frames
        .into_iter()
        .map(|(name, bytes)| {
            rule(section, format!("{name} on an idle stream"), bytes, &[Goaway(PROTOCOL_ERROR)])
        })
        .collect();
    cases.push(
        rule(section, "PRIORITY on an idle stream", priority(1, 0, 1), &[Alive]),
    );
    for (name, bytes) in [
        ("DATA", data(2, 0, b"x")),
        ("RST_STREAM", rst_stream(2, CANCEL)),
        ("WINDOW_UPDATE", window_update(2, 1)),
    ] {
        cases.push(
            rule(section, format!("{name} on an idle stream of the server's"), bytes, &[Goaway(PROTOCOL_ERROR)]),
        );
    }
    cases
}

/// After `END_STREAM`, while the server still answers.
#[rustfmt::skip]
fn half_closed() -> Vec<Case> {
    let section = "RFC 9113 §5.1";
    let open = |what: &str| {
        // The response to this is larger than its window, so the stream cannot end.
        case(section, what)
            .with_settings(&[(super::wire::setting::INITIAL_WINDOW_SIZE, 1)])
            .send(headers(1, END_STREAM, &super::wire::request("GET", "/")))
            .head(1)
    };
    let closed = &[Reset(STREAM_CLOSED), Goaway(STREAM_CLOSED)];
    vec![
        open("DATA behind END_STREAM")
            .send(data(1, END_STREAM, b"x"))
            .may(closed)
            .deviates(Goaway(PROTOCOL_ERROR), BEHIND_THE_END),
        open("HEADERS behind END_STREAM")
            .send(headers(1, END_STREAM, &get(&[])))
            .may(closed)
            .deviates(Goaway(PROTOCOL_ERROR), BEHIND_THE_END),
        open("CONTINUATION behind END_STREAM")
            .send(continuation(1, END_HEADERS, &get(&[])))
            // It follows no HEADERS either.
            .may(closed)
            .may(&[Goaway(PROTOCOL_ERROR)]),
        open("WINDOW_UPDATE behind END_STREAM").send(window_update(1, 100)).may(&[Alive]),
        open("PRIORITY behind END_STREAM").send(priority(1, 0, 1)).may(&[Alive]),
        open("RST_STREAM behind END_STREAM").send(rst_stream(1, CANCEL)).may(&[Alive]),
    ]
}

#[rustfmt::skip]
fn closed() -> Vec<Case> {
    let section = "RFC 9113 §5.1";
    let done = |what: &str| {
        case(section, what)
            .send(headers(1, END_STREAM, &get(&[])))
            .answered(1)
            .settle()
    };
    let reset = |what: &str| {
        case(section, what)
            .send(headers(1, 0, &post(&[])))
            .send(rst_stream(1, CANCEL))
            .settle()
    };
    let closed = &[Reset(STREAM_CLOSED), Goaway(STREAM_CLOSED)];
    // It may also be taken for a stream that is smaller than one seen (§5.1.1).
    let headers_behind: &[Outcome] = &[
        Reset(STREAM_CLOSED),
        Goaway(STREAM_CLOSED),
        Goaway(PROTOCOL_ERROR),
    ];
    let late = || {
        [
            ("DATA", data(1, END_STREAM, b"x"), &closed[..]),
            ("HEADERS", headers(1, END_STREAM, &get(&[])), headers_behind),
            (
                "CONTINUATION",
                continuation(1, END_HEADERS, &get(&[])),
                headers_behind,
            ),
            ("WINDOW_UPDATE", window_update(1, 100), &[Alive]),
            ("RST_STREAM", rst_stream(1, CANCEL), &[Alive]),
        ]
    };
    let mut cases = Vec::new();
    for (name, frame, allowed) in late() {
        let what = format!("{name} on a stream that has ended");
        cases.push(done(&what).send(frame).may(allowed));
    }
    cases.push(done("PRIORITY on a stream that has ended").send(priority(1, 0, 1)).may(&[Alive]));
    for (name, frame, allowed) in late() {
        let what = format!("{name} on a stream that we have reset");
        cases.push(reset(&what).send(frame).may(allowed).may(closed));
    }
    cases.push(
        // The RST_STREAM crosses what we have sent before we saw it.
        case("RFC 9113 §5.4.2", "DATA on a stream that the server has reset")
        .send(headers(1, 0, &super::wire::request("GET", "/healthz")))
        .answered(1)
        .send(data(1, 0, b"x"))
        .send(data(1, 0, b"x"))
        .may(&[Alive, Reset(STREAM_CLOSED)]),
    );
    cases
}

fn identifiers() -> Vec<Case> {
    let section = "RFC 9113 §5.1.1";
    let mut cases: Vec<Case> = [2, 4, 0x7fff_fffe]
        .into_iter()
        .map(|stream| {
            rule(
                section,
                format!("a request on the even stream {stream}"),
                headers(stream, END_STREAM, &get(&[])),
                &[Goaway(PROTOCOL_ERROR)],
            )
        })
        .collect();
    cases.push(
        case(section, "a request on a smaller stream than the last")
            .send(headers(5, END_STREAM, &get(&[])))
            .answered(5)
            .send(headers(3, END_STREAM, &get(&[])))
            .watching(3)
            .may(&[
                Goaway(PROTOCOL_ERROR),
                Goaway(STREAM_CLOSED),
                Reset(STREAM_CLOSED),
            ]),
    );
    cases.push(
        case(section, "DATA on a stream that was passed over")
            .send(headers(5, END_STREAM, &get(&[])))
            .answered(5)
            .send(data(3, END_STREAM, b"x"))
            .watching(3)
            .may(&[
                Goaway(PROTOCOL_ERROR),
                Goaway(STREAM_CLOSED),
                Reset(STREAM_CLOSED),
            ]),
    );
    cases.push(
        case(section, "streams with gaps between them")
            .send(headers(1, END_STREAM, &get(&[])))
            .send(headers(77, END_STREAM, &get(&[])))
            .watching(77)
            .may(&[Status(200)]),
    );
    cases.push(
        case(section, "the last stream that there is")
            .send(headers(0x7fff_ffff, END_STREAM, &get(&[])))
            .watching(0x7fff_ffff)
            .without_probe()
            .may(&[Status(200)]),
    );
    cases.push(
        case(section, "a request behind the last stream that there is")
            .send(headers(0x7fff_ffff, END_STREAM, &get(&[])))
            .answered(0x7fff_ffff)
            .send(headers(1, END_STREAM, &get(&[])))
            .may(&[
                Goaway(PROTOCOL_ERROR),
                Goaway(STREAM_CLOSED),
                Reset(STREAM_CLOSED),
            ]),
    );
    cases
}

#[rustfmt::skip]
fn numbers() -> Vec<Case> {
    let many = |count: u32| -> Vec<u8> {
        (0..count)
            .flat_map(|number| headers(2 * number + 1, 0, &post(&[])))
            .collect()
    };
    let refused = &[
        Reset(REFUSED_STREAM),
        Reset(PROTOCOL_ERROR),
        Goaway(PROTOCOL_ERROR),
    ];
    vec![
        case("RFC 9113 §5.1.2", "as many streams as are allowed, one of them ended")
        .send(many(100))
        .send(rst_stream(1, CANCEL))
        .may(&[Alive]),
        case("RFC 9113 §5.1.2", "one stream more than are allowed")
            .send(many(101))
            .watching(201)
            .without_probe()
            .may(refused),
        case("RFC 9113 §5.1.2", "a WebSocket more than streams are allowed")
        .send(many(100))
        .send(headers(201, 0, &websocket("/echo")))
        .watching(201)
        .without_probe()
        .may(refused),
        case("RFC 9113 §5.1.2", "streams that are reset count no more")
            .send(
                (0..150_u32)
                    .flat_map(|number| {
                        let stream = 2 * number + 1;
                        [headers(stream, 0, &post(&[])), rst_stream(stream, CANCEL)].concat()
                    })
                    .collect::<Vec<_>>(),
            )
            // Fewer than what h2 takes for an attack (RFC 9113 §10.5).
            .may(&[Alive, Goaway(super::wire::code::ENHANCE_YOUR_CALM)]),
        case("RFC 9113 §6.8", "a request goes on behind our GOAWAY")
            .send(headers(1, 0, &post(&[])))
            .settle()
            .send(goaway(0, 0))
            .send(data(1, END_STREAM, br#"{"from":"rules","text":"late"}"#))
            .last()
            .may(&[Status(200), Status(201)]),
        case("RFC 9113 §5.1", "trailers end a stream")
            .send(headers(1, 0, &post(&[])))
            .send(data(1, 0, br#"{"from":"rules","text":"with trailers"}"#))
            .send(frame(
                kind::HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &super::wire::block(&[("x-checksum", "1")]),
            ))
            .may(&[Status(200), Status(201)]),
    ]
}
