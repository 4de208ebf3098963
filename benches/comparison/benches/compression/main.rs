//! Compression of small messages: ratio, instructions, and bytes of a connection.
//!
//! `cargo bench --bench compression` runs the generated corpora, `-- DIRECTORY` adds those of a directory, `--instructions` repeats
//! every run under callgrind, `-- --write DIRECTORY` only writes the generated corpora, for the programs in `peers/`. One server sends all messages of a corpus to one client, through a stream in memory.
//!
//! - ratio: payload bytes of the frames, divided by the bytes of the messages
//! - instructions: of one `send`, the frame included, on average
//! - bytes: allocated for the connection when nothing was sent yet, and after the last message

mod corpora;
mod wire;

use std::alloc::System;
use std::path::Path;
use std::process::Command;

use bytes::{Bytes, BytesMut};
use corpora::Corpus;
use futures_util::{FutureExt, SinkExt};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, DeflateConfig, Options, WebSocketStream};
use wire::Counter;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Level of the peers, their default.
const LEVEL: u32 = 6;
const IMPLEMENTATIONS: [(&str, fn(&Corpus) -> Figures); 6] = [
    ("tungstenite-deflate, no takeover", |corpus| {
        ours(corpus, false)
    }),
    ("tungstenite-deflate, takeover", |corpus| ours(corpus, true)),
    ("yawc, no takeover", |corpus| yawc(corpus, false)),
    ("yawc, takeover", |corpus| yawc(corpus, true)),
    ("sockudo-ws, no takeover", |corpus| sockudo(corpus, false)),
    ("sockudo-ws, takeover", |corpus| sockudo(corpus, true)),
];

/// The memory of one connection.
struct Figures {
    payload: usize,
    idle: usize,
    active: usize,
}

/// Bytes allocated at the moment.
fn allocated() -> usize {
    let counted = ALLOCATOR.stats();
    counted.bytes_allocated - counted.bytes_deallocated
}

/// Nothing here ever waits, so a future that is not ready at once is a mistake of this program.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the wire takes everything")
}

/// Runs a connection twice: what the first one leaves with the thread does not count for the second.
fn run<S>(corpus: &Corpus, make: impl Fn(Counter) -> S, send: impl Fn(&mut S, &[u8])) -> Figures {
    let mut warm = make(Counter::default());
    corpus
        .messages
        .iter()
        .take(50)
        .for_each(|message| send(&mut warm, message));
    drop(warm);
    let before = allocated();
    let counter = Counter::default();
    let payload = counter.payload.clone();
    let mut stream = make(counter);
    let idle = allocated() - before;
    send_all(&mut stream, corpus, &send);
    let active = allocated() - before;
    Figures {
        payload: payload.get(),
        idle,
        active,
    }
}

/// The loop whose instructions callgrind counts.
#[inline(never)]
fn send_all<S>(stream: &mut S, corpus: &Corpus, send: &impl Fn(&mut S, &[u8])) {
    for message in &corpus.messages {
        send(stream, message);
    }
}

/// Level 1 with 2 KiB of history.
fn ours(corpus: &Corpus, takeover: bool) -> Figures {
    let agreed = Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: true,
        server_max_window_bits: if takeover { 11 } else { 15 },
        client_max_window_bits: 15,
    };
    let threshold = if takeover { 16 } else { 96 };
    let deflate = DeflateConfig::default().threshold(threshold);
    let make = |counter| {
        let options = Options::default().deflate(Some(deflate.clone()));
        WebSocketStream::with_options(
            counter,
            BytesMut::new(),
            Role::Server,
            options,
            Some(agreed),
        )
    };
    run(corpus, make, |stream, message| {
        let message = Message::binary(Bytes::copy_from_slice(message));
        now(stream.send(message)).expect("an open connection");
    })
}

fn yawc(corpus: &Corpus, takeover: bool) -> Figures {
    let options = yawc::Options::default()
        .with_compression_level(yawc::CompressionLevel::new(LEVEL))
        .with_compression_threshold(0);
    let (options, extensions) = if takeover {
        (options, "permessage-deflate")
    } else {
        let options = options
            .server_no_context_takeover()
            .client_no_context_takeover();
        (
            options,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        )
    };
    let make = |counter| {
        yawc::WebSocket::from_stream_with_extensions(
            counter,
            yawc::Role::Server,
            Some(extensions),
            options.clone(),
        )
        .expect("the extension is enabled")
    };
    run(corpus, make, |stream, message| {
        now(stream.send(yawc::Frame::binary(Bytes::copy_from_slice(message))))
            .expect("an open connection");
    })
}

fn sockudo(corpus: &Corpus, takeover: bool) -> Figures {
    let make = |counter| {
        let deflate = sockudo_ws::deflate::DeflateConfig {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: true,
            compression_level: LEVEL,
            compression_threshold: 0,
            ..Default::default()
        };
        sockudo_ws::CompressedWebSocketStream::server(
            counter,
            sockudo_ws::Config::default(),
            deflate,
        )
    };
    run(corpus, make, |stream, message| {
        let message = sockudo_ws::Message::Binary(Bytes::copy_from_slice(message));
        now(stream.send(message)).expect("an open connection");
    })
}

/// Instructions of one message: this program again, with one implementation and corpus, under callgrind.
fn instructions(name: &str, corpus: &Corpus, directory: Option<&str>) -> Option<usize> {
    let program = std::env::current_exe().ok()?;
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*send_all*",
        ])
        .arg(program)
        .args(directory)
        .args(["--only", name, &corpus.name])
        .output()
        .ok()?;
    let printed = String::from_utf8_lossy(&run.stderr).into_owned();
    let line = printed.lines().find(|line| line.contains("Collected"))?;
    let total: usize = line.rsplit(' ').next()?.parse().ok()?;
    Some(total / corpus.messages.len())
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let directory = arguments
        .first()
        .filter(|argument| !argument.starts_with("--"))
        .map(String::as_str);
    let mut corpora = corpora::generated();
    if let [option, directory] = &arguments[..]
        && option == "--write"
    {
        corpora::write(&corpora, Path::new(directory)).expect("a writable directory");
        return;
    }
    if let Some(directory) = directory {
        corpora.extend(corpora::read(Path::new(directory)).expect("a directory of corpora"));
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--only") {
        let (_, figures) = IMPLEMENTATIONS
            .into_iter()
            .find(|(name, _)| *name == arguments[at + 1])
            .expect("a name");
        let corpus = corpora
            .iter()
            .find(|corpus| corpus.name == arguments[at + 2])
            .expect("a corpus");
        figures(corpus);
        return;
    }
    let count = arguments
        .iter()
        .any(|argument| argument == "--instructions");
    println!("| corpus | implementation | ratio | instructions | bytes idle | bytes active |");
    println!("|---|---|--:|--:|--:|--:|");
    for corpus in &corpora {
        for (name, figures) in IMPLEMENTATIONS {
            let taken = figures(corpus);
            let ratio = taken.payload as f64 / corpus.bytes() as f64;
            let instructions = count
                .then(|| instructions(name, corpus, directory))
                .flatten();
            let instructions = instructions.map_or("–".into(), |count| count.to_string());
            println!(
                "| {} | {name} | {ratio:.3} | {instructions} | {} | {} |",
                corpus.name, taken.idle, taken.active
            );
        }
    }
}
