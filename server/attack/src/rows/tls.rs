//! Beneath and within TLS.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{FutureExt, StreamExt, stream};
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::attack::Attack;
use crate::dial::Protocol;
use crate::ends::{End, each};
use crate::row::Row;

/// Rubbish, silence, and more handshakes than anybody needs.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "t4-rubbish",
        threats: "T4, R19",
        what: "400 (long: 4,000) connections speak plain HTTP, random bytes, SSL 2 or records of 65,535 bytes",
        growth: 24,
        run: |attack| rubbish(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "t5-silence",
        threats: "T5",
        what: "600 (long: 2,000) connections send nothing and 100 (long: 500) a byte now and then, while 40 honest handshakes are made",
        flags: ("--handshake-timeout 3s", ""),
        growth: 48,
        run: |attack| silence(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "t7-handshakes",
        threats: "T7",
        what: "whole handshakes without a pause, 32 at a time, for 3 s (long: 60 s), with no limit to their rate",
        growth: 32,
        run: |attack| handshakes(attack, false).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "t7-handshake-rate",
        threats: "T7",
        what: "the same where an address may make 50 a second",
        flags: (
            "--handshake-rate-loopback on --handshake-burst 200",
            "--handshake-rate-loopback on --handshake-burst 200",
        ),
        growth: 32,
        run: |attack| handshakes(attack, true).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "t8-key-updates",
        threats: "T8",
        what: "8 connections send 10,000 KeyUpdates each",
        growth: 16,
        run: |attack| key_updates(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn rubbish(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(400, 4_000);
    let mut random = Attack::random();
    let inputs: Vec<Vec<u8>> = (0..count)
        .map(|number| match number % 4 {
            0 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            1 => {
                let mut bytes = vec![0; random.random_range(64..4096)];
                random.fill(&mut bytes[..]);
                // 20 to 24 are the types of TLS records; a record that is announced is waited for.
                bytes[0] |= 0x80;
                bytes
            }
            2 => [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[7; 37]].concat(),
            _ => [&[0x16, 3, 1, 0xff, 0xff][..], &[0; 200]].concat(),
        })
        .collect();
    let ends = each(count, 32, async |number| {
        let Ok(mut stream) = attack.dial.from(number).tcp().await else {
            return End::Open;
        };
        // The server may have had enough before the last byte.
        let _ = stream.write_all(&inputs[number]).await;
        end(&mut stream, Duration::from_secs(2)).await
    });
    let ends = ends.await;
    ends.all("all cut off within 2 s", |end| *end == End::Cut)
}

async fn silence(attack: &Attack<'_>) -> Result<String> {
    let (silent, slow) = attack.of((600, 100), (2_000, 500));
    let deadline = attack.of(Duration::from_secs(3), Duration::from_secs(10));
    let pause = attack.of(Duration::from_millis(100), Duration::from_secs(1));
    let waiting = each(silent + slow, silent + slow, async |number| {
        let Ok(mut stream) = attack.dial.from(number % 10).tcp().await else {
            return End::Cut;
        };
        let begun = Instant::now();
        let patience = deadline + Duration::from_secs(2);
        if number >= silent {
            // A record that never gets whole.
            let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 300]].concat();
            for byte in hello {
                if stream.write_all(&[byte]).await.is_err() || begun.elapsed() > patience {
                    break;
                }
                sleep(pause).await;
            }
        }
        end(&mut stream, patience.saturating_sub(begun.elapsed())).await
    });
    let honest = async {
        let mut slowest = Duration::ZERO;
        // Until most of the silent ones are there.
        sleep(Duration::from_millis(500)).await;
        for _ in 0..40 {
            let begun = Instant::now();
            attack
                .honest
                .tls(Protocol::Http1)
                .await
                .context("an honest handshake failed")?;
            slowest = slowest.max(begun.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, anyhow::Error>(slowest)
    };
    let (ends, slowest) = tokio::join!(waiting, honest);
    let slowest = slowest?;
    ends.all("all cut off at their deadline", |end| *end == End::Cut)?;
    ensure!(
        slowest < Duration::from_secs(1),
        "{ends}; the slowest of 40 honest handshakes took {slowest:?}"
    );
    Ok(format!(
        "{ends}; the slowest of 40 honest handshakes took {} ms",
        slowest.as_millis()
    ))
}

async fn handshakes(attack: &Attack<'_>, limited: bool) -> Result<String> {
    let time = attack.of(Duration::from_secs(3), Duration::from_secs(60));
    let begun = Instant::now();
    let (mut made, mut refused) = (0, 0);
    let mut flood = stream::iter(0_u64..)
        .take_while(|_| std::future::ready(begun.elapsed() < time))
        .map(|_| async {
            let made = attack.dial.from(1).tls(Protocol::Http1).await.is_ok();
            if !made {
                sleep(Duration::from_millis(1)).await;
            }
            made
        })
        .buffer_unordered(32);
    while let Some(ok) = flood.next().await {
        if ok {
            made += 1;
        } else {
            refused += 1;
        }
    }
    let seconds = begun.elapsed().as_secs();
    // The processor is idle again but for the honest clients.
    sleep(Duration::from_millis(1_500)).await;
    let cpu = attack.target.process().cpu()?;
    sleep(Duration::from_millis(500)).await;
    let spent = attack.target.process().cpu()?.saturating_sub(cpu);
    ensure!(
        spent < Duration::from_millis(250),
        "{spent:?} of processor time in half a second, 1.5 s after the flood"
    );
    if limited {
        ensure!(
            refused > 0 && made <= 200 + 50 * (seconds + 1),
            "{made} made in {seconds} s, {refused} refused"
        );
    } else {
        ensure!(made > 0 && refused == 0, "{made} made, {refused} refused");
    }
    Ok(format!("{made} made, {refused} refused"))
}

async fn key_updates(attack: &Attack<'_>) -> Result<String> {
    let ends = each(8, 8, async |number| {
        let Ok(mut stream) = attack.dial.from(number).tls(Protocol::Http1).await else {
            return End::Open;
        };
        for turn in 0..10_000 {
            if stream.get_mut().1.refresh_traffic_keys().is_err() {
                break;
            }
            if turn % 16 == 15 && stream.flush().await.is_err() {
                return End::Cut;
            }
        }
        end(&mut stream, Duration::from_secs(5)).await
    });
    let ends = ends.await;
    ends.all("all cut off", |end| *end == End::Cut)
}

/// Reads to the end of `stream`, for at most `patience`.
async fn end(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> End {
    let reading = async { while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {} };
    match timeout(patience, reading).await {
        Ok(()) => End::Cut,
        Err(_) => End::Open,
    }
}
