//! More frames than anybody needs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::time::{sleep, timeout};

use crate::attack::Attack;
use crate::ends::End;
use crate::row::{Row, defaults};
use crate::socket::{Socket, frame, send};

/// Floods of small frames.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r6-pings",
        threats: "R6",
        what: "4 connections send Pings of 125 bytes as fast as they can, 200,000 in all (long: a million); 200 at once are allowed",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| pings(attack).boxed_local(),
    },
    Row {
        name: "r6-pings-deaf",
        threats: "R6, R8",
        what: "the same for 3 s (long: 30 s) without ever reading, with a receive buffer of 4 KiB",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (20, 60),
        run: |attack| deaf_pings(attack).boxed_local(),
    },
    Row {
        name: "r6-tiny-messages",
        threats: "R6",
        what: "4 connections send messages of one byte as fast as they can; each of 40,000 (long: 400,000) is echoed",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| tiny(attack).boxed_local(),
    },
    Row {
        name: "r6-chat-flood",
        threats: "R6, R12",
        what: "20 members of a room send 1,000 lines each at once; 400 are allowed",
        flags: defaults,
        growth: 48,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 60),
        run: |attack| chatter(attack).boxed_local(),
    },
];

/// Pings with a number; who sends more than are allowed is sent away.
async fn pings(attack: &Attack<'_>) -> Result<String> {
    let each = attack.of(50_000_u64, 250_000);
    let ends = try_join_all((0..4).map(|number| async move {
        let socket = Socket::open(&attack.dial.from(number), "/echo", "").await?;
        let (mut reader, mut writer) = socket.split();
        let sending = async {
            for first in (0..each).step_by(100) {
                let bytes: Vec<u8> = (first..first + 100).flat_map(ping).collect();
                // It is closed while it sends.
                if send(&mut writer, &bytes).await.is_err() {
                    break;
                }
            }
        };
        let ((), end) = tokio::join!(sending, reader.end(Duration::from_secs(15)));
        Ok::<_, anyhow::Error>(end)
    }))
    .await?;
    let ends: crate::ends::Ends = ends.into_iter().collect();
    // What was still on its way when the server closed may reset the connection before its Close is read.
    ends.all("1008 or cut off for all", |end| {
        matches!(end, End::Closed(1008) | End::Cut)
    })?;
    Ok(ends.to_string())
}

/// A Ping of the largest size with `number` at its beginning.
fn ping(number: u64) -> Vec<u8> {
    let mut payload = [b'p'; 125];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    frame(0x89, &payload)
}

async fn deaf_pings(attack: &Attack<'_>) -> Result<String> {
    let time = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    let begun = Instant::now();
    let hundred: Vec<u8> = (0..100).flat_map(ping).collect();
    let hundred = &hundred;
    let taken = try_join_all((0..4).map(|number| async move {
        let dial = attack.dial.from(number).receiving(4096);
        let mut socket = Socket::open(&dial, "/echo", "").await?;
        let mut taken = 0_u64;
        let sending = async {
            while socket.send(hundred).await.is_ok() {
                taken += 100;
                tokio::task::yield_now().await;
            }
        };
        let left = time.saturating_sub(begun.elapsed());
        let ended = timeout(left, sending).await.is_ok();
        sleep(time.saturating_sub(begun.elapsed())).await;
        Ok::<_, anyhow::Error>((taken, ended))
    }))
    .await?;
    let ended = taken.iter().filter(|(_, ended)| *ended).count();
    let pings: u64 = taken.iter().map(|(taken, _)| taken).sum();
    ensure!(ended == 4, "{ended} of 4 connections dropped");
    Ok(format!(
        "{pings} Pings taken, {ended} of 4 connections dropped"
    ))
}

async fn tiny(attack: &Attack<'_>) -> Result<String> {
    let each = attack.of(10_000, 100_000);
    try_join_all((0..4).map(|number| async move {
        let socket = Socket::open(&attack.dial.from(number), "/echo", "").await?;
        let (mut reader, mut writer) = socket.split();
        let hundred: Vec<u8> = (0..100).flat_map(|_| frame(0x81, b"t")).collect();
        let sending = async {
            for _ in 0..each / 100 {
                send(&mut writer, &hundred).await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let reading = async {
            for count in 0..each {
                let answer = reader.next().await?;
                let answer = answer.with_context(|| format!("closed after {count} echoes"))?;
                ensure!(
                    answer.first == 0x81 && &answer.payload[..] == b"t",
                    "not the echo"
                );
            }
            Ok(())
        };
        tokio::try_join!(reading, sending).map(|_| ())
    }))
    .await?;
    Ok(format!("{} of {} echoed", each * 4, each * 4))
}

async fn chatter(attack: &Attack<'_>) -> Result<String> {
    let lines: Vec<u8> = (0..1_000)
        .flat_map(|_| frame(0x81, b"one more line"))
        .collect();
    let lines = &lines;
    let ends = try_join_all((0..20).map(|number| async move {
        let path = format!("/chat/flood-{}?name=f{number}", number % 4);
        let socket = Socket::open(&attack.dial.from(number), &path, "").await?;
        let (mut reader, mut writer) = socket.split();
        // It is closed while it sends.
        let (_, end) = tokio::join!(
            send(&mut writer, lines),
            reader.end(Duration::from_secs(15))
        );
        Ok::<_, anyhow::Error>(end)
    }))
    .await?;
    let ends: crate::ends::Ends = ends.into_iter().collect();
    // Who reads his own flood too slowly is sent away for that.
    ends.all("1008 or 1013 for all", |end| {
        matches!(end, End::Closed(1008 | 1013))
    })?;
    ensure!(
        ends.count(|end| *end == End::Closed(1008)) > 0,
        "{ends}: nobody was told to be quiet"
    );
    Ok(ends.to_string())
}
