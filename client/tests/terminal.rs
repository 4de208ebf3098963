//! The interactive session on a pseudo-terminal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::terminal::Terminal;
use common::{RealServer, client, serve_websocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::tungstenite::Message;

#[test]
fn session_sends_lines_and_obeys_commands() {
    let mut terminal = Terminal::session("/ack", &["--no-history"]);
    terminal.press("Olá, WebSocket!\r");
    terminal.expect("Recebido: Olá, WebSocket!");
    terminal.press("/ping\r");
    terminal.expect("pong after");
    terminal.press("//slash\r");
    terminal.expect("Recebido: /slash");
    terminal.press("/nope\r");
    terminal.expect("/nope is not a command");
    terminal.press("/stats\r");
    terminal.expect("sent 2 messages");
    terminal.press("/info\r");
    terminal.expect("TLSv1_3; permessage-deflate");
    terminal.press("/clo\t4000 bye\r");
    let (status, seen) = terminal.end();
    // The server echoes the code that we chose.
    assert_eq!(status, 1, "{seen}");
    assert!(seen.contains("closed with 4000 (private use)"), "{seen}");
}

#[test]
fn control_d_ends_and_control_c_interrupts() {
    let mut terminal = Terminal::session("/echo", &["--no-history"]);
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
    let mut terminal = Terminal::session("/echo", &["--no-history"]);
    terminal.press("\x03");
    assert_eq!(terminal.end().0, 130);
}

#[test]
fn pasted_lines_are_one_message() {
    let mut terminal = Terminal::session("/ack", &["--no-history"]);
    terminal.press("\x1b[200~one\ntwo\x1b[201~\r");
    terminal.expect("Recebido: one\r\n  two");
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn history_lasts_but_keeps_no_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history");
    for round in 0..2 {
        let server = RealServer::get();
        let url = server.url("/ack");
        let mut command = server.client(&[&url]);
        command.env("CLIENT_HISTORY", &history);
        let mut terminal = Terminal::start(command);
        terminal.expect("> ");
        if round == 0 {
            for line in ["remembered", " spaced", "/secret hidden"] {
                terminal.press(&format!("{line}\r"));
                terminal.expect("Recebido: ");
            }
        } else {
            // The line above is the last that was kept.
            terminal.press("\x1b[A\r");
            terminal.expect("Recebido: remembered");
        }
        terminal.press("\x04");
        assert_eq!(terminal.end().0, 0);
    }
    let kept = std::fs::read_to_string(history).unwrap();
    assert!(
        kept.contains("remembered") && !kept.contains("spaced") && !kept.contains("hidden"),
        "{kept}"
    );
}

#[test]
fn peer_cannot_steer_the_terminal() {
    let url = serve_websocket(|mut stream| async move {
        for text in [
            "\x1b[2J\x1b]52;c;aGk=\x07",
            "a\nforged line",
            "\u{9b}31m\u{202e}",
            "{\"olá\":[1,2]}",
        ] {
            stream.send(Message::text(text)).await.unwrap();
        }
        stream
            .send(Message::binary(vec![0, 0x1b, b'A']))
            .await
            .unwrap();
        stream.close(None).await.unwrap();
        while stream.next().await.is_some() {}
    });
    let terminal = Terminal::start(client(&[&url, "--mode", "pipe", "--idle", "0"]));
    let (status, seen) = terminal.end();
    assert_eq!(status, 0, "{seen}");
    for shown in [
        "\\x1b[2J\\x1b]52;c;aGk=\\x07",
        "< a\r\n  forged line",
        "\\u{9b}31m\\u{202e}",
        "< {\r\n    \"olá\": [\r\n      1,\r\n      2\r\n    ]\r\n  }",
        "00000000  00 1b 41",
    ] {
        assert!(seen.contains(shown), "{shown} in {seen:?}");
    }
    assert!(
        !seen.contains('\x1b') && !seen.contains('\u{9b}'),
        "{seen:?}"
    );
}

#[test]
fn k4_no_control_character_reaches_the_terminal() {
    let controls: Vec<char> = (0..=0x1f_u32)
        .filter(|&c| c != 9)
        .chain(0x7f..=0x9f)
        .chain(0x202a..=0x202e)
        .chain(0x2066..=0x2069)
        .map(|number| char::from_u32(number).unwrap())
        .collect();
    assert!(controls.len() >= 65 + 8);
    let all: String = controls.iter().collect();
    let one_each: Vec<String> = controls.iter().map(|c| format!("<{c}>")).collect();
    // As text, within JSON (which is laid out), as binary and as the reason of a Close frame (at most 123 bytes).
    let json = serde_json::to_string(&serde_json::json!({ "key": all })).unwrap();
    let reason: String = controls.iter().take(40).collect();
    let url = serve_websocket(move |mut stream| {
        let mut messages: Vec<Message> = one_each.iter().cloned().map(Message::text).collect();
        messages.push(Message::text(all.clone()));
        messages.push(Message::text(json.clone()));
        messages.push(Message::binary(all.clone().into_bytes()));
        let frame = tungstenite_deflate::tungstenite::protocol::CloseFrame {
            code: 4000.into(),
            reason: reason.clone().into(),
        };
        async move {
            for message in messages {
                stream.send(message).await.unwrap();
            }
            stream.send(Message::Close(Some(frame))).await.unwrap();
            while stream.next().await.is_some() {}
        }
    });
    let arguments = [
        url.as_str(),
        "--mode",
        "pipe",
        "--idle",
        "0",
        "--verbose",
        "--show-handshake",
    ];
    let (status, seen) = Terminal::start(client(&arguments)).end();
    assert_eq!(status, 1, "{seen}");
    assert!(
        seen.contains("<\\x1b>") && seen.contains("closed with 4000"),
        "{seen:?}"
    );
    // What is left are the line ends of the program and its terminal.
    let left: Vec<char> = seen
        .chars()
        .filter(|c| (c.is_control() || controls.contains(c)) && !"\r\n\t".contains(*c))
        .collect();
    assert!(left.is_empty(), "{left:?} in {seen:?}");
    let lines = seen
        .lines()
        .filter(|line| line.starts_with('<') && line.ends_with('>'));
    // The line feed made two lines.
    assert_eq!(lines.count(), controls.len() - 1, "{seen:?}");
    // --raw leaves them, as the help warns.
    let (_, raw) = Terminal::start(client(&[&url, "--mode", "pipe", "--idle", "0", "--raw"])).end();
    assert!(raw.contains("<\x1b>"), "{raw:?}");
}

#[test]
fn k4_what_a_server_says_in_its_answer_is_escaped() {
    let answer = "HTTP/1.1 403 \u{9b}2J\r\nX-Note: \u{9b}31m\u{202e}\r\nLocation: \u{202e}x\r\nContent-Length: 0\r\n\r\n";
    let url = common::serve_answer(answer);
    for arguments in [
        &[url.as_str(), "x", "--show-handshake"][..],
        &[&url, "x", "--follow"],
    ] {
        let (status, seen) = Terminal::start(client(arguments)).end();
        assert_eq!(status, 5, "{seen}");
        assert!(!seen.contains(['\x1b', '\u{9b}', '\u{202e}']), "{seen:?}");
    }
}

#[test]
fn files_are_sent_as_the_command_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("three bytes");
    std::fs::write(&path, [0, 0x1b, b'A']).unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "Olá do ficheiro").unwrap();
    let mut terminal = Terminal::session("/echo", &["--no-history"]);
    terminal.press(&format!("/binary {}\r", path.display()));
    terminal.expect("binary, 3 B");
    terminal.expect("00000000  00 1b 41");
    terminal.press(&format!("/file {}\r", text.display()));
    terminal.expect("Olá do ficheiro");
    // Completion knows file names too.
    terminal.press(&format!("/file {}/te\t", directory.path().display()));
    terminal.expect("/text");
    terminal.press("\r");
    terminal.expect("Olá do ficheiro");
    terminal.press("/secret once\r");
    // What was typed, and what came back, above a prompt that reads again: between two prompts the terminal itself would
    // take the Ctrl-D.
    terminal.expect("/secret once");
    terminal.expect("once");
    terminal.expect("> ");
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn colour_is_for_terminals_and_can_be_chosen() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let json = "{\"a\":1}";
    let base = [url.as_str(), json, "--insecure"];
    let on_terminal = |more: &[&str], no_color: &str| {
        let mut arguments = base.to_vec();
        arguments.extend(more);
        let mut command = server.client(&arguments);
        command.env("NO_COLOR", no_color);
        Terminal::start_as_is(command).end().1
    };
    let red = "\x1b[1;31mwarning:";
    let coloured = on_terminal(&[], "");
    assert!(
        coloured.contains(red) && coloured.contains("\x1b[36m"),
        "{coloured:?}"
    );
    assert!(!on_terminal(&[], "1").contains('\x1b'));
    assert!(!on_terminal(&["--color", "never"], "").contains('\x1b'));
    assert!(on_terminal(&["--color", "always"], "1").contains(red));
    // In a pipe a message stays as it came, and there is colour only where that is insisted on.
    let piped = common::run(&mut server.client(&base));
    assert_eq!(piped.stdout, format!("{json}\n"));
    assert!(!piped.stderr.contains('\x1b'), "{piped:?}");
    let mut arguments = base.to_vec();
    arguments.extend(["--color", "always"]);
    let insisted = common::run(&mut server.client(&arguments));
    assert!(insisted.stderr.contains(red), "{insisted:?}");
    assert_eq!(insisted.stdout, format!("{json}\n"));
}

#[test]
fn benchmark_shows_its_progress_on_a_terminal() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let arguments = ["bench", &url, "-c", "1", "-d", "700ms", "--warm-up", "0"];
    let (status, seen) = Terminal::start(server.client(&arguments)).end();
    assert_eq!(status, 0, "{seen}");
    assert!(
        seen.contains(" messages, ") && seen.contains("/s"),
        "{seen:?}"
    );
    let piped = common::run(&mut server.client(&arguments));
    assert_eq!(piped.stderr, "");
}
