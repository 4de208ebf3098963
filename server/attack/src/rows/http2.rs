//! HTTP/2 at its rules' edges and beyond them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::attack::Attack;
use crate::ends::{End, Ends};
use crate::http2::{
    ACK, Block, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING,
    Peer, RST_STREAM, SETTINGS, Sent, frame, setting,
};
use crate::row::{Row, defaults};

/// Floods of frames, and frames that are wrong.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r14-resets",
        threats: "R14",
        what: "4 connections open streams and reset them at once, 20,000 (long: 100,000) each",
        flags: defaults,
        growth: 32,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| resets(attack).boxed_local(),
    },
    Row {
        name: "r14-continuation",
        threats: "R14",
        what: "4 connections send a header block in 10,000 CONTINUATION frames that never ends",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 60),
        run: |attack| continuation(attack).boxed_local(),
    },
    Row {
        name: "r14-settings",
        threats: "R14",
        what: "20,000 (long: 100,000) SETTINGS on each of 4 connections, of which two never read",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| {
            control(
                attack,
                frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 65_535)),
            )
            .boxed_local()
        },
    },
    Row {
        name: "r14-pings",
        threats: "R14",
        what: "20,000 (long: 100,000) PINGs on each of 4 connections, of which two never read",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| control(attack, frame(PING, 0, 0, &[7; 8])).boxed_local(),
    },
    Row {
        name: "r14-empty-data",
        threats: "R14",
        what: "4 connections send 50,000 (long: a million) empty DATA frames into an open WebSocket",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (60, 240),
        run: |attack| data(attack, b"", attack.of(50_000, 1_000_000)).boxed_local(),
    },
    Row {
        name: "r14-one-byte-data",
        threats: "R14, R15",
        what: "4 connections send a WebSocket message of 60,000 bytes in DATA frames of one byte: it is echoed, or they are told to calm down",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (60, 120),
        run: |attack| data(attack, b"d", 60_000).boxed_local(),
    },
    Row {
        name: "r14-hpack-bomb",
        threats: "R14",
        what: "200 requests of 16,384 references of one byte to a field of 4,000, with a window of zero, held for 3 s (long: 60 s)",
        flags: defaults,
        growth: 64,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| hpack_bomb(attack).boxed_local(),
    },
    Row {
        name: "r14-zero-window",
        threats: "R14, R8",
        what: "20 connections with a window of zero ask for 100 pages each with heads of 12 KiB in a few bytes, and hold them for 3 s (long: 60 s)",
        flags: defaults,
        growth: 64,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 120),
        run: |attack| zero_window(attack).boxed_local(),
    },
    Row {
        name: "r14-settings-unacknowledged",
        threats: "R14",
        what: "100 connections never acknowledge SETTINGS nor PING, for 3 s (long: 45 s)",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 90),
        run: |attack| unacknowledged(attack).boxed_local(),
    },
    Row {
        name: "r14-bad-settings",
        threats: "R14",
        what: "each kind of SETTINGS that is wrong, ten times",
        flags: defaults,
        growth: 16,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 30),
        run: |attack| bad_settings(attack).boxed_local(),
    },
    Row {
        name: "r16-stuck-stream",
        threats: "R16",
        what: "of 100 WebSockets on one connection one never opens its window; the others echo 20 times each",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 60),
        run: |attack| stuck(attack).boxed_local(),
    },
    Row {
        name: "r17-grpc-streams",
        threats: "R17",
        what: "4 connections begin 300 gRPC calls each and finish none",
        flags: defaults,
        growth: 24,
        keeps: (0, 0),
        cpu: 10.0,
        seconds: (30, 60),
        run: |attack| grpc(attack).boxed_local(),
    },
    Row {
        name: "r12-joins",
        threats: "R12, R16",
        what: "2,000 (long: 100,000) rooms are joined and left over 4 connections",
        flags: defaults,
        growth: 64,
        // 10,000 rooms that were left a moment ago and are remembered (`--rooms-retention`), where they stood among many.
        keeps: (0, 8),
        cpu: 10.0,
        seconds: (60, 300),
        run: |attack| joins(attack).boxed_local(),
    },
];

/// Connections that most of these attacks use.
const CONNECTIONS: usize = 4;
/// `ENHANCE_YOUR_CALM` (RFC 9113 §7).
const CALM: u32 = 11;

/// The `number`th stream of a client.
fn id(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0) * 2 + 1
}

async fn open(attack: &Attack<'_>, number: usize) -> Result<Peer> {
    Peer::open(&attack.dial.from(number), &[], true).await
}

async fn resets(attack: &Attack<'_>) -> Result<String> {
    let each = attack.of(20_000, 100_000);
    let block = Block::get("/healthz");
    let block = &block;
    let ends: Ends = stream::iter(0..CONNECTIONS)
        .map(|number| async move {
            let Ok(mut peer) = open(attack, number).await else {
                return End::Cut;
            };
            for first in (0..each).step_by(100) {
                let mut bytes = Vec::new();
                for number in first..first + 100 {
                    bytes.extend(frame(
                        HEADERS,
                        END_HEADERS | END_STREAM,
                        id(number),
                        block.bytes(),
                    ));
                    bytes.extend(frame(RST_STREAM, 0, id(number), &8_u32.to_be_bytes()));
                }
                if peer.send(&bytes).await != Sent::Done {
                    break;
                }
            }
            peer.end(Duration::from_secs(5)).await
        })
        .buffer_unordered(CONNECTIONS)
        .collect()
        .await;
    ends.all("GOAWAY 11 or cut off for all", |end| {
        matches!(end, End::GoAway(CALM) | End::Cut)
    })?;
    Ok(ends.to_string())
}

async fn continuation(attack: &Attack<'_>) -> Result<String> {
    let field = Block::default().field("x", &"y".repeat(100));
    let field = &field;
    let ends: Ends = stream::iter(0..CONNECTIONS)
        .map(|number| async move {
            let Ok(mut peer) = open(attack, number).await else {
                return End::Open;
            };
            peer.send(&frame(HEADERS, END_STREAM, 1, Block::get("/").bytes()))
                .await;
            let ten: Vec<u8> = (0..10)
                .flat_map(|_| frame(CONTINUATION, 0, 1, field.bytes()))
                .collect();
            for _ in 0..1_000 {
                if peer.send(&ten).await != Sent::Done {
                    break;
                }
            }
            peer.end(Duration::from_secs(5)).await
        })
        .buffer_unordered(CONNECTIONS)
        .collect()
        .await;
    ends.all("GOAWAY or cut off for all", |end| *end != End::Open)?;
    Ok(ends.to_string())
}

/// Floods with a frame that wants an answer. Who reads gets every answer or a GOAWAY; who does not is not read either.
async fn control(attack: &Attack<'_>, one: Vec<u8>) -> Result<String> {
    let each = attack.of(20_000, 100_000);
    let hundred = one.repeat(100);
    let (hundred, is_settings) = (&hundred, one[3] == SETTINGS);
    let seen: Vec<String> = stream::iter(0..CONNECTIONS)
        .map(|number| async move {
            let listening = number % 2 == 0;
            let dial = attack.dial.from(number);
            let dial = if listening {
                dial
            } else {
                dial.receiving(4096)
            };
            let mut peer = Peer::open(&dial, &[], listening).await?;
            let mut taken = 0;
            let mut last = Sent::Done;
            while taken < each && last == Sent::Done {
                last = peer.send(hundred).await;
                taken += 100;
            }
            if !listening {
                return Ok(format!("deaf: {last:?} after {taken}"));
            }
            let answered = |seen: &crate::http2::Seen| {
                if is_settings {
                    seen.settings_acks
                } else {
                    seen.ping_acks
                }
            };
            peer.until(Duration::from_secs(10), |seen| {
                answered(seen) >= each || seen.goaway.is_some() || seen.ended
            })
            .await;
            let seen = peer.seen();
            ensure!(
                answered(&seen) >= each || seen.goaway.is_some() || seen.ended,
                "only {} of {each} answered: {seen:?}",
                answered(&seen)
            );
            Ok(match seen.goaway {
                Some(code) => format!("GOAWAY {code} after {taken}"),
                None if seen.ended => format!("cut off after {taken}"),
                None => format!("{} answered", answered(&seen)),
            })
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await?;
    Ok(seen.join(", "))
}

/// Opens `path` as a WebSocket on stream `number`.
pub(super) async fn websocket(peer: &mut Peer, number: usize, path: &str) -> Result<()> {
    let stream = id(number);
    peer.send(&frame(
        HEADERS,
        END_HEADERS,
        stream,
        Block::connect(path).bytes(),
    ))
    .await;
    let answered = peer
        .until(Duration::from_secs(10), |seen| {
            seen.answered.contains(&stream) || seen.ended
        })
        .await;
    ensure!(
        answered && !peer.seen().ended,
        "no answer to CONNECT {path}: {:?}",
        peer.seen()
    );
    Ok(())
}

/// Sends one WebSocket message in `count` DATA frames of `piece`. An empty piece leaves the message unfinished.
async fn data(attack: &Attack<'_>, piece: &'static [u8], count: usize) -> Result<String> {
    let message = crate::socket::header(0x82, 60_000);
    let message = &message;
    let ends: Vec<String> = stream::iter(0..CONNECTIONS)
        .map(|number| async move {
            let mut peer = open(attack, number).await?;
            websocket(&mut peer, 0, "/echo").await?;
            peer.send(&frame(DATA, 0, 1, message)).await;
            let hundred = frame(DATA, 0, 1, piece).repeat(100);
            for _ in 0..count / 100 {
                if peer.send(&hundred).await != Sent::Done {
                    break;
                }
            }
            if piece.is_empty() {
                return Ok(peer.end(Duration::from_secs(1)).await.to_string());
            }
            // 60,000 bytes and a header of 4; the window is 65,535.
            let whole = peer
                .until(Duration::from_secs(20), |seen| {
                    seen.data.get(&1) == Some(&60_004) || seen.goaway.is_some()
                })
                .await;
            match peer.end(Duration::ZERO).await {
                End::Open if whole => Ok("echoed".to_owned()),
                End::GoAway(CALM) => Ok("GOAWAY 11".to_owned()),
                end => bail!("{end}, not echoed: {:?}", peer.seen()),
            }
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await?;
    Ok(ends.join(", "))
}

async fn hpack_bomb(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(60));
    let window = setting(INITIAL_WINDOW_SIZE, 0);
    let mut peers = Vec::new();
    let mut refused = 0;
    for connection in 0..2 {
        let mut peer = Peer::open(&attack.dial.from(connection), &window, true).await?;
        // 3,960 bytes, a name and 32 more fill the table of 4,096.
        let first = Block::get("/healthz").remembered("x", &"y".repeat(3_960));
        let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, first.bytes());
        // 0xbe is a reference to index 62. A frame may have 16,384 bytes.
        let bomb = Block::get("/healthz").raw(&vec![0xbe; 16_384 - 64]);
        for number in 1..100 {
            bytes.extend(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                id(number),
                bomb.bytes(),
            ));
        }
        peer.send(&bytes).await;
        peers.push(peer);
    }
    sleep(hold).await;
    let mut seen = Vec::new();
    for peer in &peers {
        let state = peer.seen();
        refused += state.answered.len() + state.resets.values().sum::<usize>();
        seen.push(peer.end(Duration::ZERO).await.to_string());
    }
    ensure!(
        refused >= 100 || seen.iter().all(|end| end != "still open"),
        "the bombs were taken: {refused} answered"
    );
    Ok(format!("{refused} answered or reset; {}", seen.join(", ")))
}

async fn zero_window(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(60));
    let window = setting(INITIAL_WINDOW_SIZE, 0);
    let mut peers = Vec::new();
    for connection in 0..20 {
        let mut peer = Peer::open(&attack.dial.from(connection), &window, true).await?;
        let first = Block::get("/").remembered("x", &"y".repeat(3_960));
        let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, first.bytes());
        // Three of them stay below the limit of a head, 16 KiB.
        let more = Block::get("/chat.js").raw(&[0xbe; 3]);
        for number in 1..100 {
            bytes.extend(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                id(number),
                more.bytes(),
            ));
        }
        peer.send(&bytes).await;
        peers.push(peer);
    }
    sleep(hold).await;
    let mut answered = 0;
    for peer in &peers {
        let seen = peer.seen();
        ensure!(
            seen.data.values().sum::<usize>() == 0,
            "DATA came without a window"
        );
        answered += seen.answered.len();
    }
    Ok(format!("{answered} of 2,000 heads answered, no DATA"))
}

async fn unacknowledged(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(45));
    let peers: Vec<Peer> = stream::iter(0..100)
        .map(|number| {
            let dial = attack.dial.from(number);
            async move { Peer::open(&dial, &[], true).await }
        })
        .buffered(16)
        .try_collect()
        .await?;
    sleep(hold).await;
    let mut ends = Vec::new();
    for peer in &peers {
        ends.push(peer.end(Duration::ZERO).await);
    }
    let ends: Ends = ends.into_iter().collect();
    if hold > Duration::from_secs(40) {
        // 20 s of silence, then 10 s for the answer to a PING.
        ends.all("all gone", |end| *end != End::Open)?;
    }
    Ok(ends.to_string())
}

async fn bad_settings(attack: &Attack<'_>) -> Result<String> {
    // RFC 9113 §6.5: what is wrong, and the code that fits best: PROTOCOL_ERROR 1, FLOW_CONTROL_ERROR 3,
    // FRAME_SIZE_ERROR 6. h2 says PROTOCOL_ERROR, the general one, to all of them.
    let cases = [
        ("ENABLE_PUSH of 2", 1, frame(SETTINGS, 0, 0, &setting(2, 2))),
        (
            "INITIAL_WINDOW_SIZE of 2^31",
            3,
            frame(SETTINGS, 0, 0, &setting(4, 1 << 31)),
        ),
        (
            "MAX_FRAME_SIZE of 100",
            1,
            frame(SETTINGS, 0, 0, &setting(5, 100)),
        ),
        (
            "MAX_FRAME_SIZE of 2^24",
            1,
            frame(SETTINGS, 0, 0, &setting(5, 1 << 24)),
        ),
        ("five bytes", 6, frame(SETTINGS, 0, 0, &[0; 5])),
        ("an ACK with a payload", 6, frame(SETTINGS, ACK, 0, &[0; 6])),
        ("on a stream", 1, frame(SETTINGS, 0, 1, &[])),
    ];
    let mut wrong = Vec::new();
    for (what, code, bytes) in &cases {
        for turn in 0..10 {
            let mut peer = open(attack, turn).await?;
            peer.send(bytes).await;
            match peer.end(Duration::from_secs(5)).await {
                End::GoAway(seen) if seen == *code || seen == 1 => {}
                end => wrong.push(format!("{what}: {end}, not GOAWAY {code}")),
            }
        }
    }
    wrong.dedup();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(format!(
        "{} × 10, each a GOAWAY with a fitting code",
        cases.len()
    ))
}

async fn stuck(attack: &Attack<'_>) -> Result<String> {
    // A stream's window holds the words of the 99, but not what the first one asks for.
    let window = setting(INITIAL_WINDOW_SIZE, 1_000);
    let mut peer = Peer::open(&attack.dial, &window, true).await?;
    for number in 0..100 {
        websocket(&mut peer, number, "/echo").await?;
    }
    let big = crate::socket::frame(0x82, &[7; 10_000]);
    for _ in 0..6 {
        peer.send(&frame(DATA, 0, 1, &big)).await;
    }
    let word = crate::socket::frame(0x81, b"go on");
    let begun = Instant::now();
    for turn in 1..=20_usize {
        for number in 1..100 {
            if peer.send(&frame(DATA, 0, id(number), &word)).await != Sent::Done {
                bail!("stuck in turn {turn}: {:?}", peer.end(Duration::ZERO).await);
            }
        }
        // The connection's window is ours to open, as a decent client does.
        let opened = frame(crate::http2::WINDOW_UPDATE, 0, 0, &60_000_u32.to_be_bytes());
        peer.send(&opened).await;
        let echoed = peer
            .until(Duration::from_secs(5), |seen| {
                (1..100).all(|number| seen.data.get(&id(number)) == Some(&(7 * turn)))
            })
            .await;
        ensure!(echoed, "not all of the 99 echoed in turn {turn}");
    }
    Ok(format!(
        "99 × 20 echoed in {} ms beside it",
        begun.elapsed().as_millis()
    ))
}

async fn grpc(attack: &Attack<'_>) -> Result<String> {
    let block = Block::grpc("/chat.ChatService/SendMessage");
    let block = &block;
    let refused: Vec<usize> = stream::iter(0..CONNECTIONS)
        .map(|number| async move {
            let mut peer = open(attack, number).await?;
            // The server's SETTINGS are in force once we have acknowledged them.
            sleep(Duration::from_millis(100)).await;
            peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
            let calls: Vec<u8> = (0..300)
                .flat_map(|number| frame(HEADERS, END_HEADERS, id(number), block.bytes()))
                .collect();
            peer.send(&calls).await;
            let told = peer
                .until(Duration::from_secs(5), |seen| {
                    seen.resets.get(&7) == Some(&200) || seen.goaway.is_some()
                })
                .await;
            ensure!(told, "300 calls were taken: {:?}", peer.seen());
            Ok(peer.seen().resets.get(&7).copied().unwrap_or(0))
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await?;
    Ok(format!(
        "{} of 1,200 refused (REFUSED_STREAM)",
        refused.iter().sum::<usize>()
    ))
}

async fn joins(attack: &Attack<'_>) -> Result<String> {
    let total = attack.of(2_000_usize, 100_000);
    let each = total / CONNECTIONS;
    stream::iter(0..CONNECTIONS)
        .map(|connection| async move {
            let mut peer = open(attack, connection).await?;
            // Fewer than the streams at once, so that none is refused.
            for first in (0..each).step_by(50) {
                let rooms = first..(first + 50).min(each);
                let mut bytes = Vec::new();
                for number in rooms.clone() {
                    let path = format!("/chat/join-{connection}-{number}?name=j");
                    let block = Block::connect(&path);
                    bytes.extend(frame(HEADERS, END_HEADERS, id(number), block.bytes()));
                }
                peer.send(&bytes).await;
                let last = rooms.end;
                let joined = peer
                    .until(Duration::from_secs(10), |seen| {
                        seen.answered.len() >= last || seen.ended || seen.goaway.is_some()
                    })
                    .await;
                ensure!(
                    joined && peer.seen().answered.len() >= last,
                    "not joined after {first}: {:?}",
                    peer.end(Duration::ZERO).await
                );
                let leave: Vec<u8> = rooms
                    .flat_map(|number| frame(RST_STREAM, 0, id(number), &8_u32.to_be_bytes()))
                    .collect();
                peer.send(&leave).await;
            }
            Ok::<_, anyhow::Error>(())
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(format!("{total} joined and left"))
}
