//! Compressed messages that are far larger than they look.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::attack::Attack;
use crate::ends::{End, Ends, try_each};
use crate::row::Row;
use crate::socket::{Socket, frame};

/// The bombs.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "d8-bombs",
        threats: "D8",
        what: "100 connections send a message of 64 MiB in 64 KiB of DEFLATE at once; the limit is 1 MiB",
        growth: 128,
        run: |attack| whole(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "d8-bombs-64k",
        threats: "D8",
        what: "the same at a limit of 64 KiB",
        flags: ("--max-message-bytes 64KiB", "--max-message-bytes 64KiB"),
        growth: 24,
        run: |attack| whole(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "d8-bombs-fragments",
        threats: "D8",
        what: "the same bomb in 1,000 fragments; the limit is 1 MiB",
        growth: 128,
        run: |attack| fragmented(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn whole(attack: &Attack<'_>) -> Result<String> {
    explode(attack, frame(FIRST | FIN, &bomb()?)).await
}

async fn fragmented(attack: &Attack<'_>) -> Result<String> {
    let bomb = bomb()?;
    let mut bytes = Vec::new();
    let size = bomb.len().div_ceil(1_000);
    let count = bomb.len().div_ceil(size);
    for (number, part) in bomb.chunks(size).enumerate() {
        let first = if number == 0 { FIRST } else { 0 };
        let last = if number + 1 == count { FIN } else { 0 };
        bytes.extend_from_slice(&frame(first | last, part));
    }
    explode(attack, bytes).await
}

/// Sends `bytes` on a hundred connections at once; all must be closed with 1009 within two seconds.
async fn explode(attack: &Attack<'_>, bytes: Vec<u8>) -> Result<String> {
    let sockets = try_each(CONNECTIONS, 16, async |number| {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        Socket::open(&attack.dial.from(number % 2), "/echo", offer).await
    });
    let sockets = sockets.await?.into_iter();
    let begun = Instant::now();
    let exploding = sockets.map(|socket| socket.end_after(&bytes, Duration::from_secs(10)));
    let ends: Ends = join_all(exploding).await.into_iter().collect();
    let took = begun.elapsed();
    ends.all("1009 for all", |end| *end == End::Closed(1009))?;
    ensure!(
        took < Duration::from_secs(2),
        "{ends}, but only after {took:?}"
    );
    Ok(format!("{ends} within {} ms", took.as_millis()))
}

/// 64 MiB of zeros as one compressed message (RFC 7692 §7.2.1).
fn bomb() -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros)?;
    }
    encoder.flush()?;
    let mut bytes = encoder.get_ref().clone();
    ensure!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "not flushed");
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

/// Connections that send at once.
const CONNECTIONS: usize = 100;
/// Binary, RSV1: compressed.
const FIRST: u8 = 0x42;
/// The last frame of a message.
const FIN: u8 = 0x80;
