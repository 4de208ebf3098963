//! Things that are begun and not ended, asked for and not taken, over HTTP/2.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::http2::websocket;
use crate::attack::{Attack, Form};
use crate::dial::Protocol;
use crate::http2::{
    Block, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, Peer, RST_STREAM, Seen,
    Sent, frame, setting,
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
        name: "r16-unread-echoes",
        threats: "R16, R7",
        what: "4 (long: 20) connections with 100 WebSockets each that send 60,000 bytes to /echo and read none; half of them are reset",
        flags: writing,
        growth: 64,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (40, 120),
        run: |attack| echoes(attack).boxed_local(),
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
    let block = Block::grpc("/chat.ChatService/SendMessage");
    for stream in 0..STREAMS {
        let head = frame(HEADERS, END_HEADERS, id(stream), block.bytes());
        ensure!(
            peer.send(&head).await == Sent::Done,
            "the head was not taken"
        );
    }
    // A message of 1 MiB begins.
    let mut bytes = vec![0x0a; 900 << 10];
    bytes[..5].copy_from_slice(&[0, 0, 0x10, 0, 0]);
    let begun = Instant::now();
    pour(&mut peer, &bytes, deadline, |seen, stream| {
        seen.answered.contains(&stream)
    })
    .await;
    let left = deadline.saturating_sub(begun.elapsed());
    peer.until(left, |seen| seen.answered.len() == STREAMS || seen.ended)
        .await;
    let answered = peer.seen().answered.len();
    ensure!(
        answered == STREAMS,
        "only {answered} of {STREAMS} calls were answered; {}, resets {:?}",
        peer.end(Duration::ZERO).await,
        peer.seen().resets
    );
    Ok(answered)
}

/// Sends `bytes` on each stream as fast as the windows allow, until all of it is sent, `deadline` is over, or every stream
/// is `done`.
async fn pour(
    peer: &mut Peer,
    bytes: &[u8],
    deadline: Duration,
    done: impl Fn(&Seen, u32) -> bool,
) {
    let begun = Instant::now();
    let mut sent = [0; STREAMS];
    while begun.elapsed() < deadline {
        let seen = peer.seen();
        let window = |stream: u32| 65_535 + seen.windows.get(&stream).copied().unwrap_or(0);
        let mut left = window(0).saturating_sub(sent.iter().sum());
        let mut open = 0;
        for (number, sent) in sent.iter_mut().enumerate() {
            let stream = id(number);
            if *sent == bytes.len() || done(&seen, stream) {
                continue;
            }
            open += 1;
            let most = window(stream).min(bytes.len()).saturating_sub(*sent);
            let count = most.min(left).min(16 << 10);
            if count > 0 {
                left -= count;
                let piece = &bytes[*sent..*sent + count];
                *sent += count;
                peer.send(&frame(DATA, 0, stream, piece)).await;
            }
        }
        if open == 0 || seen.ended {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// WebSockets whose echoes nobody reads: half of them are reset by their client, the others have to be given up; the
/// connections stay, and nothing may stay with them.
async fn echoes(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(15), Duration::from_secs(40));
    let message = message(0x82, &vec![7; 60_000]);
    let message = &message;
    let peers = try_join_all((0..attack.of(4, 20)).map(|number| async move {
        let settings = setting(INITIAL_WINDOW_SIZE, 0);
        let mut peer = Peer::open(&attack.dial.from(number), &settings, true).await?;
        for stream in 0..STREAMS {
            websocket(&mut peer, stream, "/echo").await?;
        }
        pour(&mut peer, message, Duration::from_secs(1), |_, _| false).await;
        let gone: Vec<u8> = (0..STREAMS / 2)
            .flat_map(|number| frame(RST_STREAM, 0, id(number), &8_u32.to_be_bytes()))
            .collect();
        peer.send(&gone).await;
        let ended = peer
            .until(deadline, |seen| {
                seen.ended
                    || seen.goaway.is_some()
                    || seen.resets.values().sum::<usize>() >= STREAMS / 2
            })
            .await;
        ensure!(ended, "after {deadline:?}: {:?}", peer.seen().resets);
        Ok::<_, anyhow::Error>(peer)
    }))
    .await?;
    let begun = Instant::now();
    while buffered(attack).await? > KEPT_BYTES {
        ensure!(
            begun.elapsed() < Duration::from_secs(5),
            "{} bytes are held for WebSockets that are gone",
            buffered(attack).await?
        );
        sleep(Duration::from_millis(50)).await;
    }
    let open = peers.iter().filter(|peer| !peer.seen().ended).count();
    Ok(format!(
        "nothing is held for {} WebSockets; {open} of {} connections stay",
        peers.len() * STREAMS,
        peers.len()
    ))
}

/// Bytes that the server says it holds for its peers.
async fn buffered(attack: &Attack<'_>) -> Result<u64> {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = attack.honest.tls(Protocol::Http1).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text))
        .await
        .context("no figures in time")??;
    let figures = text.lines().filter_map(|line| {
        let (name, figure) = line.rsplit_once(' ')?;
        name.starts_with("wss_buffered_bytes{").then_some(figure)
    });
    let figures: Vec<u64> = figures.map(str::parse).collect::<Result<_, _>>()?;
    ensure!(!figures.is_empty(), "there are no figures: {text}");
    Ok(figures.iter().sum())
}

/// Bytes that honest clients may account for: the figures' own response among them.
const KEPT_BYTES: u64 = 512 << 10;
/// Longest wait for the figures.
const PATIENCE: Duration = Duration::from_secs(10);

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
