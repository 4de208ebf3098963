//! More connections than there is room for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::attack::Attack;
use crate::canary;
use crate::dial::{Dialler, Protocol};
use crate::ends::{End, each};

use crate::row::Row;
use crate::socket::{Socket, frame};
use crate::wire::Wire;

/// Too many connections, none left, and no end of them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r1-connections",
        threats: "R1, H17",
        what: "1,000 (long: 12,000) TCP connections from several addresses, beyond the limits in all and for each address",
        flags: (
            "--max-connections 700 --max-connections-per-address 300 --handshake-timeout 30s",
            "--handshake-timeout 1m",
        ),
        growth: 256,
        run: |attack| connections(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r2-descriptors",
        threats: "R2",
        what: "the server is left with 20 descriptors, and 400 clients connect for 3 s (long: 30 s)",
        growth: 24,
        run: |attack| descriptors(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r11-churn",
        threats: "R11",
        what: "1,000 (long: 20,000) WebSocket connections are opened and dropped, every other without a Close",
        growth: 24,
        run: |attack| churn(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn connections(attack: &Attack<'_>) -> Result<String> {
    let (count, addresses, most) = attack.of((1_000, 4, 600), (12_000, 13, 9_900));
    let held: Vec<Wire> = stream::iter(0..count)
        .map(|number| {
            let dial = attack.dial.from(number % addresses);
            async move { dial.tcp().await }
        })
        .buffer_unordered(64)
        .filter_map(|stream| async { stream.ok() })
        .collect()
        .await;
    // Those beyond the limits are closed, or get as far as a refusal.
    sleep(Duration::from_millis(500)).await;
    let mut closed = 0;
    let mut kept = Vec::new();
    for mut stream in held {
        if is_closed(&mut stream) {
            closed += 1;
        } else {
            kept.push(stream);
        }
    }
    let dial = attack.dial.from(addresses);
    let total = each(8, 1, async |_| {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        status(&dial, request).await.map_or(End::Cut, End::Status)
    });
    let total = total.await;
    let held_now = attack.target.process().descriptors()?;
    drop(kept);
    ensure!(
        closed > 0 && closed + most + 200 > count,
        "{closed} of {count} closed"
    );
    total.all("503, 429 or cut off for all", |end| {
        matches!(end, End::Status(429 | 503) | End::Cut)
    })?;
    ensure!(
        held_now <= most + 400,
        "the server holds {held_now} descriptors"
    );
    Ok(format!(
        "{closed} of {count} refused while they came; after that {total}"
    ))
}

/// Reports whether the server has closed `stream`, by what is known at this moment.
fn is_closed(stream: &mut Wire) -> bool {
    // Without the runtime's budget, which would make most of many streams look open.
    tokio::task::unconstrained(stream.read(&mut [0]))
        .now_or_never()
        .is_some()
}

/// The status of the answer to one request; nothing if there was none.
pub(crate) async fn status(dial: &Dialler, request: &[u8]) -> Option<u16> {
    let exchange = async {
        let mut stream = dial.tls(Protocol::Http1).await.ok()?;
        // A server that refuses early may close before all is written; its answer is what counts.
        let _ = stream.write_all(request).await;
        let _ = stream.flush().await;
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while bytes.len() < 12 {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        text.split(' ').nth(1)?.parse().ok()
    };
    timeout(Duration::from_secs(10), exchange).await.ok()?
}

async fn descriptors(attack: &Attack<'_>) -> Result<String> {
    let time = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    let now = attack.target.process().descriptors()?;
    let before = attack.target.limit_descriptors(now as u64 + 20)?;
    let begun = Instant::now();
    let mut clients = Vec::new();
    for number in 0..400 {
        clients.extend(attack.dial.from(number).tcp().await.ok());
    }
    sleep(time.saturating_sub(begun.elapsed())).await;
    let mut closed = 0;
    for stream in &mut clients {
        closed += usize::from(is_closed(stream));
    }
    let connected = clients.len();
    drop(clients);
    attack.target.limit_descriptors(before)?;
    let freed = Instant::now();
    while canary::echoes(&attack.honest).await.is_err() {
        ensure!(
            freed.elapsed() < Duration::from_secs(2),
            "no echo within 2 s of the descriptors' return"
        );
        sleep(Duration::from_millis(20)).await;
    }
    Ok(format!(
        "{connected} of 400 connected, {closed} shed; echo again after {} ms",
        freed.elapsed().as_millis()
    ))
}

async fn churn(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(1_000, 20_000);
    let served = each(count, 16, async |number| {
        let dial = attack.dial.from(number % 200);
        let Ok(socket) = Socket::open(&dial, "/echo", "").await else {
            return End::Cut;
        };
        if number % 2 == 1 {
            return End::Open;
        }
        let close = frame(0x88, &1000_u16.to_be_bytes());
        socket.end_after(&close, Duration::from_secs(10)).await
    });
    let served = served.await;
    served.all("1000, or open when it is dropped, for all", |end| {
        matches!(end, End::Closed(1000) | End::Open)
    })
}
