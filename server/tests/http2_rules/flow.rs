//! Flow control both ways (RFC 9113 §5.2, §6.9).

use super::case::Outcome::{Alive, Goaway, Reset, Status};
use super::case::{Case, case, rule};
use super::wire::code::{FLOW_CONTROL_ERROR, PROTOCOL_ERROR};
use super::wire::setting::INITIAL_WINDOW_SIZE;
use super::wire::{
    END_STREAM, Frame, data, get, headers, kind, post, request, settings, websocket, window_update,
};

/// Largest window (RFC 9113 §6.9.1).
const LARGEST: u32 = 0x7fff_ffff;

pub fn cases() -> Vec<Case> {
    let mut cases = increments();
    cases.extend(sending());
    cases.extend(changes());
    cases.extend(receiving());
    cases
}

#[rustfmt::skip]
fn increments() -> Vec<Case> {
    let open = |what: &str| case("RFC 9113 §6.9", what).send(headers(1, 0, &post(&[])));
    let overflow = |what: &str| case("RFC 9113 §6.9.1", what).send(headers(1, 0, &post(&[])));
    vec![
        rule("RFC 9113 §6.9", "increment of 0 for the connection", window_update(0, 0), &[Goaway(PROTOCOL_ERROR)]),
        open("increment of 0 for a stream")
            .send(window_update(1, 0))
            .may(&[Reset(PROTOCOL_ERROR), Goaway(PROTOCOL_ERROR)]),
        open("increments for stream and connection").send(window_update(0, 1)).send(window_update(1, 1)).may(&[Alive]),
        overflow("the connection's window up to its largest").send(window_update(0, LARGEST - 65_535)).may(&[Alive]),
        overflow("the connection's window beyond its largest")
            .send(window_update(0, LARGEST))
            .may(&[Goaway(FLOW_CONTROL_ERROR)]),
        overflow("the connection's window beyond its largest in two steps")
            .send(window_update(0, LARGEST - 65_535))
            .send(window_update(0, 1))
            .may(&[Goaway(FLOW_CONTROL_ERROR)]),
        overflow("a stream's window up to its largest").send(window_update(1, LARGEST - 65_535)).may(&[Alive]),
        overflow("a stream's window beyond its largest")
            .send(window_update(1, LARGEST))
            .may(&[Reset(FLOW_CONTROL_ERROR), Goaway(FLOW_CONTROL_ERROR)]),
        overflow("a stream's window beyond its largest in two steps")
            .send(window_update(1, LARGEST - 65_535))
            .send(window_update(1, 1))
            .may(&[Reset(FLOW_CONTROL_ERROR), Goaway(FLOW_CONTROL_ERROR)]),
    ]
}

/// The lengths of the DATA on stream 1.
fn lengths(frames: &[Frame]) -> Vec<usize> {
    let data = frames
        .iter()
        .filter(|frame| frame.kind == kind::DATA && frame.stream == 1);
    data.map(|frame| frame.payload.len()).collect()
}

/// Checks that the server has sent `wanted` bytes on stream 1.
fn sent(frames: &[Frame], wanted: usize) -> Result<(), String> {
    match lengths(frames).iter().sum::<usize>() {
        bytes if bytes == wanted => Ok(()),
        bytes => Err(format!("{bytes} bytes came, {wanted} expected")),
    }
}

/// Cases of the server's data for our windows: the page at `/` has some kilobytes.
#[rustfmt::skip]
fn sending() -> Vec<Case> {
    let page = || headers(1, END_STREAM, &request("GET", "/"));
    let window = |bytes: u32, what: &str| {
        case("RFC 9113 §6.9.1", what)
            .with_settings(&[(INITIAL_WINDOW_SIZE, bytes)])
            .send(page())
            .head(1)
    };
    let opened = |what: &str| case("RFC 9113 §6.9.2", what).send(page()).head(1).settle();
    vec![
        window(1, "a window of one byte").may(&[Alive]).check(|frames| sent(frames, 1)),
        window(0, "no window at all").may(&[Alive]).check(|frames| sent(frames, 0)),
        window(1, "a window that grows by one byte, three times")
            .send(window_update(1, 1))
            .send(window_update(1, 1))
            .send(window_update(1, 1))
            .settle()
            .may(&[Alive])
            .check(|frames| sent(frames, 4)),
        window(0, "a window that opens at last").send(window_update(1, 100_000)).answered(1).may(&[Alive]),
        window(0, "a window of the connection alone is not enough")
            .send(window_update(0, 100_000))
            .settle()
            .may(&[Alive])
            .check(|frames| sent(frames, 0)),
        window(100, "no DATA is longer than MAX_FRAME_SIZE")
            .send(window_update(1, 1_000_000))
            .answered(1)
            .may(&[Alive])
            .check(|frames| match lengths(frames).iter().max() {
                Some(..=16_384) => Ok(()),
                longest => Err(format!("{longest:?}")),
            }),
        opened("a response without limits of ours").may(&[Alive]),
        // 65,535 bytes are all that the connection gives: 20 streams of 4 KiB and more cannot end.
        case("RFC 9113 §6.9.1", "the connection's window bounds all streams together")
        .with_settings(&[(INITIAL_WINDOW_SIZE, 1_000_000)])
        .send(
            (0..40_u32)
                .flat_map(|number| {
                    headers(2 * number + 1, END_STREAM, &request("GET", "/workbench.js"))
                })
                .collect::<Vec<_>>(),
        )
        .head(79)
        .settle()
        .without_probe()
        .may(&[Alive])
        .check(|frames| {
            let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
            match data.map(|frame| frame.payload.len()).sum() {
                65_535_usize => Ok(()),
                bytes => Err(format!("{bytes} bytes came, 65,535 expected")),
            }
        }),
    ]
}

/// `SETTINGS_INITIAL_WINDOW_SIZE` changed while streams are open (RFC 9113 §6.9.2).
#[rustfmt::skip]
fn changes() -> Vec<Case> {
    let section = "RFC 9113 §6.9.2";
    let page = |window: u32, what: &str| {
        case(section, what)
            .with_settings(&[(INITIAL_WINDOW_SIZE, window)])
            .send(headers(1, END_STREAM, &request("GET", "/")))
            .head(1)
    };
    vec![
        page(0, "a larger initial window holds for open streams too")
            .settle()
            .send(settings(&[(INITIAL_WINDOW_SIZE, 1)]))
            .settle()
            .may(&[Alive])
            .check(|frames| sent(frames, 1)),
        page(3, "a window below zero must grow above it first")
            .settle()
            .send(settings(&[(INITIAL_WINDOW_SIZE, 2)]))
            .send(window_update(1, 1))
            .settle()
            .may(&[Alive])
            .check(|frames| sent(frames, 3)),
        page(3, "a window below zero that grows above it")
            .settle()
            .send(settings(&[(INITIAL_WINDOW_SIZE, 2)]))
            .send(window_update(1, 2))
            .settle()
            .may(&[Alive])
            .check(|frames| sent(frames, 4)),
        page(1, "a change that lifts a window beyond its largest")
            .settle()
            .send(window_update(1, LARGEST - 1))
            .send(settings(&[(INITIAL_WINDOW_SIZE, LARGEST)]))
            // All of the page is gone by then, unless the stream still waits.
            .may(&[Goaway(FLOW_CONTROL_ERROR), Alive]),
        case(section, "a change that lifts the window of an open stream beyond its largest")
        .send(headers(1, 0, &post(&[])))
        .send(window_update(1, LARGEST - 65_535))
        .send(settings(&[(INITIAL_WINDOW_SIZE, 65_536)]))
        .may(&[Goaway(FLOW_CONTROL_ERROR)]),
        case(section, "SETTINGS do not change the connection's window")
            .with_settings(&[(INITIAL_WINDOW_SIZE, 0)])
            .send(settings(&[(INITIAL_WINDOW_SIZE, LARGEST)]))
            .send(window_update(0, LARGEST - 65_535))
            .may(&[Alive]),
    ]
}

/// Cases of data that exceeds the server's windows: 64 KiB for a stream, 1 MiB for the connection.
fn receiving() -> Vec<Case> {
    let beyond = &[Reset(FLOW_CONTROL_ERROR), Goaway(FLOW_CONTROL_ERROR)];
    let flood = |bytes: usize| -> Vec<u8> {
        // Masked text frames of 16,376 bytes, eight for header and mask.
        let mut frame = vec![0x81, 0xfe, 0x3f, 0xf8, 0, 0, 0, 0];
        frame.extend([b'a'; 16_376]);
        (0..bytes / 16_384)
            .flat_map(|_| data(1, 0, &frame))
            .collect()
    };
    vec![
        // It echoes into a window of nothing, so it stops reading when its queue is full.
        case("RFC 9113 §6.9.1", "DATA far beyond a stream's window")
            .with_settings(&[(INITIAL_WINDOW_SIZE, 0)])
            .send(headers(1, 0, &websocket("/echo")))
            .head(1)
            .send(flood(900_000))
            .may(beyond),
        case("RFC 9113 §6.9.1", "padding counts against the window")
            .with_settings(&[(INITIAL_WINDOW_SIZE, 0)])
            .send(headers(1, 0, &websocket("/echo")))
            .head(1)
            .send(
                (0..60)
                    .flat_map(|_| {
                        let mut payload = vec![255];
                        payload.extend([0; 16_383]);
                        data(1, super::wire::PADDED, &payload)
                    })
                    .collect::<Vec<_>>(),
            )
            // The frames' data itself is nonsense that ends the WebSocket, and its stream with it.
            .may(beyond)
            .may(&[Alive]),
        case("RFC 9113 §6.9.1", "as much DATA as the window holds")
            .send(headers(1, 0, &request("POST", "/rooms/rules/messages")))
            .send(
                (0..4)
                    .flat_map(|_| data(1, 0, &[b' '; 16_384]))
                    .collect::<Vec<_>>(),
            )
            .send(data(1, END_STREAM, &[]))
            // Without Content-Type it is refused, but not by flow control.
            .may(&[Status(415), Status(400), Status(413)]),
        case("RFC 9113 §6.9", "empty DATA needs no window")
            .send(headers(1, 0, &websocket("/echo")))
            .head(1)
            .send((0..50).flat_map(|_| data(1, 0, &[])).collect::<Vec<_>>())
            .may(&[Alive]),
        case("RFC 9113 §6.9", "what a WebSocket has read is given back")
            .send(headers(1, 0, &websocket("/echo")))
            .head(1)
            .send(flood(49_152))
            .settle()
            .may(&[Alive])
            .send(headers(3, END_STREAM, &get(&[])))
            .answered(3),
    ]
}
