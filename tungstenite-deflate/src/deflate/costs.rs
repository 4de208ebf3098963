//! Costs and gains of compression, as tables; run them with
//! `cargo test --release -p tungstenite-deflate --lib -- --ignored --nocapture --test-threads=1 compression_`.

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{Agreed, Codec, Compression, Compressor, DeflateConfig, Level, WindowBits};
use crate::memory::MemoryBudget;
use crate::tungstenite::protocol::Role;

/// JSON of at least `length` bytes cut there, made of chat lines in which most things differ.
fn chat(length: usize, mut seed: u64) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "the",
        "deploy",
        "is",
        "done",
        "and",
        "nobody",
        "noticed",
        "yet",
        "please",
        "look",
        "at",
        "latency",
        "of",
        "region",
        "two",
        "before",
        "lunch",
        "or",
        "after",
        "it",
        "was",
        "fine",
        "yesterday",
        "again",
    ];
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut text = String::from("[");
    while text.len() < length {
        let words: Vec<&str> = (0..4 + random(9))
            .filter_map(|_| WORDS.get(usize::try_from(random(24)).ok()?).copied())
            .collect();
        let line = format!(
            "{{\"type\":\"message\",\"id\":\"{:08x}\",\"room\":\"general\",\"user\":{{\"id\":{},\"name\":\"user{}\"}},\"text\":\"{}\",\"ts\":17{:011}}},",
            random(1 << 32),
            random(100_000),
            random(500),
            words.join(" "),
            random(100_000_000_000),
        );
        text.push_str(&line);
    }
    text.truncate(length);
    text.into_bytes()
}

#[test]
#[ignore = "prints figures; nothing to fail"]
fn compression_costs() {
    for keeps in [false, true] {
        println!(
            "context takeover: {keeps}; per message: µs to compress / µs to inflate / wire bytes per byte"
        );
        println!("| bytes | level 1 | zlib at 1 | 2 | 4 | 6 | 9 |\n|---|---|---|---|---|---|---|");
        for length in [125, 256, 512, 1_024, 4_096, 16_384] {
            let mut cells = vec![cell(keeps, Compressor::ByLevel, 1, length)];
            cells.extend([1, 2, 4, 6, 9].map(|level| cell(keeps, Compressor::Zlib, level, length)));
            println!("| {length} | {} |", cells.join(" | "));
        }
    }
}

/// Measures one level with messages of one length.
fn cell(keeps: bool, compressor: Compressor, level: u8, length: usize) -> String {
    let agreed = Agreed {
        server_no_context_takeover: !keeps,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let config = DeflateConfig::default()
        .encoder_window_bits(WindowBits::MAX)
        .level(Level::new(level).expect("1 to 9"))
        .compressor(compressor);
    let mut server = Codec::new(Role::Server, agreed, &config);
    let mut client = Codec::new(Role::Client, agreed, &config);
    let count = u32::try_from(400_000 / length)
        .expect("a few thousand")
        .min(1_000);
    let messages: Vec<Vec<u8>> = (1..=u64::from(count))
        .map(|seed| chat(length, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let (mut compress, mut inflate) = (Duration::MAX, Duration::MAX);
    for _ in 0..9 {
        let start = Instant::now();
        let wires: Vec<BytesMut> = messages
            .iter()
            .map(|message| {
                let mut wire = BytesMut::with_capacity(message.len());
                assert!(server.deflate(message, Compression::Always, &mut wire));
                wire
            })
            .collect();
        compress = compress.min(start.elapsed() / count);
        let mut out = BytesMut::with_capacity(length);
        let start = Instant::now();
        for wire in &wires {
            out.clear();
            client
                .inflate(wire, true, length, &mut out)
                .expect("our own data");
        }
        inflate = inflate.min(start.elapsed() / count);
    }
    let ratio = server.statistics().sent.ratio().unwrap_or_default();
    format!(
        "{:.1}/{:.1}/{ratio:.3}",
        compress.as_secs_f64() * 1e6,
        inflate.as_secs_f64() * 1e6
    )
}

/// Directory of the messages for [`compression_windows`]: files `*.bin`, each message after its length as a little-endian
/// u32, as `cargo bench --bench compression -- --write` in benches/comparison writes them.
const CORPORA: &str = "COMPRESSION_CORPORA";

/// Compares windows of one size with one that follows the mean length of the messages.
#[test]
#[ignore = "prints figures; nothing to fail"]
fn compression_windows() {
    let Ok(directory) = std::env::var(CORPORA) else {
        return;
    };
    println!("wire bytes per byte of message, bytes of the context\n");
    println!(
        "| corpus | mean | 1 KiB | 2 KiB | 4 KiB | 8 KiB | 8 messages |\n|---|---|---|---|---|---|---|"
    );
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut sums = [(0.0, 0); 5];
    for file in &files {
        let messages = split(&std::fs::read(file).expect("a file"));
        let mean = messages.iter().map(Vec::len).sum::<usize>() / messages.len();
        let fixed = [10, 11, 12, 13].map(|bits| windowed(&messages, bits));
        let following = usize::try_from((8 * mean).next_power_of_two().ilog2()).expect("bits");
        let following = fixed[following.clamp(10, 13) - 10];
        let cells = [fixed[0], fixed[1], fixed[2], fixed[3], following];
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum = (sum.0 + cell.0, sum.1 + cell.1);
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let cells = cells.map(|(ratio, bytes)| format!("{ratio:.3}; {bytes}"));
        println!("| {name} | {mean} | {} |", cells.join(" | "));
    }
    let count = u32::try_from(files.len()).expect("a few files");
    let means = sums
        .map(|(ratio, bytes)| format!("{:.3}; {}", ratio / f64::from(count), bytes / files.len()));
    println!("| mean | | {} |", means.join(" | "));
}

/// Ratio, and bytes of the context, of a server that sends `messages` with a history of one window.
fn windowed(messages: &[Vec<u8>], bits: u8) -> (f64, usize) {
    let agreed = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let config =
        DeflateConfig::default().encoder_window_bits(WindowBits::new(bits).expect("9 to 15"));
    let mut server = Codec::new(Role::Server, agreed, &config);
    let (mut bytes, mut wire_bytes) = (0, 0);
    for message in messages {
        let mut wire = BytesMut::new();
        let is_compressed = server.deflate(message, Compression::Auto, &mut wire);
        bytes += message.len();
        wire_bytes += if is_compressed {
            wire.len()
        } else {
            message.len()
        };
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio has three digits")]
    let ratio = wire_bytes as f64 / bytes as f64;
    (ratio, server.statistics().context_bytes)
}

/// The messages of a corpus.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("it fits");
        let (message, rest) = rest.split_at(length);
        messages.push(message.to_vec());
        bytes = rest;
    }
    messages
}

/// Connections of one setting.
const CONNECTIONS: usize = 1_000;
/// Tells [`compression_memory_of_one_setting`] what to measure.
const SETTING: &str = "COMPRESSION_MEMORY_SETTING";

#[test]
#[ignore = "prints figures; nothing to fail"]
fn compression_memory() {
    println!("resident bytes per connection of a server, measured over {CONNECTIONS} connections");
    println!(
        "| level, our window, the peer's | server's contexts | client's contexts | agreed | 1 KiB each way | 64 KiB each way |\n|---|---|---|---|---|---|"
    );
    for (level, server, client, windows) in [
        (1, false, false, [15, 15]),
        (1, false, true, [15, 11]),
        (1, false, true, [15, 15]),
        (1, true, false, [11, 15]),
        (1, true, false, [13, 15]),
        (1, true, true, [11, 11]),
        (1, true, true, [15, 15]),
        (2, true, true, [12, 15]),
        (2, true, true, [15, 15]),
    ] {
        let [ours, theirs] = windows;
        // A process of its own each, so that no heap has room left from the one before.
        let figures = [0, 1, 64].map(|messages| {
            let run = std::process::Command::new(std::env::current_exe().expect("this program"))
                .args([
                    "--ignored",
                    "--nocapture",
                    "--test-threads=1",
                    "compression_memory_of_one_setting",
                ])
                .env(
                    SETTING,
                    format!("{level},{server},{client},{ours},{theirs},{messages}"),
                )
                .output()
                .expect("this program again");
            let printed = String::from_utf8_lossy(&run.stdout).into_owned();
            let (_, figure) = printed.split_once("bytes=").expect("a figure");
            figure
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        let kept = |keeps| if keeps { "kept" } else { "–" };
        println!(
            "| {level}, {ours}, {theirs} | {} | {} | {} |",
            kept(server),
            kept(client),
            figures.join(" | ")
        );
    }
}

#[test]
#[ignore = "run by compression_memory"]
fn compression_memory_of_one_setting() {
    let Ok(setting) = std::env::var(SETTING) else {
        return;
    };
    let parts: Vec<&str> = setting.split(',').collect();
    let [level, server, client, ours, theirs, messages] = parts[..] else {
        panic!("six parts: {setting}")
    };
    let level = level.parse().expect("1 to 9");
    let (server, client) = (server == "true", client == "true");
    let windows = [ours, theirs].map(|bits| bits.parse().expect("9 to 15"));
    let messages = messages.parse().expect("a number");
    // Fills the thread's pool.
    drop(settle(level, server, client, windows, messages, 10));
    let before = resident_bytes();
    let codecs = settle(level, server, client, windows, messages, CONNECTIONS);
    let bytes = resident_bytes().saturating_sub(before) / CONNECTIONS;
    drop(codecs);
    println!("bytes={bytes}");
}

/// The servers' codecs of `count` connections after so many messages of 1 KiB each way.
fn settle(
    level: u8,
    server: bool,
    client: bool,
    [server_max_window_bits, client_max_window_bits]: [u8; 2],
    messages: u64,
    count: usize,
) -> Vec<Codec> {
    let agreed = Agreed {
        server_no_context_takeover: !server,
        client_no_context_takeover: !client,
        server_max_window_bits,
        client_max_window_bits,
    };
    let config = DeflateConfig::default()
        .encoder_window_bits(WindowBits::MAX)
        // No context is to give way to another.
        .memory(MemoryBudget::new(usize::MAX))
        .level(Level::new(level).unwrap());
    let mut peer = Codec::new(Role::Client, agreed, &config);
    let mut wires: Vec<(Vec<u8>, BytesMut)> = Vec::new();
    for seed in 1..=messages {
        let message = chat(1_024, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut wire = BytesMut::new();
        assert!(peer.deflate(&message, Compression::Always, &mut wire));
        wires.push((message, wire));
    }
    let mut codecs = Vec::with_capacity(count);
    let mut out = BytesMut::with_capacity(2_048);
    for _ in 0..count {
        let mut codec = Codec::new(Role::Server, agreed, &config);
        for (message, wire) in &wires {
            out.clear();
            assert!(codec.deflate(message, Compression::Always, &mut out));
            out.clear();
            codec
                .inflate(wire, true, message.len(), &mut out)
                .expect("our own data");
        }
        codecs.push(codec);
    }
    codecs
}

/// The process's resident memory.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .expect("pages")
        * 4_096
}
