//! Messages that never end, in as many pieces as it takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use crate::attack::Attack;
use crate::ends::{End, each, try_each};
use crate::row::Row;
use crate::socket::{Socket, frame, header};

/// Fragments, unfinished messages, dribbled frames.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r3-fragments",
        threats: "R3",
        what: "8 connections send fragments of one byte and never the last one, a million in the long form",
        growth: 24,
        run: |attack| fragments(attack, b"a").boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r3-empty-fragments",
        threats: "R3",
        what: "the same with empty fragments",
        growth: 16,
        run: |attack| fragments(attack, b"").boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r4-unfinished",
        threats: "R4",
        what: "100 (long: 1,000) connections send 99 % of a message of 1 MiB and then nothing",
        flags: ("--message-timeout 3s --max-buffered-bytes 32MiB", ""),
        growth: 192,
        run: |attack| unfinished(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r5-dribble",
        threats: "R5",
        what: "4 (long: 100) connections send a message of 64 KiB in TLS records of one byte, which is echoed",
        growth: 24,
        run: |attack| dribble(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

/// Sends fragments until the server has enough of them.
async fn fragments(attack: &Attack<'_>, payload: &[u8]) -> Result<String> {
    let most = attack.of(100_000, 1_000_000);
    let thousand = frame(0, payload).repeat(1_000);
    let ends = each(8, 8, async |number| {
        let Ok(mut socket) = Socket::open(&attack.dial.from(number), "/echo", "").await else {
            return End::Cut;
        };
        if socket.send(&frame(0x01, payload)).await.is_err() {
            return End::Cut;
        }
        socket.flood(&thousand, most / 1_000).await
    });
    let ends = ends.await;
    ends.all("1008 for all", |end| *end == End::Closed(1008))
}

/// Holds most of a message on each of many connections.
async fn unfinished(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(100, 1_000);
    let deadline = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    let mut most = header(0x82, 1 << 20);
    most.resize(most.len() + (1 << 20) / 100 * 99, b'a');
    let ends = each(count, count, async |number| {
        let dial = attack.dial.from(number % 10);
        let Ok(socket) = Socket::open(&dial, "/echo", "").await else {
            return End::Cut;
        };
        // One that is refused memory is closed while it sends.
        let patience = deadline + Duration::from_secs(10);
        socket.end_after(&most, patience).await
    });
    let ends = ends.await;
    ends.all("1008 or 1013 for all", |end| {
        matches!(end, End::Closed(1008 | 1013))
    })?;
    ensure!(
        ends.count(|end| *end == End::Closed(1013)) > 0,
        "{ends}: the bound for all together was never felt"
    );
    Ok(ends.to_string())
}

/// Sends a whole message byte by byte, each in a TLS record of its own.
async fn dribble(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(4, 100);
    let payload: BytesMut = (0..64 * 1024_u32).map(|at| (at % 251) as u8).collect();
    let message = frame(0x82, &payload);
    let echoed = try_each(count, count, async |number| {
        let mut socket = Socket::open(&attack.dial.from(number), "/echo", "").await?;
        for (at, byte) in message.iter().enumerate() {
            socket.send(&[*byte]).await?;
            if at % 512 == 0 {
                // The other connections of this thread have their turn.
                sleep(Duration::ZERO).await;
            }
        }
        let answer = timeout(Duration::from_secs(20), socket.next()).await??;
        let answer = answer.context("closed without an echo")?;
        ensure!(answer.payload == payload, "another message came back");
        Ok(())
    });
    echoed.await?;
    Ok(format!("{count} × echoed whole"))
}
