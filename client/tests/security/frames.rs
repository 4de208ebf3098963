//! Replies that are too large (K5) or against the rules of frames (K11).

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::common::authority::{Authority, server_config};
use super::common::{
    PATIENCE, client, header, read_head, run, run_with_input, serve, serve_deflating,
};

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// A client without compression reads frames as they stand here.
fn answer_with_frames(frames: &[u8]) -> String {
    let frames = frames.to_vec();
    let address = serve(move |mut stream| {
        let head = read_head(&mut stream);
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = stream.write_all(UPGRADE.replace("{accept}", &accept).as_bytes());
        let _ = stream.write_all(&frames);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    format!("ws://{address}/")
}

#[test]
fn k5_huge_replies_meet_the_limits() {
    use futures_util::{SinkExt as _, StreamExt as _};
    // A header that announces 2^62 bytes; one MiB and a byte in two fragments; a megabyte of empty fragments.
    let announced = b"\x82\x7f\x40\0\0\0\0\0\0\0".to_vec();
    let half = vec![0; (1 << 19) + 1];
    let mut fragments = vec![0x02, 0x7f, 0, 0, 0, 0, 0, 8, 0, 1];
    fragments.extend(&half);
    fragments.extend([0x80, 0x7f, 0, 0, 0, 0, 0, 8, 0, 1]);
    fragments.extend(&half);
    for frames in [announced, fragments] {
        let url = answer_with_frames(&frames);
        let ended = run(&mut client(&[&url, "x", "--no-deflate"]));
        assert_eq!((ended.status, ended.stdout.as_str()), (8, ""), "{ended:?}");
        assert!(ended.stderr.contains("raise --max-message"), "{ended:?}");
    }
    // Some KiB that inflate to 64 MiB: refused at the limit, which stays well below what would be needed for all.
    let bomb = serve_deflating(|mut stream| async move {
        let zeros = "0".repeat(64 << 20);
        let _ = stream
            .send(tungstenite_deflate::tungstenite::Message::text(zeros))
            .await;
        while let Some(Ok(_)) = stream.next().await {}
    });
    let ended = run(&mut client(&[&bomb, "x"]));
    assert_eq!((ended.status, ended.stdout.as_str()), (8, ""), "{ended:?}");
    assert!(ended.stderr.contains("raise --max-message"), "{ended:?}");
}

#[test]
fn k11_masked_and_reserved_frames_fail_the_connection() {
    for (what, frame) in [
        ("masked", &b"\x81\x81\x01\x02\x03\x04\x60"[..]),
        ("RSV1 without compression", b"\xc1\x01a"),
        ("RSV2", b"\xa1\x01a"),
        ("RSV3", b"\x91\x01a"),
        ("long control frame", b"\x89\x7e\x00\x7e"),
        ("fragmented control frame", b"\x09\x00"),
        ("invalid UTF-8", b"\x81\x02\xc3\x28"),
        ("close code 1005", b"\x88\x02\x03\xed"),
    ] {
        let ended = run(&mut client(&[
            &answer_with_frames(frame),
            "x",
            "--no-deflate",
        ]));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (8, ""),
            "{what}: {ended:?}"
        );
    }
}

/// A server over TLS that answers with these frames, pauses, and gives what the client sent until its `close_notify`.
fn serve_frames_over_tls(
    authority: &Authority,
    frames: &[u8],
    pause: Duration,
) -> (u16, Receiver<Result<Vec<u8>, String>>) {
    let (certificate, key) = authority.sign("localhost", |_| {});
    let config = Arc::new(server_config(certificate, &key));
    let frames = frames.to_vec();
    let (sender, received) = std::sync::mpsc::channel();
    let address = serve(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let head = read_head(&mut stream);
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = stream.write_all(UPGRADE.replace("{accept}", &accept).as_bytes());
        let mut bytes = Vec::new();
        if !pause.is_zero() {
            // Its first message is on the way.
            bytes.resize(1, 0);
            let _ = stream.read_exact(&mut bytes);
        }
        let _ = stream.write_all(&frames);
        // Long enough for a client that sends much to fill what the system holds, and to see the violation.
        std::thread::sleep(pause);
        let read = stream.read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes).map_err(|error| error.to_string()));
    });
    (address.port(), received)
}

/// The code of the Close frame that ends what a client sent.
fn last_close_code(mut bytes: &[u8]) -> Option<u16> {
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second & 0x7f {
            126 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            127 => {
                let (length, rest) = rest.split_at(8);
                let length = u64::from_be_bytes(length.try_into().unwrap());
                (usize::try_from(length).unwrap(), rest)
            }
            length => (usize::from(length), rest),
        };
        let (key, payload) = rest.split_at(4);
        if *first == 0x88 {
            return Some(u16::from_be_bytes([
                payload[0] ^ key[0],
                payload[1] ^ key[1],
            ]));
        }
        bytes = &payload[length..];
    }
    None
}

/// A client that stopped at the first error could leave before its Close is written.
#[test]
fn every_mode_leaves_in_order_after_a_violation() {
    let authority = Authority::new();
    let recording = tempfile::NamedTempFile::new().unwrap();
    let line = r#"{"time":"2026-11-21T06:09:16.65Z","elapsed":0.0,"direction":"sent","opcode":"text","bytes":1,"wire_bytes":7,"compressed":false,"text":"x"}"#;
    std::fs::write(
        recording.path(),
        format!("{line}\n{}\n", line.replace("sent", "received")),
    )
    .unwrap();
    let recording = recording.path().to_str().unwrap();
    for (frames, code) in [
        (&b"\xa1\x01a"[..], 1002),
        (b"\x81\x02\xc3\x28", 1007),
        (b"\x82\x7f\x40\0\0\0\0\0\0\0", 1009),
    ] {
        for (mode, arguments) in [
            ("talk", &["URL", "x"][..]),
            ("lines", &["URL", "--expect", "1"]),
            ("count", &["URL", "--count", "1"]),
            ("replay", &["replay", recording, "URL"]),
            ("record", &["record", "URL", "x", "--to", "/dev/null"]),
            (
                "bench",
                &["bench", "URL", "-c", "1", "-n", "1", "--warm-up", "0"],
            ),
        ] {
            let (port, received) = serve_frames_over_tls(&authority, frames, Duration::ZERO);
            let url = format!("wss://localhost:{port}/");
            let mut all: Vec<&str> = arguments
                .iter()
                .map(|one| if *one == "URL" { url.as_str() } else { one })
                .collect();
            all.extend(["--ca", authority.path(), "--no-deflate"]);
            let ended = run_with_input(&mut client(&all), b"x\n");
            assert!(matches!(ended.status, 8 | 9), "{mode}: {ended:?}");
            let bytes = received.recv_timeout(PATIENCE).unwrap();
            let bytes = bytes.unwrap_or_else(|error| panic!("{mode}, {code}: {error}"));
            assert_eq!(last_close_code(&bytes), Some(code), "{mode}: {bytes:x?}");
        }
    }
}

/// The Close waits behind messages that the server has not taken yet.
#[test]
fn a_close_is_written_though_the_server_reads_late() {
    let authority = Authority::new();
    let pause = Duration::from_millis(400);
    let (port, received) = serve_frames_over_tls(&authority, b"\xa1\x01a", pause);
    let url = format!("wss://localhost:{port}/");
    let mut input = Vec::new();
    for _ in 0..64 {
        input.resize(input.len() + 512 * 1024, b'x');
        input.push(b'\n');
    }
    let arguments = [&url, "--ca", authority.path(), "--no-deflate"];
    let ended = run_with_input(&mut client(&arguments), &input);
    assert_eq!(ended.status, 8, "{ended:?}");
    let bytes = received.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(bytes.len() > 512 * 1024, "{} bytes", bytes.len());
    assert_eq!(last_close_code(&bytes), Some(1002));
}
