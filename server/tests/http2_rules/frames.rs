//! The preface, the format and size of frames, and each type's own rules (RFC 9113 §3.4, §4, §5.5, §6).

use super::case::Outcome::{Alive, Close, Goaway, Reset, Status};
use super::case::{Case, case, rule};
use super::wire::code::{COMPRESSION_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR};
use super::wire::{
    ACK, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY_FLAG, continuation, data, frame, get,
    headers, kind, lying_frame, ping, post, priority, rst_stream, settings, window_update,
};

pub fn cases() -> Vec<Case> {
    let mut cases = prefaces();
    cases.extend(formats());
    cases.extend(sizes());
    cases.extend(unknown());
    cases.extend(data_frames());
    cases.extend(header_frames());
    cases.extend(other_frames());
    cases.extend(continuations());
    cases
}

fn prefaces() -> Vec<Case> {
    let alone = |what: &str| case("RFC 9113 §3.4", what).without_preface();
    let mut cases = vec![
        case("RFC 9113 §3.4", "preface and SETTINGS").may(&[Alive]),
        alone("preface with a request right behind it")
            .send([PREFACE, &settings(&[]), &headers(1, END_STREAM, &get(&[]))].concat())
            .may(&[Status(200)]),
        alone("no SETTINGS behind the preface but a request")
            .send([PREFACE, &headers(1, END_STREAM, &get(&[]))].concat())
            .may(&[Goaway(PROTOCOL_ERROR), Close])
            .deviates(Status(200), "h2 does not ask for SETTINGS to come first"),
        alone("no SETTINGS behind the preface but PING")
            .send([PREFACE, &ping(0, [1; 8])].concat())
            .may(&[Goaway(PROTOCOL_ERROR), Close])
            .deviates(Alive, "h2 does not ask for SETTINGS to come first"),
        alone("HTTP/1.1 where h2 was agreed")
            .send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .may(&[Goaway(PROTOCOL_ERROR), Close]),
        alone("nothing of a preface")
            .send("INVALID CONNECTION PREFACE\r\n\r\n")
            .may(&[Goaway(PROTOCOL_ERROR), Close]),
        alone("SETTINGS without a preface")
            .send(settings(&[]))
            .may(&[Goaway(PROTOCOL_ERROR), Close])
            // Nine bytes are fewer than a preface: the rest of one must come.
            .send(settings(&[(1, 2), (3, 4), (5, 6)])),
    ];
    for at in [0, 3, 14, 17, 20, 23] {
        let mut preface = PREFACE.to_vec();
        preface[at] ^= 0x20;
        cases.push(
            alone(&format!("preface with byte {at} changed"))
                .send([&preface, &settings(&[])[..]].concat())
                .may(&[Goaway(PROTOCOL_ERROR), Close]),
        );
    }
    cases
}

#[rustfmt::skip]
fn formats() -> Vec<Case> {
    let mut cases = vec![
        rule("RFC 9113 §4.1", "reserved bit of a PING's stream identifier", frame(kind::PING, 0, 0x8000_0000, &[0; 8]), &[Alive]),
        rule("RFC 9113 §4.1", "reserved bit of a request's stream identifier", headers(0x8000_0001, END_STREAM, &get(&[])), &[Status(200)]),
        rule("RFC 9113 §4.1", "reserved bit of an increment", window_update(0, 0x8000_0001), &[Alive]),
    ];
    let undefined: [(&str, Vec<u8>); 5] = [
        ("PING", frame(kind::PING, 0xfe, 0, &[0; 8])),
        ("SETTINGS", frame(kind::SETTINGS, 0xfe, 0, &[])),
        ("WINDOW_UPDATE", frame(kind::WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1])),
        ("GOAWAY", frame(kind::GOAWAY, 0xff, 0, &[0; 8])),
        ("PRIORITY", frame(kind::PRIORITY, 0xff, 1, &[0, 0, 0, 0, 16])),
    ];
    for (name, bytes) in undefined {
        let alone = case("RFC 9113 §4.1", format!("undefined flags of {name}")).send(bytes);
        // A GOAWAY lets no new request begin that we would wait for.
        let alone = if name == "GOAWAY" {
            alone.without_probe()
        } else {
            alone
        };
        cases.push(
            alone
                .may(&[Alive])
                .may(if name == "GOAWAY" { &[Close] } else { &[] }),
        );
    }
    cases.push(
        rule("RFC 9113 §4.1", "undefined flags of HEADERS", frame(kind::HEADERS, 0xd2 | END_STREAM | END_HEADERS, 1, &get(&[])), &[Status(200)]),
    );
    cases
}

/// Lengths that a type cannot have, and frames beyond `SETTINGS_MAX_FRAME_SIZE`.
fn sizes() -> Vec<Case> {
    let mut cases = vec![
        case("RFC 9113 §4.2", "DATA of 16,384 bytes")
            .send(headers(1, 0, &post(&[])))
            .send(data(1, END_STREAM, &[b' '; 16_384]))
            // The body is no JSON.
            .may(&[Status(400), Status(422)]),
        case("RFC 9113 §4.2", "DATA of 16,385 bytes")
            .send(headers(1, 0, &post(&[])))
            .send(data(1, END_STREAM, &[b' '; 16_385]))
            .may(&[Reset(FRAME_SIZE_ERROR), Goaway(FRAME_SIZE_ERROR)]),
        rule(
            "RFC 9113 §4.2",
            "HEADERS of 16,385 bytes",
            headers(1, END_STREAM, &[0; 16_385]),
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        rule(
            "RFC 9113 §4.2",
            "a frame that says it has 16,777,215 bytes",
            lying_frame(kind::DATA, 0, 1, 0xff_ffff, &[0; 100]),
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        rule(
            "RFC 9113 §4.2",
            "unknown frame of 16,385 bytes",
            frame(0xee, 0, 0, &[0; 16_385]),
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
        rule(
            "RFC 9113 §4.2",
            "SETTINGS of 16,386 bytes",
            frame(kind::SETTINGS, 0, 0, &[0; 16_386]),
            &[Goaway(FRAME_SIZE_ERROR)],
        ),
    ];
    let generic = "h2 gives PROTOCOL_ERROR for lengths that a type cannot have; the connection ends all the same";
    let mut lengths = |section, name: &str, kind, stream, wrong: &[usize]| {
        for length in wrong {
            let bytes = frame(kind, 0, stream, &vec![0; *length]);
            cases.push(
                case(section, format!("{name} of {length} bytes"))
                    .send(bytes)
                    .may(&[Goaway(FRAME_SIZE_ERROR)])
                    .deviates(Goaway(PROTOCOL_ERROR), generic),
            );
        }
    };
    lengths("RFC 9113 §6.5", "SETTINGS", kind::SETTINGS, 0, &[1, 5, 7]);
    lengths("RFC 9113 §6.7", "PING", kind::PING, 0, &[0, 7, 9]);
    lengths("RFC 9113 §6.8", "GOAWAY", kind::GOAWAY, 0, &[0, 7]);
    lengths(
        "RFC 9113 §6.9",
        "WINDOW_UPDATE",
        kind::WINDOW_UPDATE,
        0,
        &[0, 3, 5],
    );
    lengths(
        "RFC 9113 §6.4",
        "RST_STREAM",
        kind::RST_STREAM,
        1,
        &[0, 3, 5],
    );
    cases.push(
        case("RFC 9113 §6.5", "acknowledged SETTINGS with a payload")
            .send(frame(kind::SETTINGS, ACK, 0, &[0; 6]))
            .may(&[Goaway(FRAME_SIZE_ERROR)])
            .deviates(Goaway(PROTOCOL_ERROR), generic),
    );
    for length in [0, 4, 6] {
        cases.push(
            case("RFC 9113 §6.3", format!("PRIORITY of {length} bytes"))
                .send(headers(1, 0, &post(&[])))
                .send(frame(kind::PRIORITY, 0, 1, &vec![0; length]))
                .may(&[Reset(FRAME_SIZE_ERROR), Goaway(FRAME_SIZE_ERROR)])
                .deviates(Goaway(PROTOCOL_ERROR), generic),
        );
    }
    cases
}

fn unknown() -> Vec<Case> {
    let mut cases: Vec<Case> = [0x0a, 0x0b, 0x0c, 0x10, 0x7f, 0xff]
        .into_iter()
        .map(|kind| {
            rule(
                "RFC 9113 §5.5",
                format!("frame of the unknown type {kind:#x}"),
                frame(kind, 0xff, 0, b"anything"),
                &[Alive],
            )
        })
        .collect();
    cases.push(
        case("RFC 9113 §5.5", "unknown frame on an open stream")
            .send(headers(1, 0, &post(&[])))
            .send(frame(0x0c, 0, 1, b"anything"))
            .may(&[Alive]),
    );
    cases.push(
        case("RFC 9113 §5.5", "unknown frame amid a header block")
            .send(frame(kind::HEADERS, END_STREAM, 1, &get(&[])))
            .send(frame(0x0c, 0, 1, b"anything"))
            .send(continuation(1, END_HEADERS, &[]))
            .may(&[Goaway(PROTOCOL_ERROR)]),
    );
    cases
}

#[rustfmt::skip]
fn data_frames() -> Vec<Case> {
    let open = |what: &str| case("RFC 9113 §6.1", what).send(headers(1, 0, &post(&[])));
    let body = br#"{"from":"rules","text":"hello"}"#;
    vec![
        open("a body in one DATA")
            .send(data(1, END_STREAM, body))
            .may(&[Status(200), Status(201)]),
        open("a body in single bytes")
            .send(
                body.iter()
                    .flat_map(|byte| data(1, 0, &[*byte]))
                    .collect::<Vec<_>>(),
            )
            .send(data(1, END_STREAM, &[]))
            .may(&[Status(200), Status(201)]),
        open("padding")
            .send(data(
                1,
                END_STREAM | PADDED,
                &[&[5], &body[..], &[0; 5]].concat(),
            ))
            .may(&[Status(200), Status(201)]),
        open("padding that is not zero")
            .send(data(
                1,
                END_STREAM | PADDED,
                &[&[5], &body[..], &[7; 5]].concat(),
            ))
            .may(&[Status(200), Status(201), Goaway(PROTOCOL_ERROR)]),
        open("nothing but padding, then the body")
            .send(data(1, PADDED, &[&[255][..], &[0; 255]].concat()))
            .send(data(1, END_STREAM, body))
            .may(&[Status(200), Status(201)]),
        open("padding as long as the payload")
            .send(data(1, END_STREAM | PADDED, &[6, 1, 2, 3, 4, 5]))
            .may(&[Goaway(PROTOCOL_ERROR)]),
        open("padding longer than the payload")
            .send(data(1, END_STREAM | PADDED, &[255, 1]))
            .may(&[Goaway(PROTOCOL_ERROR)]),
        open("PADDED without a length")
            .send(data(1, END_STREAM | PADDED, &[]))
            .may(&[Goaway(PROTOCOL_ERROR), Goaway(FRAME_SIZE_ERROR)]),
        rule("RFC 9113 §6.1", "DATA on stream 0", data(0, END_STREAM, b"x"), &[Goaway(PROTOCOL_ERROR)]),
    ]
}

#[rustfmt::skip]
fn header_frames() -> Vec<Case> {
    let section = "RFC 9113 §6.2";
    let padded = |length: u8, padding: usize| {
        let payload = [vec![length], get(&[]), vec![0; padding]].concat();
        headers(1, END_STREAM | PADDED, &payload)
    };
    let with_priority = |dependency: u32| {
        let payload = [dependency.to_be_bytes().to_vec(), vec![255], get(&[])].concat();
        headers(1, END_STREAM | PRIORITY_FLAG, &payload)
    };
    vec![
        rule(section, "padding", padded(9, 9), &[Status(200)]),
        rule(section, "priority", with_priority(0), &[Status(200)]),
        rule(section, "exclusive priority", with_priority(0x8000_0000), &[Status(200)]),
        rule(section, "padding and priority", headers(1, END_STREAM | PADDED | PRIORITY_FLAG, &[vec![2, 0, 0, 0, 3, 16], get(&[]), vec![0; 2]].concat()), &[Status(200)]),
        // RFC 7540 §5.3.1 forbade it; RFC 9113 has no word about it any more.
        rule("RFC 7540 §5.3.1", "HEADERS that depend on themselves", with_priority(1), &[Status(200), Reset(PROTOCOL_ERROR), Goaway(PROTOCOL_ERROR)]),
        rule(section, "padding longer than the payload", headers(1, END_STREAM | PADDED, &[200, 0x82, 0x87]), &[Goaway(PROTOCOL_ERROR)]),
        rule(section, "PADDED without a length", headers(1, END_STREAM | PADDED, &[]), &[Goaway(PROTOCOL_ERROR), Goaway(FRAME_SIZE_ERROR)]),
        rule(section, "PRIORITY without its five bytes", headers(1, END_STREAM | PRIORITY_FLAG, &[0, 0, 0]), &[Goaway(PROTOCOL_ERROR), Goaway(FRAME_SIZE_ERROR)]),
        rule(section, "HEADERS on stream 0", headers(0, END_STREAM, &get(&[])), &[Goaway(PROTOCOL_ERROR)]),
        case("RFC 9113 §4.3", "a header block that cannot be read")
            .send(headers(1, END_STREAM, &[0x82, 0x87, 0x84, 0x41, 0x7f]))
            .may(&[Goaway(COMPRESSION_ERROR)]).deviates(Goaway(PROTOCOL_ERROR), "h2 gives PROTOCOL_ERROR where a header block cannot be read; the connection ends all the same"),
    ]
}

#[rustfmt::skip]
fn other_frames() -> Vec<Case> {
    let mut cases = vec![
        rule("RFC 9113 §6.3", "PRIORITY on stream 0", priority(0, 1, 16), &[Goaway(PROTOCOL_ERROR)]),
        case("RFC 9113 §6.3", "PRIORITY of a stream that is idle")
            .send(priority(1, 0, 255))
            .send(headers(1, END_STREAM, &get(&[])))
            .may(&[Status(200)]),
        case("RFC 9113 §6.3", "PRIORITY of a later stream, then an earlier request")
        .send(priority(9, 0, 0))
        .send(headers(1, END_STREAM, &get(&[])))
        .may(&[Status(200)]),
        case("RFC 9113 §6.3", "PRIORITY of a stream that is closed")
            .send(headers(1, END_STREAM, &get(&[])))
            .answered(1)
            .send(priority(1, 0, 16))
            .may(&[Alive]),
        rule("RFC 9113 §6.3", "PRIORITY of a stream of ours", priority(2, 0, 16), &[Alive]),
        case("RFC 7540 §5.3.1", "PRIORITY that depends on itself")
            .send(headers(1, 0, &post(&[])))
            .send(priority(1, 1, 16))
            .may(&[Alive, Reset(PROTOCOL_ERROR), Goaway(PROTOCOL_ERROR)]),
        rule("RFC 9113 §6.4", "RST_STREAM on stream 0", rst_stream(0, NO_ERROR), &[Goaway(PROTOCOL_ERROR)]),
        case("RFC 9113 §7", "RST_STREAM with an unknown code")
            .send(headers(1, 0, &post(&[])))
            .send(rst_stream(1, 0xff))
            .may(&[Alive]),
        case("RFC 9113 §8.4", "PUSH_PROMISE from a client")
            .send(headers(1, 0, &post(&[])))
            .send(frame(
                kind::PUSH_PROMISE,
                END_HEADERS,
                1,
                &[vec![0, 0, 0, 2], get(&[])].concat(),
            ))
            .may(&[Goaway(PROTOCOL_ERROR)]),
        rule("RFC 9113 §6.6", "PUSH_PROMISE on stream 0", frame(kind::PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2]), &[Goaway(PROTOCOL_ERROR)]),
    ];
    let streamless: [(&str, &str, Vec<u8>); 4] = [
        ("RFC 9113 §6.5", "SETTINGS", frame(kind::SETTINGS, 0, 1, &[])),
        ("RFC 9113 §6.5", "acknowledged SETTINGS", frame(kind::SETTINGS, ACK, 1, &[])),
        ("RFC 9113 §6.7", "PING", frame(kind::PING, 0, 1, &[0; 8])),
        ("RFC 9113 §6.8", "GOAWAY", frame(kind::GOAWAY, 0, 1, &[0; 8])),
    ];
    for (section, name, bytes) in streamless {
        cases.push(
            case(section, format!("{name} on a stream"))
                .send(headers(1, 0, &post(&[])))
                .send(bytes)
                .may(&[Goaway(PROTOCOL_ERROR)]),
        );
    }
    cases
}

/// Header blocks in several frames (RFC 9113 §4.3, §6.10).
#[rustfmt::skip]
fn continuations() -> Vec<Case> {
    let section = "RFC 9113 §6.10";
    let begin = || frame(kind::HEADERS, END_STREAM, 1, &get(&[]));
    let in_pieces = |size: usize| {
        let block = get(&[]);
        let mut pieces = block.chunks(size);
        let mut bytes = frame(kind::HEADERS, END_STREAM, 1, pieces.next().unwrap());
        for piece in pieces {
            bytes.extend(continuation(1, 0, piece));
        }
        bytes.extend(continuation(1, END_HEADERS, &[]));
        bytes
    };
    let mut cases: Vec<Case> = [50, 20]
        .into_iter()
        .map(|size| {
            rule(section, format!("a block in pieces of {size} bytes"), in_pieces(size), &[Status(200)])
        })
        .collect();
    cases.push(
        case(section, "empty HEADERS, the block in CONTINUATION")
            .send(frame(kind::HEADERS, END_STREAM, 1, &[]))
            .send(continuation(1, END_HEADERS, &get(&[])))
            .may(&[Status(200)]),
    );
    let between: [(&str, Vec<u8>); 10] = [
        ("DATA", data(1, END_STREAM, b"x")),
        ("HEADERS of the same stream", headers(1, END_STREAM, &get(&[]))),
        ("HEADERS of another stream", headers(3, END_STREAM, &get(&[]))),
        ("PRIORITY", priority(1, 0, 16)),
        ("RST_STREAM", rst_stream(1, NO_ERROR)),
        ("SETTINGS", settings(&[])),
        ("PING", ping(0, [0; 8])),
        ("GOAWAY", frame(kind::GOAWAY, 0, 0, &[0; 8])),
        ("WINDOW_UPDATE", window_update(0, 1)),
        ("CONTINUATION of another stream", continuation(3, END_HEADERS, &[])),
    ];
    for (name, bytes) in between {
        cases.push(
            case("RFC 9113 §4.3", format!("{name} amid a header block"))
                .send(begin())
                .send(bytes)
                .may(&[Goaway(PROTOCOL_ERROR)]),
        );
    }
    let strays: [(&str, Vec<u8>); 5] = [
        ("on stream 0", continuation(0, END_HEADERS, &get(&[]))),
        ("first of all", continuation(1, END_HEADERS, &get(&[]))),
        ("behind END_HEADERS", [headers(1, 0, &post(&[])), continuation(1, END_HEADERS, &[])].concat()),
        (
            "behind END_HEADERS of a CONTINUATION",
            [
                frame(kind::HEADERS, 0, 1, &post(&[])),
                continuation(1, END_HEADERS, &[]),
                continuation(1, END_HEADERS, &[]),
            ]
            .concat(),
        ),
        ("behind DATA", [headers(1, 0, &post(&[])), data(1, 0, b"x"), continuation(1, END_HEADERS, &[])].concat()),
    ];
    for (what, bytes) in strays {
        cases.push(rule(section, format!("CONTINUATION {what}"), bytes, &[Goaway(PROTOCOL_ERROR)]));
    }
    cases
}
