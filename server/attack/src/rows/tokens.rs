//! Bad tokens beside good ones.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use raw_http2::{Block, END_STREAM, data, headers, window_update};
use tokio::time::sleep;

use super::connections::status;
use crate::attack::Attack;
use crate::peer::{Peer, Sent, id};
use crate::row::Row;
use crate::socket::{Socket, request};
use crate::token;

const FLAGS: &str = "--rooms-token-secret {secret}";
const CURVE_FLAGS: &str = "--rooms-token-secret {secret} --rooms-token-key {public}";

/// Guesses, and those whom they must not lock out.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "h21-bad-tokens",
        threats: "H21",
        what: "8 connections of HTTP/2 and 4 clients of HTTP/1.1 show forged tokens from the address that good ones come from, for 3 s (long: 30 s)",
        flags: (FLAGS, FLAGS),
        growth: 24,
        run: |attack| guesses(attack, &HASHES).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "h21-bad-signatures",
        threats: "H21",
        what: "the same with signatures of ES384, which take the server 0.3 ms each, on 100 streams of each connection at once",
        flags: (CURVE_FLAGS, CURVE_FLAGS),
        growth: 24,
        run: |attack| guesses(attack, &CURVES).boxed_local(),
        ..Row::DEFAULT
    },
];

/// A way to forge tokens.
struct Forgery {
    token: fn(&str) -> Result<String>,
    /// Guesses that wait for an answer together, on one connection.
    at_once: usize,
}

/// By another secret.
const HASHES: Forgery = Forgery {
    token: token::forged,
    at_once: 20,
};
/// By a signature that takes long to check; as many at once as a connection may have streams.
const CURVES: Forgery = Forgery {
    token: token::forged_slowly,
    at_once: 100,
};

/// Forged tokens as fast as they are answered; every good one must be taken meanwhile.
async fn guesses(attack: &Attack<'_>, forgery: &Forgery) -> Result<String> {
    let end = Instant::now() + attack.of(Duration::from_secs(3), Duration::from_secs(30));
    // Everybody is behind one address, as behind a proxy.
    let streams = try_join_all((0..8).map(|_| guess_over_http2(attack, forgery, end)));
    let handshakes = try_join_all((0..4).map(|_| guess_by_handshake(attack, forgery, end)));
    let (streams, handshakes, good) = tokio::try_join!(streams, handshakes, good(attack, end))?;
    let guesses: usize = streams.iter().chain(&handshakes).sum();
    Ok(format!(
        "{guesses} guesses refused, {good} good tokens taken"
    ))
}

/// Guesses on streams of one connection, reads and calls of gRPC in turn; returns how many.
async fn guess_over_http2(attack: &Attack<'_>, forgery: &Forgery, end: Instant) -> Result<usize> {
    let mut peer = Peer::open(&attack.dial, &[], true).await?;
    let forged = (forgery.token)("mallory")?;
    let (read, call) = (reading(&forged), sending(&forged));
    let mut made = 0;
    while Instant::now() < end {
        let mut bytes = opened();
        for stream in made..made + forgery.at_once {
            bytes.extend(if stream % 2 == 0 {
                asked(stream, &read)
            } else {
                called(stream, &call)
            });
        }
        made += forgery.at_once;
        ensure!(
            peer.send(&bytes).await == Sent::Done,
            "the guesses were not taken"
        );
        let answered = peer
            .until(PATIENCE, |seen| seen.answered.len() >= made || seen.ended)
            .await;
        ensure!(
            answered && !peer.seen().ended,
            "no answer: {:?}",
            peer.end(Duration::ZERO).await
        );
    }
    let taken = (0..made).filter(|stream| stream % 2 == 0 && peer.seen().is_ok(id(*stream)));
    ensure!(taken.count() == 0, "a forged token was taken");
    Ok(made)
}

/// Guesses in opening handshakes, in the header and as a subprotocol.
async fn guess_by_handshake(attack: &Attack<'_>, forgery: &Forgery, end: Instant) -> Result<usize> {
    let forged = (forgery.token)("mallory")?;
    let headers = [
        format!("Authorization: Bearer {forged}\r\n"),
        format!("Sec-WebSocket-Protocol: chat, bearer.{forged}\r\n"),
    ];
    let mut made = 0;
    while Instant::now() < end {
        let header = &headers[made % headers.len()];
        let answer = status(&attack.dial, request("/chat/guarded", header).as_bytes()).await;
        ensure!(
            matches!(answer, Some(401 | 429)),
            "a forged token in a handshake got {answer:?}"
        );
        made += 1;
        sleep(Duration::from_millis(10)).await;
    }
    Ok(made)
}

/// Good tokens in handshakes, reads and calls, now and then; returns how many.
async fn good(attack: &Attack<'_>, end: Instant) -> Result<usize> {
    let mut peer = Peer::open(&attack.honest, &[], true).await?;
    let good = token::good("ana")?;
    let (read, call) = (reading(&good), sending(&good));
    let header = format!("Authorization: Bearer {good}\r\n");
    let mut turn = 0;
    while Instant::now() < end {
        Socket::open(&attack.honest, "/chat/guarded", &header)
            .await
            .with_context(|| format!("a good token in handshake {turn}"))?;
        let (reads, calls) = (2 * turn, 2 * turn + 1);
        let bytes = [opened(), asked(reads, &read), called(calls, &call)].concat();
        ensure!(
            peer.send(&bytes).await == Sent::Done,
            "the requests were not taken"
        );
        let taken = peer
            .until(PATIENCE, |seen| {
                // A call that is refused has no DATA.
                seen.is_ok(id(reads)) && seen.data.contains_key(&id(calls))
            })
            .await;
        ensure!(taken, "good tokens in turn {turn}: {:?}", peer.seen());
        turn += 1;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(3 * turn)
}

fn reading(token: &str) -> Block {
    Block::get("/rooms/guarded/messages").field("authorization", &format!("Bearer {token}"))
}

fn sending(token: &str) -> Block {
    Block::grpc("/chat.v2.ChatService/Send").field("authorization", &format!("Bearer {token}"))
}

fn asked(stream: usize, block: &Block) -> Vec<u8> {
    headers(id(stream), END_STREAM, block.bytes())
}

/// A call that says `hi` in the room `guarded`.
fn called(stream: usize, block: &Block) -> Vec<u8> {
    const MESSAGE: &[u8] = b"\0\0\0\0\x0d\x0a\x07guarded\x1a\x02hi";
    let head = headers(id(stream), 0, block.bytes());
    [head, data(id(stream), END_STREAM, MESSAGE)].concat()
}

/// Credit for what was answered before, in the window of the connection.
fn opened() -> Vec<u8> {
    window_update(0, 60_000)
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
