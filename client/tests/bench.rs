//! The benchmarks, against the real server: they count what was asked for, over either protocol.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{RealServer, client, run, serve_websocket};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tungstenite_deflate::tungstenite::Message;

fn report(arguments: &[&str]) -> Value {
    let server = RealServer::get();
    let ended = run(&mut server.client(arguments));
    assert_eq!(ended.status, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Of three connections at one message a second the last waits for two: it answers a Ping all the same.
#[test]
fn connections_that_wait_answer_pings() {
    let url = serve_websocket(|mut stream| async move {
        stream.send(Message::Ping("?".into())).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_millis(1_500), async {
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Pong(_) => return true,
                    other => stream.send(other).await.unwrap(),
                }
            }
            false
        });
        if answered.await != Ok(true) {
            return;
        }
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() && stream.send(message).await.is_err() {
                return;
            }
        }
    });
    let report = report(&["bench", &url, "-c", "3", "-n", "3", "--rate", "1", "--json"]);
    assert_eq!(report["messages"], 3, "{report}");
    assert!(report["errors"].as_object().unwrap().is_empty(), "{report}");
}

#[test]
fn count_is_exact_whatever_carries_it() {
    let url = RealServer::get().url("/echo");
    for more in [&[][..], &["--no-deflate"], &["--http2"], &["--grpc"]] {
        for load in [
            &["-n", "100", "-c", "2"][..],
            &["-n", "7", "-c", "3", "-f", "5"],
            &["-n", "50", "-c", "2", "--warm-up", "100ms"],
            &["-n", "20", "-c", "2", "--rate", "200"],
        ] {
            let mut arguments = vec!["bench", url.as_str(), "--json"];
            arguments.extend(load);
            arguments.extend(more);
            let report = report(&arguments);
            let wanted: u64 = load[1].parse().unwrap();
            assert_eq!(report["messages"], wanted, "{arguments:?}: {report}");
            let seconds: u64 = report["per_second"]
                .as_array()
                .unwrap()
                .iter()
                .map(|count| count.as_u64().unwrap())
                .sum();
            assert_eq!(seconds, wanted, "{arguments:?}: {report}");
            assert!(report["errors"].as_object().unwrap().is_empty(), "{report}");
        }
    }
}

/// 100 B of text go out behind a header of 2 B and a masking key of 4 B, and come back behind 2 B; nothing else passes
/// between the first message and the last reply.
#[test]
fn bytes_on_the_wire_are_those_of_the_messages_counted() {
    let url = RealServer::get().url("/echo");
    for warm_up in ["0", "200ms"] {
        let arguments = [
            "bench",
            &url,
            "-n",
            "50",
            "-c",
            "2",
            "-f",
            "3",
            "-s",
            "100",
            "--no-deflate",
            "--json",
            "--warm-up",
            warm_up,
        ];
        let report = report(&arguments);
        assert_eq!(report["wire_bytes_sent"], 50 * (100 + 6), "{report}");
        assert_eq!(report["wire_bytes_received"], 50 * (100 + 2), "{report}");
        assert_eq!(report["saved"], 0.0, "{report}");
    }
}

#[test]
fn grpc_is_measured_like_a_websocket() {
    let server = RealServer::get();
    let url = format!("https://localhost:{}", server.address.port());
    let report = report(&[
        "bench", "--grpc", &url, "-n", "60", "-c", "2", "-f", "4", "-s", "1000", "--json",
    ]);
    assert_eq!(report["protocol"], "gRPC, HTTP/2", "{report}");
    assert_eq!(report["url"], url.as_str(), "{report}");
    // Each message goes out whole and comes back behind `Mensagem recebida: `.
    assert!(
        report["wire_bytes_sent"].as_u64().unwrap() > 60 * 1000,
        "{report}"
    );
    assert!(
        report["wire_bytes_received"].as_u64().unwrap() > 60 * 1019,
        "{report}"
    );
    let p50 = report["message_ms"]["percentiles"][0][1].as_f64().unwrap();
    let max = report["message_ms"]["percentiles"][5][1].as_f64().unwrap();
    assert!(0.0 < p50 && p50 <= max, "{report}");
    for wrong in [
        &["--grpc", "--no-deflate"][..],
        &["--grpc", "--http2"],
        &["--grpc", "--binary"],
    ] {
        let mut arguments = vec!["bench", url.as_str()];
        arguments.extend(wrong);
        assert_eq!(run(&mut server.client(&arguments)).status, 2, "{wrong:?}");
    }
}

#[test]
fn comparison_shows_three_ways_side_by_side() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let load = ["-n", "40", "-c", "2", "-s", "2000"];
    let mut arguments = vec!["compare", url.as_str()];
    arguments.extend(load);
    let table = run(&mut server.client(&arguments));
    assert_eq!(table.status, 0, "{table:?}");
    for part in [
        "WebSocket, deflate",
        "text, compressed",
        "gRPC, unary",
        "protobuf",
        "both, any time",
        "reply to request",
        "p50 ms",
        "p99 ms",
        "messages/s",
        "B sent",
        "B back",
    ] {
        assert!(table.stdout.contains(part), "{part} in {}", table.stdout);
    }
    arguments.push("--json");
    let ways = report(&arguments);
    let wire: Vec<u64> = (0..3)
        .map(|way| {
            assert_eq!(ways[way]["messages"], 40, "{ways}");
            ways[way]["wire_bytes_sent"].as_u64().unwrap()
        })
        .collect();
    // Compression pays for this payload; gRPC sends it as it is, with headers.
    assert!(
        wire[0] < wire[1] / 2 && wire[1] < wire[2] + 40 * 8,
        "{wire:?}"
    );
}

#[test]
fn errors_are_counted_by_kind() {
    let url = serve_websocket(|mut stream| async move {
        for _ in 0..3 {
            let Some(Ok(message)) = stream.next().await else {
                return;
            };
            if stream.send(message).await.is_err() {
                return;
            }
        }
    });
    let ended = run(&mut client(&[
        "bench", &url, "-c", "2", "-n", "1000", "--json",
    ]));
    assert_eq!(ended.status, 9, "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["messages"], 6, "{report}");
    let counts: u64 = report["errors"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(counts, 2, "{report}");
    let mute = serve_websocket(|mut stream| async move { while stream.next().await.is_some() {} });
    let ended = run(&mut RealServer::get().client(&[
        "bench",
        &mute,
        "-c",
        "1",
        "-n",
        "5",
        "--timeout",
        "reply=200ms",
    ]));
    assert_eq!(ended.status, 9, "{ended:?}");
    assert!(ended.stdout.contains("1  1 reply missing"), "{ended:?}");
}

/// A server that stalls for half a second makes every message late that was due meanwhile, not only the one that it
/// had taken: with a rate they all count (coordinated omission).
#[test]
fn latency_counts_from_when_a_message_was_due() {
    let stalling = || {
        serve_websocket(|mut stream| async move {
            let mut seen = 0;
            while let Some(Ok(message)) = stream.next().await {
                seen += 1;
                if seen == 20 {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                if stream.send(message).await.is_err() {
                    return;
                }
            }
        })
    };
    let p75 = |more: &[&str]| {
        let url = stalling();
        let mut arguments = vec!["bench", url.as_str(), "-c", "1", "-n", "80", "--json"];
        arguments.extend(more);
        let report = report(&arguments);
        assert_eq!(report["messages"], 80, "{report}");
        let percentile = &report["message_ms"]["percentiles"][1];
        assert_eq!(percentile[0], 75.0, "{report}");
        percentile[1].as_f64().unwrap()
    };
    // 50 of 80 messages were due during the stall: a quarter of all is at least 250 ms late.
    assert!(p75(&["--rate", "100"]) > 100.0);
    // Without a rate nothing is due: one message is slow, the others are not.
    assert!(p75(&[]) < 100.0);
}

#[test]
fn payload_is_text_bytes_or_a_file() {
    let url = RealServer::get().url("/echo");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "x".repeat(3000)).unwrap();
    let path = file.path().to_str().unwrap();
    for (arguments, kind, bytes, compresses) in [
        (&["-s", "4KiB"][..], "text", 4096, true),
        // Random bytes: with a context the copy that comes back is found in what came before.
        (
            &["-s", "4KiB", "--binary", "--context-takeover=none"],
            "binary",
            4096,
            false,
        ),
        (&["--payload", path], "text", 3000, true),
        (&["--payload", path, "--binary"], "binary", 3000, true),
    ] {
        let mut all = vec!["bench", url.as_str(), "-c", "1", "-n", "10", "--json"];
        all.extend(arguments);
        let report = report(&all);
        assert_eq!(report["payload"], kind, "{report}");
        assert_eq!(report["payload_bytes"], bytes, "{report}");
        assert_eq!(
            report["wire_ratio"].as_f64().unwrap() < 0.9,
            compresses,
            "{report}"
        );
    }
    std::fs::write(file.path(), [0xff]).unwrap();
    let ended = run(&mut RealServer::get().client(&["bench", &url, "--payload", path]));
    ended.assert_refused(2, "not UTF-8");
}

/// Members of the kind "a load test that failed ends with 0": some connections refused, some lost, none answered, a
/// comparison with one way that fails.
#[test]
fn failures_of_a_benchmark_are_no_success() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static OPENED: AtomicUsize = AtomicUsize::new(0);
    let address = common::serve(|mut stream| {
        use std::io::Write as _;
        let head = common::read_head(&mut stream);
        if OPENED.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            let _ = stream.write_all(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        let key = common::header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes());
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            use futures_util::{SinkExt as _, StreamExt as _};
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let role = tungstenite_deflate::tungstenite::protocol::Role::Server;
            let mut stream =
                tungstenite_deflate::WebSocketStream::from_raw_socket(stream, role, None).await;
            while let Some(Ok(message)) = stream.next().await {
                if message.is_text() && stream.send(message).await.is_err() {
                    return;
                }
            }
        });
    });
    let url = format!("ws://{address}/");
    let ended = run(&mut client(&["bench", &url, "-c", "10", "-n", "50"]));
    assert_eq!(ended.status, 9, "{ended:?}");
    assert!(
        ended.stdout.contains("5 failures\n")
            && ended
                .stdout
                .contains("5  handshake refused: HTTP/1.1 503 Full"),
        "{ended:?}"
    );
    let mute = serve_websocket(|stream| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(stream);
    });
    let lost = serve_websocket(|stream| async move { drop(stream) });
    for url in [&mute, &lost] {
        for format in [&[][..], &["--json"]] {
            let mut arguments = vec![
                "bench",
                url,
                "-c",
                "2",
                "-n",
                "4",
                "--timeout",
                "reply=300ms",
            ];
            arguments.extend(format);
            let ended = run(&mut client(&arguments));
            assert_eq!(ended.status, 9, "{ended:?}");
            for wrong in ["NaN", "inf", "null/s"] {
                assert!(!ended.stdout.contains(wrong), "{ended:?}");
            }
        }
    }
    // A route that is no echo: what is missing has a name.
    let ended = run(&mut client(&[
        "bench",
        &mute,
        "-c",
        "1",
        "-n",
        "1",
        "--timeout",
        "reply=300ms",
    ]));
    assert!(ended.stdout.contains("1 reply missing"), "{ended:?}");
}

/// Members of the kind "what came is no reply to what was sent": routes of the server that answer otherwise or send of
/// themselves, one that answers with less, over either version, and the comparison. `/ack` answers behind a name.
#[test]
fn replies_that_are_not_what_was_sent_are_no_success() {
    let server = RealServer::get();
    let shorter = serve_websocket(|mut stream| async move {
        while let Some(Ok(message)) = stream.next().await {
            let text = message.to_text().unwrap_or_default();
            let less: String = text.chars().skip(1).collect();
            if stream.send(Message::text(less)).await.is_err() {
                return;
            }
        }
    });
    let (answers, sends) = (server.url("/ws"), server.url("/stats"));
    for (mode, url, more) in [
        ("bench", &answers, &[][..]),
        ("bench", &answers, &["--http2"]),
        ("bench", &answers, &["--binary"]),
        ("bench", &sends, &[]),
        ("bench", &shorter, &[]),
        ("compare", &answers, &[]),
    ] {
        let mut arguments = vec![mode, url.as_str(), "-n", "2", "-c", "1"];
        arguments.extend(more);
        let ended = run(&mut server.client(&arguments));
        assert_eq!(ended.status, 9, "{arguments:?}: {ended:?}");
        assert!(
            ended
                .stdout
                .contains("a reply that is not what was sent: the route is no echo"),
            "{arguments:?}: {ended:?}"
        );
    }
    for path in ["/echo", "/ack"] {
        for more in [&[][..], &["-s", "0"], &["--http2"]] {
            let url = server.url(path);
            let mut arguments = vec!["bench", &url, "-n", "4", "-c", "1", "--json"];
            arguments.extend(more);
            let report = report(&arguments);
            assert_eq!(report["messages"], 4, "{arguments:?}: {report}");
        }
    }
}

/// One message a second, and the measurement is over between two of them: an empty report does not claim success.
#[test]
fn a_measurement_without_a_reply_says_so() {
    let server = RealServer::get();
    let url = server.url("/echo");
    for mode in ["bench", "compare"] {
        let load = ["-c", "1", "-r", "1", "--warm-up", "200ms", "-d", "1ms"];
        let mut arguments = vec![mode, url.as_str()];
        arguments.extend(load);
        let ended = run(&mut server.client(&arguments));
        assert_eq!(ended.status, 9, "{ended:?}");
        assert!(!ended.stdout.contains("no errors"), "{ended:?}");
        assert!(
            ended
                .stdout
                .contains("no reply came: nothing was measured\n"),
            "{ended:?}"
        );
    }
}
