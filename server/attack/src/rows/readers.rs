//! Peers that do not read, or do nothing at all.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use tokio::io::WriteHalf;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::attack::Attack;
use crate::dial::Tls;
use crate::ends::{End, Ends, each, try_each};
use crate::row::Row;
use crate::socket::{Reader, Socket, frame, send};

/// Slow readers, zero windows, half-open connections.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r7-slow-readers",
        threats: "R7",
        what: "100 members of a room stop reading while 200 messages of 8 KiB (long: 1,000 of 1 KiB) are sent there each second; 10 members read",
        flags: ("--write-timeout 2s", ""),
        growth: 112,
        run: |attack| slow_readers(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r8-zero-window",
        threats: "R8, R7",
        what: "100 connections with a receive buffer of 1 KiB ask for echoes of 64 KiB and read none",
        flags: ("--write-timeout 2s", ""),
        growth: 48,
        run: |attack| zero_window(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r9-half-open",
        threats: "R9",
        what: "200 (long: 1,000) WebSockets never say a word, nor answer a Ping",
        flags: ("--ping-interval 1s --pong-timeout 1s", ""),
        growth: 64,
        run: |attack| half_open(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn slow_readers(attack: &Attack<'_>) -> Result<String> {
    let (publishers, seconds) = attack.of((5, 5_u64), (25, 60));
    let per_second = 40;
    let path = |name: String| format!("/chat/r7?name={name}");
    let slow = try_each(100, 16, async |number| {
        let dial = attack.dial.from(number % 5).receiving(4096);
        Socket::open(&dial, &path(format!("slow{number}")), "").await
    });
    let slow = slow.await?;
    let total = publishers * per_second * seconds;
    let fast = try_each(10, 10, async |number| {
        let path = path(format!("fast{number}"));
        let socket = Socket::open(&attack.honest, &path, "").await?;
        let (reader, writer) = socket.split();
        Ok(tokio::spawn(read_lines(reader, total, Some(writer))))
    });
    let fast = fast.await?;
    let sockets = (0..publishers).map(|number| {
        let path = path(format!("pub{number}"));
        async move { Socket::open(&attack.dial.from(6), &path, "").await }
    });
    let sockets = try_join_all(sockets);
    let publishing = sockets.await?.into_iter().map(|socket| async move {
        let (reader, mut writer) = socket.split();
        let reading = tokio::spawn(read_lines(reader, total, None));
        let mut ticks = interval(Duration::from_millis(1_000 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // More in all than the system's buffers hold.
        let text = vec![b'x'; attack.of(8 << 10, 1 << 10)];
        for _ in 0..per_second * seconds {
            ticks.tick().await;
            send(&mut writer, &frame(0x81, &text)).await?;
        }
        timeout(Duration::from_secs(10), reading).await???;
        Ok::<_, anyhow::Error>(writer)
    });
    let _writers = try_join_all(publishing).await?;
    for reading in fast {
        timeout(Duration::from_secs(10), reading)
            .await
            .context("a member that reads did not get everything")???;
    }
    // Those that lie behind are sent away, or dropped at the deadline for writing.
    let deadline = attack.of(Duration::from_secs(3), Duration::from_secs(11));
    sleep(deadline).await;
    let ends = ends(slow, Duration::from_secs(5)).await;
    ends.all("1013 or cut off for all", |end| {
        matches!(end, End::Closed(1013) | End::Cut)
    })?;
    Ok(format!("{ends}; 10 readers got all of {total}"))
}

/// Reads lines of publishers until there were `total`, and answers Pings, which come to who says nothing.
async fn read_lines(
    mut reader: Reader,
    total: u64,
    mut answers: Option<WriteHalf<Tls>>,
) -> Result<()> {
    let mut lines = 0;
    while lines < total {
        let line = reader.next().await?;
        let line = line.with_context(|| format!("closed after {lines} of {total} lines"))?;
        ensure!(line.first != 0x88, "closed after {lines} of {total} lines");
        if let (0x89, Some(writer)) = (line.first, &mut answers) {
            send(writer, &frame(0x8a, &line.payload)).await?;
        }
        lines += u64::from(line.payload.starts_with(b"pub"));
    }
    Ok(())
}

async fn zero_window(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(2), Duration::from_secs(10));
    let message = frame(0x82, &vec![b'z'; 64 << 10]);
    let ends = each(100, 100, async |number| {
        let dial = attack.dial.from(number % 5).receiving(1024);
        let Ok(mut socket) = Socket::open(&dial, "/echo", "").await else {
            return End::Open;
        };
        let begun = Instant::now();
        // Soon every buffer on the way is full, and the server stops reading.
        let wait = deadline + Duration::from_secs(3);
        while let Ok(Ok(())) = timeout(wait, socket.send(&message)).await {
            if begun.elapsed() > deadline * 2 + Duration::from_secs(10) {
                return End::Open;
            }
        }
        socket.end(Duration::from_secs(5)).await
    });
    let ends = ends.await;
    ends.all("1013 or cut off for all", |end| {
        matches!(end, End::Closed(1013) | End::Cut)
    })
}

async fn half_open(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(200, 1_000);
    let deadline = attack.of(Duration::from_secs(4), Duration::from_secs(40));
    let begun = Instant::now();
    let sockets = try_each(count, 16, async |number| {
        Socket::open(&attack.dial.from(number % 10), "/echo", "").await
    });
    let sockets = sockets.await?;
    let opened = begun.elapsed();
    let ends = ends(sockets, deadline).await;
    ends.all("1001 or cut off for all", |end| {
        matches!(end, End::Closed(1001) | End::Cut)
    })?;
    let took = begun.elapsed().saturating_sub(opened);
    Ok(format!("{ends} within {:.1} s", took.as_secs_f64()))
}

/// The ends of all `sockets` within `patience`.
async fn ends(sockets: Vec<Socket>, patience: Duration) -> Ends {
    let sockets = sockets.into_iter();
    let ends = sockets.map(|mut socket| async move { socket.end(patience).await });
    join_all(ends).await.into_iter().collect()
}
