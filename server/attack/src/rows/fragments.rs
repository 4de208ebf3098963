//! Messages that never end, in as many pieces as it takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{sleep, timeout};

use crate::attack::{Attack, Form};
use crate::ends::{End, Ends};
use crate::row::{Row, defaults};
use crate::socket::{Socket, frame, header, send};

/// Fragments, unfinished messages, dribbled frames.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r3-fragments",
        threats: "R3",
        what: "8 connections send fragments of one byte and never the last one, a million in the long form",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (20, 60),
        run: |attack| fragments(attack, b"a").boxed_local(),
    },
    Row {
        name: "r3-empty-fragments",
        threats: "R3",
        what: "the same with empty fragments",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (20, 60),
        run: |attack| fragments(attack, b"").boxed_local(),
    },
    Row {
        name: "r4-unfinished",
        threats: "R4",
        what: "100 (long: 1,000) connections send 99 % of a message of 1 MiB and then nothing",
        flags: |form| match form {
            Form::Short => "--message-timeout 3s --max-buffered-bytes 32MiB",
            Form::Long => "",
        },
        growth: 192,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 90),
        run: |attack| unfinished(attack).boxed_local(),
    },
    Row {
        name: "r5-dribble",
        threats: "R5",
        what: "4 (long: 100) connections send a message of 64 KiB in TLS records of one byte, which is echoed",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (40, 300),
        run: |attack| dribble(attack).boxed_local(),
    },
];

/// Sends fragments until the server has enough of them.
async fn fragments(attack: &Attack<'_>, payload: &[u8]) -> Result<String> {
    let most = attack.of(100_000, 1_000_000);
    let ends: Ends = join_all((0..8).map(|number| async move {
        let Ok(mut socket) = Socket::open(&attack.dial.from(number), "/echo", "").await else {
            return End::Cut;
        };
        let thousand: Vec<u8> = (0..1_000).flat_map(|_| frame(0, payload)).collect();
        if socket.send(&frame(0x01, payload)).await.is_err() {
            return End::Cut;
        }
        let (mut reader, mut writer) = socket.split();
        let sending = async {
            for _ in 0..most / 1_000 {
                if send(&mut writer, &thousand).await.is_err() {
                    break;
                }
            }
        };
        let (end, ()) = tokio::join!(reader.end(Duration::from_secs(15)), sending);
        end
    }))
    .await
    .into_iter()
    .collect();
    ends.all("1008 for all", |end| *end == End::Closed(1008))?;
    Ok(ends.to_string())
}

/// Holds most of a message on each of many connections.
async fn unfinished(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(100, 1_000);
    let deadline = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    let mut most = header(0x82, 1 << 20);
    most.resize(most.len() + (1 << 20) / 100 * 99, b'a');
    let most = &most;
    let ends: Ends = stream::iter(0..count)
        .map(|number| async move {
            let Ok(mut socket) = Socket::open(&attack.dial.from(number % 10), "/echo", "").await
            else {
                return End::Cut;
            };
            // One that is refused memory is closed while it sends.
            let _ = socket.send(most).await;
            socket.end(deadline + Duration::from_secs(10)).await
        })
        .buffer_unordered(count)
        .collect()
        .await;
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
    let (message, payload) = (&message, &payload);
    let echoed: Result<Vec<()>> = join_all((0..count).map(|number| async move {
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
        ensure!(answer.payload == *payload, "another message came back");
        Ok(())
    }))
    .await
    .into_iter()
    .collect();
    echoed?;
    Ok(format!("{count} × echoed whole"))
}
