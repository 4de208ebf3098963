//! Request heads that are too large or too slow.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::attack::Attack;
use crate::dial::Protocol;
use crate::ends::{End, each};
use crate::row::Row;
use crate::rows::connections::status;

/// Huge heads and slow ones.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "h11-huge-heads",
        threats: "H11",
        what: "300 (long: 3,000) requests with a field of 64 KiB, 10,000 fields or a target of 12 KiB",
        growth: 24,
        run: |attack| huge(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "h12-slowloris",
        threats: "H12",
        what: "200 (long: 1,000) connections send a header field every 200 ms and never the last one",
        flags: ("--head-timeout 2s", ""),
        growth: 48,
        run: |attack| slowloris(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn huge(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(300, 3_000);
    let mut fields = String::new();
    for number in 0..10_000 {
        // Writing to a string cannot fail.
        let _ = write!(fields, "x{number}: y\r\n");
    }
    let head = |target: &str, fields: &str| {
        format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
    };
    let heads = [
        (431, head("", &format!("x: {}\r\n", "y".repeat(64 << 10)))),
        (431, head("", &fields)),
        (414, head(&"y".repeat(12 << 10), "")),
    ];
    let ends = each(count, 16, async |number| {
        let (wanted, head) = &heads[number % 3];
        match status(&attack.dial.from(number), head.as_bytes()).await {
            // The answer may be lost to the reset that follows what was not read.
            None => End::Cut,
            Some(answer) if answer == *wanted => End::Status(answer),
            Some(_) => End::Open,
        }
    });
    let ends = ends.await;
    let right = ends.count(|end| matches!(end, End::Status(_)));
    ensure!(right * 2 > count, "{ends}: most were never answered");
    ends.all("431, 414 or cut off for all", |end| *end != End::Open)
}

async fn slowloris(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(200, 1_000);
    let deadline = attack.of(Duration::from_secs(2), Duration::from_secs(10));
    let ends = each(count, count, async |number| {
        let Ok(stream) = attack.dial.from(number % 10).tls(Protocol::Http1).await else {
            return End::Open;
        };
        let (mut reader, mut writer) = tokio::io::split(stream);
        let until = Instant::now() + deadline + Duration::from_secs(2);
        let sending = async {
            let mut line = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
            while Instant::now() < until {
                let sent = async {
                    writer.write_all(&line).await?;
                    writer.flush().await
                };
                if sent.await.is_err() {
                    return;
                }
                line = b"X-Slow: loris\r\n".to_vec();
                sleep(Duration::from_millis(200)).await;
            }
        };
        let reading = async {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 408") {
                End::Status(408)
            } else {
                End::Cut
            }
        };
        tokio::select! {
            end = timeout(deadline + Duration::from_secs(2), reading) => end.unwrap_or(End::Open),
            () = async { sending.await; std::future::pending().await } => End::Open,
        }
    });
    let ends = ends.await;
    ends.all("408 or cut off for all", |end| {
        matches!(end, End::Status(408) | End::Cut)
    })
}
