//! Every line that is typed is sent, in order: whenever it is typed, however fast, whatever its bytes.
//!
//! Members of the kind "input between two lines is lost": lines before the program runs, before the connection is open
//! and after; all at once and 20 ms apart; a paste without marks that is larger than every buffer, with replies printed
//! meanwhile; the end of input typed ahead; bytes that are no UTF-8; tabs; an interrupt amid a line; terminals that the
//! editor cannot use; a terminal at one end only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::terminal::Terminal;
use common::{PATIENCE, client, header, read_head, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;
use tungstenite_deflate::tungstenite::protocol::Role;

/// A server that answers the handshake when it is told to, notes every text and echoes it.
struct Server {
    url: String,
    asked: Receiver<()>,
    answer: Sender<()>,
    texts: Receiver<String>,
}

impl Server {
    fn new() -> Self {
        let (asked_sender, asked) = channel();
        let (answer, answered) = channel::<()>();
        let (text_sender, texts) = channel();
        let answered = Arc::new(Mutex::new(answered));
        let address = serve(move |mut stream| {
            let head = read_head(&mut stream);
            asked_sender.send(()).unwrap();
            answered.lock().unwrap().recv().unwrap();
            let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
            let accept = derive_accept_key(key.as_bytes());
            let response = format!(
                "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(response.as_bytes()).unwrap();
            echo(stream, &text_sender);
        });
        Self {
            url: format!("ws://{address}/"),
            asked,
            answer,
            texts,
        }
    }

    /// The connection opens as soon as it is asked for.
    fn open() -> Self {
        let server = Self::new();
        server.answer.send(()).unwrap();
        server
    }

    fn text(&self) -> String {
        self.texts.recv_timeout(PATIENCE).unwrap()
    }

    fn client(&self) -> std::process::Command {
        let mut command = client(&[&self.url, "--no-history", "--no-deflate"]);
        command.env("NO_COLOR", "1");
        command
    }
}

fn echo(stream: std::net::TcpStream, texts: &Sender<String>) {
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut stream =
            tungstenite_deflate::WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = &message {
                let _ = texts.send(text.to_string());
                let _ = stream.send(message).await;
            }
        }
    });
}

fn lines(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("linha {number} é"))
        .collect()
}

/// The lines, each with its Enter.
fn typed(lines: &[String]) -> String {
    lines.join("\r") + if lines.is_empty() { "" } else { "\r" }
}

/// Types each line, at once or one by one.
fn type_lines(terminal: &mut Terminal, lines: &[String], is_paced: bool) {
    if !is_paced {
        terminal.press(&typed(lines));
        return;
    }
    for line in lines {
        terminal.press(&format!("{line}\r"));
        // The speed of typing, not a wait for anything.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn lines_typed_before_while_and_after_the_connection_opens_are_all_sent() {
    for is_paced in [false, true] {
        for typed_ahead in [0, 10] {
            let server = Server::new();
            let all = lines(50);
            let ahead = typed(&all[..typed_ahead]);
            let mut terminal = Terminal::start_typed_ahead(server.client(), ahead.as_bytes());
            server.asked.recv_timeout(PATIENCE).unwrap();
            type_lines(&mut terminal, &all[typed_ahead..20], is_paced);
            server.answer.send(()).unwrap();
            // Some while it opens, the rest after the prompt.
            type_lines(&mut terminal, &all[20..30], is_paced);
            terminal.expect("/help shows the commands");
            terminal.expect("> ");
            type_lines(&mut terminal, &all[30..], is_paced);
            for line in &all {
                assert_eq!(
                    server.text(),
                    *line,
                    "paced: {is_paced}, ahead: {typed_ahead}"
                );
            }
            for line in &all {
                terminal.expect(&format!("< {line}\r\n"));
            }
            terminal.press("\x04");
            let (status, seen) = terminal.end();
            assert_eq!(status, 0, "{seen}");
        }
    }
}

#[test]
fn three_lines_typed_by_a_program_are_three_messages() {
    let server = Server::open();
    let mut terminal = Terminal::start(server.client());
    terminal.expect("> ");
    terminal.press("um\rdois\rtrês\r");
    let texts: Vec<String> = (0..3).map(|_| server.text()).collect();
    assert_eq!(texts, ["um", "dois", "três"]);
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn large_paste_without_marks_is_sent_while_replies_are_printed() {
    let server = Server::open();
    let mut terminal = Terminal::start(server.client());
    terminal.expect("> ");
    let all = lines(3000);
    let pasted = typed(&all);
    // More than the buffers of terminals hold: writing ends when the program has read most of it.
    terminal.press(&pasted);
    for line in &all {
        assert_eq!(server.text(), *line);
    }
    for line in &all {
        terminal.expect(&format!("< {line}\r\n"));
    }
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn end_of_input_typed_ahead_comes_after_the_lines() {
    for (when, ahead) in [("before", true), ("after", false)] {
        let server = Server::open();
        let typed = "um\rdois\r\x04";
        let terminal = if ahead {
            Terminal::start_typed_ahead(server.client(), typed.as_bytes())
        } else {
            let mut terminal = Terminal::start(server.client());
            terminal.expect("> ");
            terminal.press(typed);
            terminal
        };
        let (status, seen) = terminal.end();
        assert_eq!(status, 0, "{when}: {seen}");
        assert_eq!([server.text(), server.text()], ["um", "dois"], "{when}");
    }
}

#[test]
fn bytes_that_are_no_utf8_end_nothing() {
    for (wrong, sent) in [
        (&b"\xff"[..], "\u{fffd}"),
        (b"Jo\xe3o", "Jo\u{fffd}o"),
        (b"\xc3(", "\u{fffd}("),
        (b"\x80\x80", "\u{fffd}\u{fffd}"),
    ] {
        let server = Server::open();
        let mut terminal = Terminal::start(server.client());
        terminal.expect("> ");
        terminal.press_bytes(&[b"um\r", wrong, b"\rdois\r"].concat());
        assert_eq!(
            [server.text(), server.text(), server.text()],
            ["um", sent, "dois"]
        );
        terminal.press("\x04");
        assert_eq!(terminal.end().0, 0);
    }
}

#[test]
fn tabs_of_a_text_are_sent_and_those_of_a_command_complete() {
    let server = Server::open();
    let mut terminal = Terminal::start(server.client());
    terminal.expect("> ");
    terminal.press("a\tb\r//x\ty\r/sec\tc\td\r");
    assert_eq!(
        [server.text(), server.text(), server.text()],
        ["a\tb", "/x\ty", "cd"]
    );
    terminal.press("\x04");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn control_c_clears_a_line_before_it_interrupts() {
    let server = Server::open();
    let mut terminal = Terminal::start(server.client());
    terminal.expect("> ");
    terminal.press("meia linha\x03inteira\r");
    assert_eq!(server.text(), "inteira");
    terminal.expect("< inteira");
    terminal.press("\x03");
    assert_eq!(terminal.end().0, 130);
}

#[test]
fn plain_terminals_and_redirected_output_need_no_editor() {
    for term in ["dumb", "emacs"] {
        let server = Server::open();
        let mut command = server.client();
        command.env("TERM", term).args(["--idle", "100ms"]);
        let mut terminal = Terminal::start(command);
        terminal.press("um\rdois\r");
        assert_eq!([server.text(), server.text()], ["um", "dois"]);
        terminal.expect("< dois");
        terminal.press("\x04");
        let (status, seen) = terminal.end();
        assert_eq!(status, 0, "{term}: {seen}");
    }
    // Standard input on a terminal, output to a program.
    let server = Server::open();
    let mut command = server.client();
    command.args(["--expect", "2"]);
    let (mut terminal, stdout) = Terminal::start_piped(command);
    terminal.press("um\rdois\r");
    let mut seen = String::new();
    { stdout }.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "um\ndois\n");
    let (status, seen) = terminal.end();
    assert_eq!(status, 0, "{seen}");
    // Insisting on the editor without its terminal is told at once.
    let mut command = server.client();
    command
        .args(["--mode", "interactive"])
        .stdout(Stdio::piped());
    common::run(&mut command).assert_refused(2, "--mode interactive needs");
}
