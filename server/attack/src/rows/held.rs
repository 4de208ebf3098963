//! Things that are begun and not ended, asked for and not taken, over HTTP/2.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use raw_http2::code::CANCEL;
use raw_http2::setting::INITIAL_WINDOW_SIZE;
use raw_http2::{Block, END_STREAM, data, headers, one_setting, rst_stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::attack::Attack;
use crate::dial::Protocol;
use crate::ends::try_each;
use crate::peer::{Peer, Seen, Sent, id};
use crate::row::Row;
use crate::socket::{Socket, frame as message};

/// Rows on memory that peers make the server hold.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r4-grpc-messages",
        threats: "R4, R17",
        what: "4 (long: 20) connections with 100 gRPC messages of 1 MiB each, of which 900 KiB come",
        flags: ("--message-timeout 3s", ""),
        growth: 96,
        run: |attack| messages(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r7-unread-histories",
        threats: "R7, R13",
        what: "4 (long: 20) connections ask for 95 histories each and take none",
        flags: WRITING,
        growth: 64,
        // The history itself.
        keeps: (1, 1),
        run: |attack| histories(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r7-unread-figures",
        threats: "R7",
        what: "10 (long: 50) connections ask for 100 pages of figures each and take none",
        flags: WRITING,
        growth: 96,
        cpu: 20.0,
        run: |attack| figures(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r16-unread-echoes",
        threats: "R16, R7",
        what: "4 (long: 20) connections with 100 WebSockets each that send 60,000 bytes to /echo and read none; half of them are reset",
        flags: WRITING,
        growth: 64,
        run: |attack| echoes(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "h12-bodies",
        threats: "H12, R4",
        what: "4 connections with 100 bodies each, of which a byte comes each half a second",
        flags: ("--message-timeout 3s", ""),
        growth: 24,
        cpu: 20.0,
        run: |attack| bodies(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

/// A shorter deadline for writing in the short form.
const WRITING: (&str, &str) = ("--write-timeout 2s", "");

/// Streams of one connection.
const STREAMS: usize = 100;

async fn messages(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(15), Duration::from_secs(75));
    let answered = try_each(attack.of(4, 20), 20, async |number| {
        let peer = Peer::open(&attack.dial.from(number), &[], true).await?;
        begin_messages(peer, deadline).await
    });
    let answered: usize = answered.await?.into_iter().sum();
    Ok(format!("{answered} calls were answered"))
}

/// Begins a message on each stream and sends what the windows allow; every call must be answered.
async fn begin_messages(mut peer: Peer, deadline: Duration) -> Result<usize> {
    let block = Block::grpc("/chat.ChatService/SendMessage");
    begin(&mut peer, &block).await?;
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

/// Opens every stream with `block`.
async fn begin(peer: &mut Peer, block: &Block) -> Result<()> {
    for stream in 0..STREAMS {
        let head = headers(id(stream), 0, block.bytes());
        ensure!(peer.send(&head).await == Sent::Done, "a head was not taken");
    }
    Ok(())
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
                peer.send(&data(stream, 0, piece)).await;
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
    let count = attack.of(4, 20);
    let peers = try_each(count, count, async |number| {
        let settings = one_setting(INITIAL_WINDOW_SIZE, 0);
        let mut peer = Peer::open(&attack.dial.from(number), &settings, true).await?;
        for stream in 0..STREAMS {
            peer.websocket(stream, "/echo").await?;
        }
        pour(&mut peer, &message, Duration::from_secs(1), |_, _| false).await;
        let gone = (0..STREAMS / 2).flat_map(|number| rst_stream(id(number), CANCEL));
        peer.send(&gone.collect::<Vec<u8>>()).await;
        peer.given_up(deadline, STREAMS / 2).await?;
        Ok(peer)
    });
    let peers = peers.await?;
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
    let asking = try_each(connections, connections, async |number| {
        let settings = one_setting(INITIAL_WINDOW_SIZE, 0);
        let mut peer = Peer::open(&attack.dial.from(number), &settings, true).await?;
        let block = Block::get(path);
        let asked = (0..streams).flat_map(|number| headers(id(number), END_STREAM, block.bytes()));
        let asked: Vec<u8> = asked.collect();
        ensure!(
            peer.send(&asked).await == Sent::Done,
            "the requests were not taken"
        );
        peer.given_up(deadline, streams).await
    });
    asking.await?;
    Ok(format!("{} responses were given up", connections * streams))
}

async fn bodies(attack: &Attack<'_>) -> Result<String> {
    let deadline = attack.of(Duration::from_secs(12), Duration::from_secs(45));
    let posting = try_each(4, 4, async |number| {
        let mut peer = Peer::open(&attack.dial.from(number), &[], true).await?;
        let block = Block::post("/rooms/held/messages", "application/json");
        begin(&mut peer, &block).await?;
        let begun = Instant::now();
        while begun.elapsed() < deadline && peer.seen().answered.len() < STREAMS {
            for stream in 0..STREAMS {
                if !peer.seen().answered.contains(&id(stream)) {
                    peer.send(&data(id(stream), 0, b" ")).await;
                }
            }
            sleep(Duration::from_millis(500)).await;
        }
        let answered = peer.seen().answered.len();
        ensure!(
            answered == STREAMS,
            "only {answered} of {STREAMS} were answered"
        );
        Ok(())
    });
    posting.await?;
    Ok(format!("{} bodies were given up", 4 * STREAMS))
}
