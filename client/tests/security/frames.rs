//! Replies that are too large (K5) or against the rules of frames (K11).

use std::io::Write as _;

use super::common::{client, header, read_head, run, serve, serve_deflating};

/// A client without compression reads frames as they stand here.
fn answer_with_frames(frames: &[u8]) -> String {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
    let frames = frames.to_vec();
    let address = serve(move |mut stream| {
        let head = read_head(&mut stream);
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = stream.write_all(upgrade.replace("{accept}", &accept).as_bytes());
        let _ = stream.write_all(&frames);
        let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(5)));
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
