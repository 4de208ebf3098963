//! SETTINGS and their acknowledgement, PING, GOAWAY (RFC 9113 §6.5, §6.7, §6.8; RFC 8441 §3).

use super::case::Outcome::{Alive, Close, Goaway, Status};
use super::case::{Case, case, rule};
use super::wire::code::{FLOW_CONTROL_ERROR, PROTOCOL_ERROR};
use super::wire::setting::{
    ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE,
};
use super::wire::{ACK, END_STREAM, Frame, frame, get, goaway, headers, kind, ping, settings};

pub fn cases() -> Vec<Case> {
    let mut cases = values();
    cases.extend(acknowledgements());
    cases.extend(pings());
    cases.extend(goaways());
    cases
}

#[rustfmt::skip]
fn values() -> Vec<Case> {
    let section = "RFC 9113 §6.5.2";
    let wrong = [
        ("ENABLE_PUSH", ENABLE_PUSH, 2, PROTOCOL_ERROR),
        ("ENABLE_PUSH", ENABLE_PUSH, u32::MAX, PROTOCOL_ERROR),
        ("INITIAL_WINDOW_SIZE", INITIAL_WINDOW_SIZE, 0x8000_0000, FLOW_CONTROL_ERROR),
        ("INITIAL_WINDOW_SIZE", INITIAL_WINDOW_SIZE, u32::MAX, FLOW_CONTROL_ERROR),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, 0, PROTOCOL_ERROR),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, 16_383, PROTOCOL_ERROR),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, 16_777_216, PROTOCOL_ERROR),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, u32::MAX, PROTOCOL_ERROR),
        ("ENABLE_CONNECT_PROTOCOL", ENABLE_CONNECT_PROTOCOL, 2, PROTOCOL_ERROR),
    ];
    let mut cases: Vec<Case> = wrong
        .into_iter()
        .map(|(name, identifier, value, code)| {
            let wrong = rule(section, format!("{name} of {value}"), settings(&[(identifier, value)]), &[Goaway(code)]);
            if code == FLOW_CONTROL_ERROR {
                let reason = "h2 gives PROTOCOL_ERROR for it; the connection ends all the same";
                wrong.deviates(Goaway(PROTOCOL_ERROR), reason)
            } else {
                wrong
            }
        })
        .collect();
    let right = [
        ("HEADER_TABLE_SIZE", HEADER_TABLE_SIZE, 0),
        ("HEADER_TABLE_SIZE", HEADER_TABLE_SIZE, 65_536),
        ("ENABLE_PUSH", ENABLE_PUSH, 0),
        ("ENABLE_PUSH", ENABLE_PUSH, 1),
        ("MAX_CONCURRENT_STREAMS", MAX_CONCURRENT_STREAMS, 0),
        ("MAX_CONCURRENT_STREAMS", MAX_CONCURRENT_STREAMS, u32::MAX),
        ("INITIAL_WINDOW_SIZE", INITIAL_WINDOW_SIZE, 0),
        ("INITIAL_WINDOW_SIZE", INITIAL_WINDOW_SIZE, 0x7fff_ffff),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, 16_384),
        ("MAX_FRAME_SIZE", MAX_FRAME_SIZE, 16_777_215),
        ("MAX_HEADER_LIST_SIZE", MAX_HEADER_LIST_SIZE, u32::MAX),
        ("ENABLE_CONNECT_PROTOCOL", ENABLE_CONNECT_PROTOCOL, 1),
        ("an unknown setting", 0x07, 1),
        ("an unknown setting", 0xff, 1),
        ("a setting reserved for grease", 0x0a0a, u32::MAX),
    ];
    cases.extend(right.into_iter().map(|(name, identifier, value)| {
        rule(section, format!("{name} of {value}"), settings(&[(identifier, value)]), &[Alive])
    }));
    cases
}

#[rustfmt::skip]
fn acknowledgements() -> Vec<Case> {
    let section = "RFC 9113 §6.5.3";
    vec![
        case(section, "each SETTINGS is acknowledged")
            .send(settings(&[]))
            .send(settings(&[(MAX_HEADER_LIST_SIZE, 100_000)]))
            .send(settings(&[(0xff, 1)]))
            .may(&[Alive])
            .check(|frames| acknowledged(frames, 4)),
        case(section, "SETTINGS with the same setting twice: the last counts")
        .send(settings(&[
            (INITIAL_WINDOW_SIZE, 100),
            (INITIAL_WINDOW_SIZE, 1),
        ]))
        .send(headers(1, END_STREAM, &super::wire::request("GET", "/")))
        .head(1)
        .may(&[Alive])
        .check(|frames| {
            let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
            let on_first = data.filter(|frame| frame.stream == 1);
            match on_first.map(|frame| frame.payload.len()).sum() {
                1_usize => Ok(()),
                bytes => Err(format!("{bytes} bytes, 1 expected")),
            }
        }),
        rule(
            section,
            "an acknowledgement that nothing was sent for",
            frame(kind::SETTINGS, ACK, 0, &[]),
            &[Alive, Goaway(PROTOCOL_ERROR)],
        ),
        case(section, "the server's SETTINGS allow WebSockets and bound streams and heads")
        .may(&[Alive])
        .check(|frames| {
            let first = frames
                .iter()
                .find(|frame| frame.kind == kind::SETTINGS)
                .unwrap();
            let values: Vec<(u16, u32)> = first
                .payload
                .chunks(6)
                .map(|raw| {
                    let identifier = u16::from_be_bytes(raw[..2].try_into().unwrap());
                    (identifier, u32::from_be_bytes(raw[2..].try_into().unwrap()))
                })
                .collect();
            let wanted = [
                (ENABLE_CONNECT_PROTOCOL, 1),
                (MAX_CONCURRENT_STREAMS, 100),
                (MAX_HEADER_LIST_SIZE, 16_384),
            ];
            if wanted.iter().all(|wanted| values.contains(wanted)) {
                Ok(())
            } else {
                Err(format!("{values:?}"))
            }
        }),
    ]
}

/// Checks that so many of our SETTINGS were acknowledged, those of the preface included.
fn acknowledged(frames: &[Frame], wanted: usize) -> Result<(), String> {
    let ours = |frame: &&Frame| frame.kind == kind::SETTINGS && frame.flags & ACK != 0;
    match frames.iter().filter(ours).count() {
        count if count == wanted => Ok(()),
        count => Err(format!("{count} acknowledgements, {wanted} expected")),
    }
}

fn pings() -> Vec<Case> {
    let section = "RFC 9113 §6.7";
    vec![
        case(section, "PING is answered with the same bytes")
            .send(ping(0, *b"\x00h2\xffspec"))
            .may(&[Alive])
            .check(|frames| answered(frames, *b"\x00h2\xffspec", 1)),
        case(section, "an answer to no PING is not answered")
            .send(ping(ACK, *b"not mine"))
            .may(&[Alive])
            .check(|frames| answered(frames, *b"not mine", 0)),
        case(section, "PINGs one after the other are each answered")
            .send(ping(0, *b"first of"))
            .settle()
            .send(ping(0, *b"two ping"))
            .may(&[Alive])
            .check(|frames| answered(frames, *b"first of", 1))
            .check(|frames| answered(frames, *b"two ping", 1)),
        case(section, "PING while a response waits for its window")
            .with_settings(&[(INITIAL_WINDOW_SIZE, 0)])
            .send(headers(1, END_STREAM, &get(&[])))
            .head(1)
            .send(ping(0, *b"in front"))
            .may(&[Alive])
            .check(|frames| answered(frames, *b"in front", 1)),
    ]
}

/// Checks that `payload` was answered so many times.
fn answered(frames: &[Frame], payload: [u8; 8], wanted: usize) -> Result<(), String> {
    let pongs = frames.iter().filter(|frame| frame.kind == kind::PING);
    match pongs
        .filter(|frame| frame.flags & ACK != 0 && frame.payload == payload)
        .count()
    {
        count if count == wanted => Ok(()),
        count => Err(format!("{count} answers, {wanted} expected")),
    }
}

fn goaways() -> Vec<Case> {
    let section = "RFC 9113 §6.8";
    let mut cases: Vec<Case> = [0, 2, 0xff, u32::MAX]
        .into_iter()
        .map(|code| {
            case(section, format!("GOAWAY with the code {code:#x}"))
                .send(goaway(0, code))
                .without_probe()
                .may(&[Alive, Close, Goaway(code)])
        })
        .collect();
    cases.push(
        case(section, "GOAWAY with further data")
            .send(frame(
                kind::GOAWAY,
                0,
                0,
                &[&[0; 8], &b"the reason"[..]].concat(),
            ))
            .without_probe()
            .may(&[Alive, Close]),
    );
    cases.push(
        case(section, "a second GOAWAY that allows more than the first")
            .send(goaway(1, 0))
            .send(goaway(3, 0))
            .without_probe()
            .may(&[Alive, Close, Goaway(PROTOCOL_ERROR)]),
    );
    cases.push(
        case(section, "a request in front of GOAWAY is answered")
            .send(headers(1, END_STREAM, &get(&[])))
            .send(goaway(0, 0))
            .last()
            .may(&[Status(200)]),
    );
    cases
}
