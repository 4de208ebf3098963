//! Things that are begun and not ended, asked for and not taken, over HTTP/2.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use crate::attack::{Attack, Form};
use crate::http2::{
    Block, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, Peer, Sent, frame, setting,
};
use crate::row::Row;
use crate::socket::{Socket, frame as message};

/// Rows on memory that peers make the server hold.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r4-grpc-messages",
        threats: "R4, R17",
        what: "4 (long: 20) connections with 100 gRPC messages of 1 MiB each, of which 900 KiB come",
        flags: |form| match form {
            Form::Short => "--message-timeout 3s",
            Form::Long => "",
        },
        growth: 96,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (40, 120),
        run: |attack| messages(attack).boxed_local(),
    },
    Row {
        name: "r7-unread-histories",
        threats: "R7, R13",
        what: "4 (long: 20) connections ask for 95 histories each and take none",
        flags: writing,
        growth: 64,
        // The history itself.
        keeps: (1, 1),
        cpu: 10.0,
        seconds: (40, 120),
        run: |attack| histories(attack).boxed_local(),
    },
    Row {
        name: "r7-unread-figures",
        threats: "R7",
        what: "10 (long: 50) connections ask for 100 pages of figures each and take none",
        flags: writing,
        growth: 96,
        keeps: (0, 0),
        cpu: 20.0,
        seconds: (40, 120),
        run: |attack| figures(attack).boxed_local(),
    },
    Row {
        name: "h12-bodies",
        threats: "H12, R4",
        what: "4 connections with 100 bodies each, of which a byte comes each half a second",
        flags: |form| match form {
            Form::Short => "--message-timeout 3s",
            Form::Long => "",
        },
        growth: 24,
        keeps: (0, 0),
        cpu: 20.0,
        seconds: (40, 90),
        run: |attack| bodies(attack).boxed_local(),
    },
];

/// A shorter deadline for writing in the short form.
fn writing(form: Form) -> &'static str {
    match form {
        Form::Short => "--write-timeout 2s",
        Form::Long => "",
    }
}

/// The `number`th stream of a client.
fn id(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0) * 2 + 1
}

/// Streams of one connection.
const STREAMS: usize = 100;

async fn messages(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(15), Duration::from_secs(75));
    let answered = stream::iter(0..attack.of(4, 20))
        .map(|number| async move {
            let peer = Peer::open(&attack.dial.from(number), &[], true).await?;
            begin_messages(peer, deadline).await
        })
        .buffer_unordered(20)
        .try_collect::<Vec<usize>>()
        .await?;
    Ok(format!(
        "{} calls were answered",
        answered.iter().sum::<usize>()
    ))
}

/// Begins a message on each stream and sends what the windows allow; every call must be answered.
async fn begin_messages(mut peer: Peer, deadline: Duration) -> Result<usize> {
    const BYTES: usize = 900 << 10;
    let block = Block::grpc("/chat.ChatService/SendMessage");
    let begun = Instant::now();
    let mut sent = [0; STREAMS];
    for stream in 0..STREAMS {
        let head = frame(HEADERS, END_HEADERS, id(stream), block.bytes());
        ensure!(
            peer.send(&head).await == Sent::Done,
            "the head was not taken"
        );
    }
    while begun.elapsed() < deadline {
        let seen = peer.seen();
        if seen.answered.len() == STREAMS || seen.ended {
            break;
        }
        let window = |stream: u32| 65_535 + seen.windows.get(&stream).copied().unwrap_or(0);
        let mut left = window(0).saturating_sub(sent.iter().sum());
        for (number, sent) in sent.iter_mut().enumerate() {
            let stream = id(number);
            if seen.answered.contains(&stream) {
                continue;
            }
            let most = window(stream).min(BYTES).saturating_sub(*sent).min(left);
            let mut bytes = vec![0x0a; most.min(16 << 10)];
            if *sent == 0 && bytes.len() >= 5 {
                bytes[..5].copy_from_slice(&[0, 0, 0x10, 0, 0]);
            }
            if !bytes.is_empty() {
                left -= bytes.len();
                *sent += bytes.len();
                peer.send(&frame(DATA, 0, stream, &bytes)).await;
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    let answered = peer.seen().answered.len();
    ensure!(
        answered == STREAMS,
        "only {answered} of {STREAMS} calls were answered"
    );
    Ok(answered)
}

async fn histories(attack: &Attack<'_>) -> Result<String> {
    let line = message(0x81, &vec![b'h'; 60 << 10]);
    let mut socket = Socket::open(&attack.honest, "/chat/unread?name=h", "").await?;
    for _ in 0..8 {
        socket.send(&line).await?;
        socket.next().await?.context("closed while it was filled")?;
    }
    unread(
        attack,
        attack.of(4, 20),
        95,
        "/rooms/unread/messages?limit=500",
    )
    .await
}

async fn figures(attack: &Attack<'_>) -> Result<String> {
    unread(attack, attack.of(10, 50), STREAMS, "/metrics").await
}

/// Asks for `path` on so many streams of so many connections whose windows are closed; all have to end.
async fn unread(
    attack: &Attack<'_>,
    connections: usize,
    streams: usize,
    path: &str,
) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(15), Duration::from_secs(40));
    let asking = (0..connections).map(|number| async move {
        let settings = setting(INITIAL_WINDOW_SIZE, 0);
        let mut peer = Peer::open(&attack.dial.from(number), &settings, true).await?;
        let block = Block::get(path);
        let asked: Vec<u8> = (0..streams)
            .flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, id(number), block.bytes()))
            .collect();
        ensure!(
            peer.send(&asked).await == Sent::Done,
            "the requests were not taken"
        );
        let ended = peer
            .until(deadline, |seen| {
                seen.ended
                    || seen.goaway.is_some()
                    || seen.resets.values().sum::<usize>() == streams
            })
            .await;
        ensure!(ended, "after {deadline:?}: {:?}", peer.seen().resets);
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(asking).await?;
    Ok(format!("{} responses were given up", connections * streams))
}

async fn bodies(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(12), Duration::from_secs(45));
    let posting = (0..4).map(|number| async move {
        let mut peer = Peer::open(&attack.dial.from(number), &[], true).await?;
        let block = Block::post("/rooms/held/messages", "application/json");
        for stream in 0..STREAMS {
            let head = frame(HEADERS, END_HEADERS, id(stream), block.bytes());
            ensure!(
                peer.send(&head).await == Sent::Done,
                "the head was not taken"
            );
        }
        let begun = Instant::now();
        while begun.elapsed() < deadline && peer.seen().answered.len() < STREAMS {
            for stream in 0..STREAMS {
                if !peer.seen().answered.contains(&id(stream)) {
                    peer.send(&frame(DATA, 0, id(stream), b" ")).await;
                }
            }
            sleep(Duration::from_millis(500)).await;
        }
        let answered = peer.seen().answered.len();
        ensure!(
            answered == STREAMS,
            "only {answered} of {STREAMS} were answered"
        );
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(posting).await?;
    Ok(format!("{} bodies were given up", 4 * STREAMS))
}
