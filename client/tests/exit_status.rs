//! Every exit status, from the outside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read as _, Write as _};
use std::time::Duration;

use common::{
    RealServer, client, dead_port, finish, read_head, run, serve, serve_answer, serve_websocket,
    wait_until,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;

fn serve_close(code: u16, reason: &'static str) -> String {
    serve_websocket(move |mut stream| async move {
        stream.next().await;
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        stream.send(Message::Close(Some(frame))).await.unwrap();
        while stream.next().await.is_some() {}
    })
}

#[test]
fn close_codes_have_statuses() {
    for (code, status) in [(1000, 9), (1001, 1), (1008, 1), (1011, 1), (4000, 1)] {
        let ended = run(&mut client(&[&serve_close(code, "bye"), "x"]));
        assert_eq!(ended.status, status, "{code}: {ended:?}");
    }
    let ended = run(&mut client(&[&serve_close(1008, "no \x1b[2J"), "x"]));
    assert!(
        ended
            .stderr
            .contains("closed with 1008 (policy violation): no \\x1b[2J"),
        "{ended:?}"
    );
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["--nope"][..],
        &["word"],
        &["ftp://h/"],
        &["ws://h/", "--cert", "x"],
        &["ws://h/", "--pin", "x"],
        &["ws://h/", "--timeout", "tsl=1s"],
        &["ws://h/", "--user", "name"],
        &["ws://h/", "--keylog"],
        &["ws://h/", "--subprotocol", "a b"],
        &["ws://h/", "-H", "X: a\r\nY: b"],
        &["ws://h/", "--deflate-level", "10"],
        &["ws://h/", "--client-max-window-bits", "8"],
        &["wss://h/", "--ca", "/nonexistent"],
        &["wss://h/", "--ca", "/dev/null"],
        &["replay", "/nonexistent", "ws://h/"],
    ] {
        let ended = run(&mut client(arguments));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn no_connection_is_3() {
    run(&mut client(&[
        &format!("ws://127.0.0.1:{}/", dead_port()),
        "x",
    ]))
    .assert_refused(3, "Connection refused");
    run(&mut client(&["ws://name.invalid/", "x"]))
        .assert_refused(3, "cannot find an address for name.invalid");
    run(&mut client(&["ws://127.0.0.1:1/", "x", "-6"])).assert_refused(3, "no IPv6 address");
}

#[test]
fn refused_handshake_is_5() {
    let server = RealServer::get();
    run(&mut server.client(&[&server.url("/nowhere"), "x"])).assert_refused(5, "404");
}

#[test]
fn silent_servers_are_6() {
    let silent = serve(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
        std::thread::sleep(Duration::from_secs(20));
    });
    run(&mut client(&[
        &format!("wss://{silent}/"),
        "x",
        "--timeout",
        "tls=200ms",
    ]))
    .assert_refused(6, "the TLS handshake");
    run(&mut client(&[
        &format!("ws://{silent}/"),
        "x",
        "--timeout",
        "http=200ms",
    ]))
    .assert_refused(6, "the WebSocket handshake");
    let proxy = format!("http://{silent}");
    run(&mut client(&[
        "ws://h:1/",
        "x",
        "--proxy",
        &proxy,
        "--timeout",
        "proxy=200ms",
    ]))
    .assert_refused(6, "a tunnel");
    let mute = serve_websocket(|stream| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(stream);
    });
    let ended = run(&mut client(&[
        &mute,
        "x",
        "--timeout",
        "reply=200ms,close=200ms",
    ]));
    ended.assert_refused(9, "0 of 1 replies");
    let ended = run(&mut client(&[
        &mute,
        "--count",
        "1",
        "--timeout",
        "reply=200ms",
    ]));
    ended.assert_refused(6, "waiting for a reply");
    let ended = run(&mut client(&[
        &mute,
        "--idle",
        "100ms",
        "--timeout",
        "close=200ms",
    ]));
    ended.assert_refused(6, "the closing handshake");
    let ended = run(&mut client(&[
        &mute,
        "--idle",
        "0",
        "--ping-interval",
        "200ms",
    ]));
    ended.assert_refused(6, "waiting for a reply");
}

#[test]
fn lost_connection_is_7() {
    let url = serve_websocket(|mut stream| async move {
        stream.next().await;
    });
    let ended = run(&mut client(&[&url, "x"]));
    assert_eq!(ended.status, 7, "{ended:?}");
    assert!(ended.stderr.contains("1006, abnormal closure"), "{ended:?}");
}

#[test]
fn broken_protocol_and_limits_are_8() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Accept: {accept}\r\n\r\n";
    for frames in ["\x01\x01a\x01\x01b", "\x03\x00", "\x0a\x00"] {
        let ended = run(&mut client(&[
            &serve_answer(&format!("{upgrade}{frames}")),
            "x",
            "--no-deflate",
        ]));
        assert_eq!(ended.status, 8, "{frames:?}: {ended:?}");
    }
    let big = serve_websocket(|mut stream| async move {
        let _ = stream.send(Message::text("x".repeat((1 << 20) + 1))).await;
        while let Some(Ok(_)) = stream.next().await {}
    });
    let ended = run(&mut client(&[&big, "x"]));
    assert_eq!((ended.status, ended.stdout.as_str()), (8, ""), "{ended:?}");
    let ended = run(&mut client(&[&big, "x", "--max-message", "2MiB"]));
    assert_eq!((ended.status, ended.stdout.len()), (0, (1 << 20) + 2));
}

#[test]
fn missing_replies_are_9() {
    let server = RealServer::get();
    let ended = run(&mut server.client(&[
        &server.url("/echo"),
        "a",
        "--expect",
        "2",
        "--idle",
        "200ms",
    ]));
    ended.assert_refused(9, "1 of 2 replies");
    assert_eq!(ended.stdout, "a\n");
}

#[test]
fn refusing_proxy_is_10() {
    let proxy = serve(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    });
    let ended = run(&mut client(&[
        "ws://h:1/",
        "x",
        "--proxy",
        &format!("http://u:hunter2@{proxy}"),
    ]));
    ended.assert_refused(10, "407 Proxy Authentication Required");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    let from_environment = run(client(&["ws://h:1/", "x"]).env("http_proxy", proxy.to_string()));
    from_environment.assert_refused(10, "407");
    run(client(&["ws://127.0.0.1:1/", "x"])
        .env("http_proxy", proxy.to_string())
        .env("no_proxy", "127.0.0.1"))
    .assert_refused(3, "127.0.0.1:1");
    let dead = format!("socks5h://127.0.0.1:{}", dead_port());
    run(&mut client(&["ws://h:1/", "x", "--proxy", &dead])).assert_refused(10, "refused");
}

#[test]
fn full_disk_is_11() {
    let server = RealServer::get();
    let full = std::fs::File::create("/dev/full").unwrap();
    let ended = run(server.client(&[&server.url("/echo"), "x"]).stdout(full));
    ended.assert_refused(11, "No space left");
}

#[test]
fn interrupt_closes_and_is_130() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let url = serve_websocket(move |mut stream| {
        let sender = sender.clone();
        async move {
            sender.send("open".to_owned()).unwrap();
            while let Some(Ok(message)) = stream.next().await {
                sender.send(format!("{message:?}")).unwrap();
            }
        }
    });
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let child = client(&[&url, "--idle", "0"]).spawn().unwrap();
        assert_eq!(receiver.recv_timeout(common::PATIENCE).unwrap(), "open");
        // The handler is there once the session is announced; the process may need a moment for it.
        let pid = rustix::process::Pid::from_child(&child);
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        assert!(status.contains("SigCgt"));
        wait_until("the signal handler", || {
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))
                .unwrap_or("0")
                .trim();
            let caught = u64::from_str_radix(caught, 16).unwrap_or(0);
            caught & (1 << 1) != 0 && caught & (1 << 14) != 0
        });
        rustix::process::kill_process(pid, signal).unwrap();
        let ended = finish(child);
        assert_eq!(ended.status, 130, "{ended:?}");
        let close = receiver.recv_timeout(common::PATIENCE).unwrap();
        assert!(
            close.contains("Close") && close.contains("Normal"),
            "{close}"
        );
    }
}
