//! Standard input and output as pipes: nothing is lost at either end.

#![allow(
    clippy::format_collect,
    clippy::unwrap_used,
    reason = "a test may panic and need not be fast"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{RealServer, client, finish, run, run_with_input, serve_websocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::tungstenite::Message;

fn echo() -> String {
    serve_websocket(|mut stream| async move {
        while let Some(Ok(message)) = stream.next().await {
            if (message.is_text() || message.is_binary()) && stream.send(message).await.is_err() {
                break;
            }
        }
    })
}

#[test]
fn hundred_thousand_lines_come_back_in_order() {
    let lines: String = (1..=100_000).map(|n| format!("line {n}\n")).collect();
    let ended = run_with_input(
        &mut client(&[&echo(), "--expect", "100000"]),
        lines.as_bytes(),
    );
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended.stdout == lines,
        "{} of {} bytes came back",
        ended.stdout.len(),
        lines.len()
    );
}

#[test]
fn input_that_ends_before_the_connection_opens_is_sent() {
    let server = RealServer::get();
    let ended = run_with_input(
        &mut server.client(&[&server.url("/echo"), "--expect", "2"]),
        b"a\nb",
    );
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "a\nb\n"),
        "{ended:?}"
    );
}

#[test]
fn without_expectation_silence_ends_a_pipe() {
    let ended = run_with_input(&mut client(&[&echo(), "--idle", "300ms"]), b"a\n\nb\n");
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "a\n\nb\n"),
        "{ended:?}"
    );
}

#[test]
fn peers_close_ends_a_pipe() {
    let url = serve_websocket(|mut stream| async move {
        for n in 1..=3 {
            stream
                .send(Message::text(format!("event {n}")))
                .await
                .unwrap();
        }
        stream.close(None).await.unwrap();
        while stream.next().await.is_some() {}
    });
    let ended = run(&mut client(&[&url, "--idle", "0"]));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "event 1\nevent 2\nevent 3\n"),
        "{ended:?}"
    );
}

#[test]
fn slow_reader_gets_everything() {
    let url = echo();
    let lines = "0123456789abcdef".repeat(64) + "\n";
    let input = lines.repeat(2000);
    let mut child = client(&[&url, "--expect", "2000"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let copy = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(copy.as_bytes()).unwrap());
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = stdout.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        seen.extend_from_slice(&piece[..read]);
        // Slower than the peer, so that the pipe is full for most of the time.
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.join().unwrap();
    assert_eq!(finish(child).status, 0);
    assert!(
        seen == input.as_bytes(),
        "{} of {} bytes came back",
        seen.len(),
        input.len()
    );
}

#[test]
fn reader_that_goes_away_ends_quietly_with_a_close() {
    static CLOSES: AtomicUsize = AtomicUsize::new(0);
    let url = serve_websocket(|mut stream| async move {
        for n in 0.. {
            if stream
                .send(Message::text(format!("event {n}")))
                .await
                .is_err()
            {
                return;
            }
            if let Ok(Some(Ok(Message::Close(Some(frame))))) =
                tokio::time::timeout(Duration::from_millis(1), stream.next()).await
            {
                CLOSES.fetch_add(usize::from(u16::from(frame.code) == 1000), Ordering::SeqCst);
                while stream.next().await.is_some() {}
                return;
            }
        }
    });
    let mut child = client(&[&url, "--idle", "0"]).spawn().unwrap();
    let mut first = [0; 8];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"event 0\n");
    drop(stdout);
    let ended = finish(child);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    common::wait_until("the Close frame", || CLOSES.load(Ordering::SeqCst) == 1);
}

#[test]
fn framings_carry_any_bytes() {
    let url = echo();
    for (arguments, input) in [
        (&["--null"][..], &b"a\nb\0c\0"[..]),
        (&["--binary"], b"\xff\xfe\nx\n"),
        (&["--base64"], b"AP8=\n//8=\n"),
        (
            &["--length-prefixed", "--binary"],
            b"\0\0\0\x02\0\n\0\0\0\0",
        ),
    ] {
        let mut all = vec![url.as_str(), "--expect", "2"];
        all.extend(arguments);
        let mut child = client(&all).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let mut seen = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        assert_eq!(seen, input, "{arguments:?}");
        assert_eq!(finish(child).status, 0);
    }
}

#[test]
fn input_that_is_not_text_is_refused_by_number() {
    let ended = run_with_input(&mut client(&[&echo()]), b"good\n\xff\n");
    ended.assert_refused(2, "message 2 of standard input: not UTF-8");
}

#[test]
fn reconnecting_loses_no_message() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let url = serve_websocket(|mut stream| async move {
        let first = CONNECTIONS.fetch_add(1, Ordering::SeqCst) == 0;
        let mut echoed = 0;
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() {
                stream.send(message).await.unwrap();
                echoed += 1;
            }
            if first && echoed == 1 {
                // Gone without a word.
                return;
            }
        }
    });
    let mut child = client(&[&url, "--reconnect", "--expect", "2"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    let mut line = [0; 4];
    stdout.read_exact(&mut line).unwrap();
    common::wait_until("the second connection", || {
        CONNECTIONS.load(Ordering::SeqCst) == 2
    });
    stdin.write_all(b"two\n").unwrap();
    drop(stdin);
    stdout.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"two\n");
    let ended = finish(child);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.stderr.contains("dialling again") && ended.stderr.contains("connected again"),
        "{ended:?}"
    );
}

/// Members of the kind "the end of the input is waited for": input that stays open, that comes bit by bit, a terminal.
#[test]
fn enough_replies_end_a_conversation_while_the_input_is_open() {
    let stream = serve_websocket(|mut stream| async move {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        for n in 0.. {
            tokio::select! {
                _ = clock.tick() => {}
                next = stream.next() => match next {
                    Some(Ok(_)) => continue,
                    _ => return,
                },
            }
            let event = Message::text(format!("event {n}"));
            if stream.send(event).await.is_err() {
                return;
            }
        }
    });
    for input in [&b""[..], b"a\n"] {
        let mut child = client(&[&stream, "--expect", "1"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        let ended = finish(child);
        assert_eq!(ended.status, 0, "{ended:?}");
        let events = ended.stdout.lines().count();
        assert!((1..=3).contains(&events), "{events}");
        drop(stdin);
    }
    // What is there already is sent all the same.
    let ended = run_with_input(&mut client(&[&echo(), "--expect", "1"]), b"a\nb\nc\n");
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("a\n"), "{ended:?}");
    assert!(!ended.stderr.contains("not sent"), "{ended:?}");
}

/// Members of the kind "input is lost without a word": the peer closes with 1000, without a code, with an error, goes
/// away; the reader of standard output goes away; an endless input.
#[test]
fn input_that_was_not_sent_is_told_and_is_no_success() {
    use tungstenite_deflate::tungstenite::protocol::CloseFrame;
    static RECEIVED: AtomicUsize = AtomicUsize::new(0);
    let lines: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
    let closing = |frame: Option<CloseFrame>| {
        serve_websocket(move |mut stream| {
            let frame = frame.clone();
            async move {
                stream.next().await;
                let _ = stream.send(Message::Close(frame)).await;
                while let Some(Ok(_)) = stream.next().await {
                    RECEIVED.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    };
    let frame = |code: u16| {
        Some(CloseFrame {
            code: code.into(),
            reason: "enough".into(),
        })
    };
    let not_sent = |stderr: &str| -> u64 {
        let line = stderr.lines().find(|line| line.contains("not sent"));
        let line = line.unwrap_or_else(|| panic!("{stderr}"));
        line.split(' ')
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("{line}"))
    };
    for (frame, status) in [
        (frame(1000), 1),
        (None, 1),
        (frame(1001), 1),
        (frame(4000), 1),
    ] {
        let ended = run_with_input(&mut client(&[&closing(frame), "--stats"]), lines.as_bytes());
        assert_eq!(ended.status, status, "{ended:?}");
        let mut lines = ended.stderr.lines();
        let sent = lines.find_map(|line| line.strip_prefix("sent ")).unwrap();
        let sent: u64 = sent.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(sent + not_sent(&ended.stderr), 200_000, "{}", ended.stderr);
    }
    let ended = run_with_input(
        &mut client(&[&closing(frame(1000)), "--expect", "5"]),
        b"a\nb\n",
    );
    assert_eq!(ended.status, 9, "{ended:?}");
    // Everything sent is no loss.
    let ended = run_with_input(&mut client(&[&closing(frame(1000))]), b"a\n");
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    // The reader goes away amid the input.
    let mut child = client(&[&echo(), "--expect", "200000"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let copy = lines.clone();
    std::thread::spawn(move || drop(stdin.write_all(copy.as_bytes())));
    let mut first = [0; 2];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let ended = finish(child);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(not_sent(&ended.stderr) > 0);
    // An endless input is not counted to its end.
    let mut yes = std::process::Command::new("yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = run(client(&[&closing(frame(1000))]).stdin(yes.stdout.take().unwrap()));
    let _ = yes.kill();
    let _ = yes.wait();
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("at least "), "{ended:?}");
}

/// A connection that no longer answers is replaced, and what it was sent since its last Pong is sent again.
#[test]
fn frozen_connection_is_replaced() {
    static OPENED: AtomicUsize = AtomicUsize::new(0);
    let url = serve_websocket(|mut stream| async move {
        let first = OPENED.fetch_add(1, Ordering::SeqCst) == 0;
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() {
                stream.send(message).await.unwrap();
                if first {
                    // Frozen: open, and neither read nor answered.
                    std::future::pending::<()>().await;
                }
            }
        }
    });
    let mut child = client(&[
        &url,
        "--reconnect",
        "--ping-interval",
        "300ms",
        "--expect",
        "3",
    ])
    .stdin(Stdio::piped())
    .spawn()
    .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut line = [0; 4];
    stdin.write_all(b"one\n").unwrap();
    stdout.read_exact(&mut line).unwrap();
    // Written to the frozen connection.
    stdin.write_all(b"two\n").unwrap();
    common::wait_until("the second connection", || {
        OPENED.load(Ordering::SeqCst) == 2
    });
    stdin.write_all(b"six\n").unwrap();
    drop(stdin);
    for expected in [b"two\n", b"six\n"] {
        stdout.read_exact(&mut line).unwrap();
        assert_eq!(&line, expected);
    }
    let ended = finish(child);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stderr.contains("no Pong within 300"), "{ended:?}");
}
