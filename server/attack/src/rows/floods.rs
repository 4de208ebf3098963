//! More frames than anybody needs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use crate::attack::Attack;
use crate::ends::{End, Ends, try_each};
use crate::row::Row;
use crate::socket::{Socket, frame, send};

/// Floods of small frames.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r6-pings",
        threats: "R6",
        what: "4 connections send Pings of 125 bytes as fast as they can, 200,000 in all (long: a million); 200 at once are allowed",
        growth: 16,
        run: |attack| pings(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r6-pings-deaf",
        threats: "R6, R8",
        what: "the same for 3 s (long: 30 s) without ever reading, with a receive buffer of 4 KiB",
        growth: 16,
        run: |attack| deaf_pings(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r6-tiny-messages",
        threats: "R6",
        what: "4 connections send messages of one byte as fast as they can; each of 40,000 (long: 400,000) is echoed",
        growth: 16,
        run: |attack| tiny(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r6-chat-flood",
        threats: "R6, R12",
        what: "20 members of a room send 1,000 lines each at once; 400 are allowed",
        growth: 48,
        run: |attack| chatter(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

/// Sends more Pings than are allowed, and expects to be closed for it.
async fn pings(attack: &Attack<'_>) -> Result<String> {
    let each = attack.of(50_000, 250_000);
    let ends = try_each(4, 4, async |number| {
        let socket = Socket::open(&attack.dial.from(number), "/echo", "").await?;
        Ok(socket.flood(&hundred_pings(), each / 100).await)
    });
    let ends: Ends = ends.await?.into_iter().collect();
    // What was still on its way when the server closed may reset the connection before its Close is read.
    ends.all("1008 or cut off for all", |end| {
        matches!(end, End::Closed(1008) | End::Cut)
    })
}

/// Pings of the largest size.
fn hundred_pings() -> Vec<u8> {
    frame(0x89, &[b'p'; 125]).repeat(100)
}

async fn deaf_pings(attack: &Attack<'_>) -> Result<String> {
    let time = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    let begun = Instant::now();
    let hundred = hundred_pings();
    let taken = try_each(4, 4, async |number| {
        let dial = attack.dial.from(number).receiving(4096);
        let mut socket = Socket::open(&dial, "/echo", "").await?;
        let mut taken = 0_u64;
        let sending = async {
            while socket.send(&hundred).await.is_ok() {
                taken += 100;
                tokio::task::yield_now().await;
            }
        };
        let left = time.saturating_sub(begun.elapsed());
        let ended = timeout(left, sending).await.is_ok();
        sleep(time.saturating_sub(begun.elapsed())).await;
        Ok((taken, ended))
    });
    let taken = taken.await?;
    let ended = taken.iter().filter(|(_, ended)| *ended).count();
    let pings: u64 = taken.iter().map(|(taken, _)| taken).sum();
    ensure!(ended == 4, "{ended} of 4 connections dropped");
    Ok(format!(
        "{pings} Pings taken, {ended} of 4 connections dropped"
    ))
}

async fn tiny(attack: &Attack<'_>) -> Result<String> {
    let each = attack.of(10_000, 100_000);
    let tiny = try_each(4, 4, async |number| {
        let socket = Socket::open(&attack.dial.from(number), "/echo", "").await?;
        let (mut reader, mut writer) = socket.split();
        let hundred = frame(0x81, b"t").repeat(100);
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
        tokio::try_join!(reading, sending)
    });
    tiny.await?;
    Ok(format!("{} of {} echoed", each * 4, each * 4))
}

async fn chatter(attack: &Attack<'_>) -> Result<String> {
    let lines = frame(0x81, b"one more line").repeat(1_000);
    let ends = try_each(20, 20, async |number| {
        let path = format!("/chat/flood-{}?name=f{number}", number % 4);
        let socket = Socket::open(&attack.dial.from(number), &path, "").await?;
        Ok(socket.flood(&lines, 1).await)
    });
    let ends: Ends = ends.await?.into_iter().collect();
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
