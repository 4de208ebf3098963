//! HTTP/2 at its rules' edges and beyond them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures_util::FutureExt;
use raw_http2::code::{CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM};
use raw_http2::kind::{HEADERS, SETTINGS};
use raw_http2::setting::{ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE};
use raw_http2::{
    ACK, Block, END_STREAM, frame, headers, one_setting, ping, rst_stream, settings, window_update,
};
use tokio::time::sleep;

use crate::attack::Attack;
use crate::ends::{End, Ends, each, try_each};
use crate::peer::{Peer, Seen, Sent, id};
use crate::row::Row;
use crate::socket;

/// Floods of frames, and frames that are wrong.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "r14-resets",
        threats: "R14",
        what: "4 connections open streams and reset them at once, 20,000 (long: 100,000) each",
        growth: 32,
        run: |attack| resets(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-continuation",
        threats: "R14",
        what: "4 connections send a header block in 10,000 CONTINUATION frames that never ends",
        growth: 16,
        run: |attack| continuation(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-settings",
        threats: "R14",
        what: "20,000 (long: 100,000) SETTINGS on each of 4 connections, of which two never read",
        growth: 16,
        run: |attack| {
            let settings = settings(&[(INITIAL_WINDOW_SIZE, 65_535)]);
            control(attack, settings).boxed_local()
        },
        ..Row::DEFAULT
    },
    Row {
        name: "r14-pings",
        threats: "R14",
        what: "20,000 (long: 100,000) PINGs on each of 4 connections, of which two never read",
        growth: 16,
        run: |attack| control(attack, ping(0, [7; 8])).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-empty-data",
        threats: "R14",
        what: "4 connections send 50,000 (long: a million) empty DATA frames into an open WebSocket",
        growth: 24,
        run: |attack| data(attack, b"", attack.of(50_000, 1_000_000)).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-one-byte-data",
        threats: "R14, R15",
        what: "4 connections send a WebSocket message of 60,000 bytes in DATA frames of one byte: it is echoed, or they are told to calm down",
        growth: 24,
        run: |attack| data(attack, b"d", 60_000).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-hpack-bomb",
        threats: "R14",
        what: "200 requests of 16,384 references of one byte to a field of 4,000, with a window of zero, held for 3 s (long: 60 s)",
        growth: 64,
        run: |attack| hpack_bomb(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-zero-window",
        threats: "R14, R8",
        what: "20 connections with a window of zero ask for 100 pages each with heads of 12 KiB in a few bytes, and hold them for 3 s (long: 60 s)",
        growth: 64,
        run: |attack| zero_window(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-settings-unacknowledged",
        threats: "R14",
        what: "100 connections never acknowledge SETTINGS nor PING, for 3 s (long: 45 s)",
        growth: 24,
        run: |attack| unacknowledged(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r14-bad-settings",
        threats: "R14",
        what: "each kind of SETTINGS that is wrong, ten times",
        growth: 16,
        run: |attack| bad_settings(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r16-stuck-stream",
        threats: "R16",
        what: "of 100 WebSockets on one connection one never opens its window; the others echo 20 times each",
        growth: 24,
        run: |attack| stuck(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r17-grpc-streams",
        threats: "R17",
        what: "4 connections begin 300 gRPC calls each and finish none",
        growth: 24,
        run: |attack| grpc(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "r12-joins",
        threats: "R12, R16",
        what: "2,000 (long: 100,000) rooms are joined and left over 4 connections",
        growth: 64,
        // 10,000 rooms that were left a moment ago and are remembered (`--rooms-retention`), where they stood among many.
        keeps: (0, 8),
        run: |attack| joins(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

/// Connections that most of these attacks use.
const CONNECTIONS: usize = 4;
async fn open(attack: &Attack<'_>, number: usize) -> Result<Peer> {
    Peer::open(&attack.dial.from(number), &[], true).await
}

async fn resets(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(20_000, 100_000);
    let block = Block::get("/healthz");
    let ends = each(CONNECTIONS, CONNECTIONS, async |number| {
        let Ok(mut peer) = open(attack, number).await else {
            return End::Cut;
        };
        for first in (0..count).step_by(100) {
            let streams = (first..first + 100).map(id);
            let bytes = streams.flat_map(|stream| {
                let asked = headers(stream, END_STREAM, block.bytes());
                [asked, rst_stream(stream, CANCEL)].concat()
            });
            if peer.send(&bytes.collect::<Vec<u8>>()).await != Sent::Done {
                break;
            }
        }
        peer.end(Duration::from_secs(5)).await
    });
    ends.await.all("GOAWAY 11 or cut off for all", |end| {
        matches!(end, End::GoAway(ENHANCE_YOUR_CALM) | End::Cut)
    })
}

async fn continuation(attack: &Attack<'_>) -> Result<String> {
    let field = Block::default().field("x", &"y".repeat(100));
    let ten = raw_http2::continuation(1, 0, field.bytes()).repeat(10);
    let ends = each(CONNECTIONS, CONNECTIONS, async |number| {
        let Ok(mut peer) = open(attack, number).await else {
            return End::Open;
        };
        let begun = frame(HEADERS, END_STREAM, 1, Block::get("/").bytes());
        peer.send(&begun).await;
        for _ in 0..1_000 {
            if peer.send(&ten).await != Sent::Done {
                break;
            }
        }
        peer.end(Duration::from_secs(5)).await
    });
    let ends = ends.await;
    ends.all("GOAWAY or cut off for all", |end| *end != End::Open)
}

/// Floods with a frame that wants an answer. Who reads gets every answer or a GOAWAY; who does not is not read either.
async fn control(attack: &Attack<'_>, one: Vec<u8>) -> Result<String> {
    let count = attack.of(20_000, 100_000);
    let hundred = one.repeat(100);
    let answered = |seen: &Seen| match one[3] {
        SETTINGS => seen.settings_acks,
        _ => seen.ping_acks,
    };
    let seen = try_each(CONNECTIONS, CONNECTIONS, async |number| {
        let listening = number % 2 == 0;
        let mut dial = attack.dial.from(number);
        if !listening {
            dial = dial.receiving(4096);
        }
        let mut peer = Peer::open(&dial, &[], listening).await?;
        let (mut taken, mut last) = (0, Sent::Done);
        while taken < count && last == Sent::Done {
            last = peer.send(&hundred).await;
            taken += 100;
        }
        if !listening {
            return Ok(format!("deaf: {last:?} after {taken}"));
        }
        let enough = |seen: &Seen| answered(seen) >= count || seen.is_over();
        let enough = peer.until(Duration::from_secs(10), enough).await;
        let seen = peer.seen();
        let answered = answered(&seen);
        ensure!(enough, "only {answered} of {count} answered: {seen:?}");
        Ok(match seen.goaway {
            Some(code) => format!("GOAWAY {code} after {taken}"),
            None if seen.ended => format!("cut off after {taken}"),
            None => format!("{answered} answered"),
        })
    });
    Ok(seen.await?.join(", "))
}

/// Sends one WebSocket message in `count` DATA frames of `piece`. An empty piece leaves the message unfinished.
async fn data(attack: &Attack<'_>, piece: &'static [u8], count: usize) -> Result<String> {
    let message = raw_http2::data(1, 0, &socket::header(0x82, 60_000));
    let hundred = raw_http2::data(1, 0, piece).repeat(100);
    let ends = try_each(CONNECTIONS, CONNECTIONS, async |number| {
        let mut peer = open(attack, number).await?;
        peer.websocket(0, "/echo").await?;
        peer.send(&message).await;
        for _ in 0..count / 100 {
            if peer.send(&hundred).await != Sent::Done {
                break;
            }
        }
        if piece.is_empty() {
            return Ok(peer.end(Duration::from_secs(1)).await.to_string());
        }
        // 60,000 bytes and a header of 4; the window is 65,535.
        let whole = |seen: &Seen| seen.data.get(&1) == Some(&60_004) || seen.goaway.is_some();
        let whole = peer.until(Duration::from_secs(20), whole).await;
        match peer.end(Duration::ZERO).await {
            End::Open if whole => Ok("echoed".to_owned()),
            End::GoAway(ENHANCE_YOUR_CALM) => Ok("GOAWAY 11".to_owned()),
            end => bail!("{end}, not echoed: {:?}", peer.seen()),
        }
    });
    Ok(ends.await?.join(", "))
}

/// Connects with a window of zero and sends a request for `path` whose field takes the whole table, then 99 more as `more`.
async fn remembering(attack: &Attack<'_>, number: usize, path: &str, more: &Block) -> Result<Peer> {
    let window = one_setting(INITIAL_WINDOW_SIZE, 0);
    let mut peer = Peer::open(&attack.dial.from(number), &window, true).await?;
    // 3,960 bytes, a name and 32 more fill the table of 4,096.
    let first = Block::get(path).remembered("x", &"y".repeat(3_960));
    let mut bytes = headers(1, END_STREAM, first.bytes());
    for number in 1..100 {
        bytes.extend(headers(id(number), END_STREAM, more.bytes()));
    }
    peer.send(&bytes).await;
    Ok(peer)
}

async fn hpack_bomb(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(60));
    // 0xbe is a reference to index 62. A frame may have 16,384 bytes.
    let bomb = Block::get("/healthz").raw(&vec![0xbe; 16_384 - 64]);
    let peers = try_each(2, 1, async |number| {
        remembering(attack, number, "/healthz", &bomb).await
    });
    let peers = peers.await?;
    sleep(hold).await;
    let (mut refused, mut ends) = (0, Ends::default());
    for peer in &peers {
        let seen = peer.seen();
        refused += seen.answered.len() + seen.resets.values().sum::<usize>();
        ends.extend([peer.end(Duration::ZERO).await]);
    }
    ensure!(
        refused >= 100 || ends.count(|end| *end == End::Open) == 0,
        "the bombs were taken: {refused} answered"
    );
    Ok(format!("{refused} answered or reset; {ends}"))
}

async fn zero_window(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(60));
    // Three of them stay below the limit of a head, 16 KiB.
    let more = Block::get("/chat.js").raw(&[0xbe; 3]);
    let peers = try_each(20, 1, async |number| {
        remembering(attack, number, "/", &more).await
    });
    let peers = peers.await?;
    sleep(hold).await;
    let mut answered = 0;
    for seen in peers.iter().map(Peer::seen) {
        let data: usize = seen.data.values().sum();
        ensure!(data == 0, "DATA came without a window");
        answered += seen.answered.len();
    }
    Ok(format!("{answered} of 2,000 heads answered, no DATA"))
}

async fn unacknowledged(attack: &Attack<'_>) -> Result<String> {
    let hold = attack.of(Duration::from_secs(3), Duration::from_secs(45));
    let peers = try_each(100, 16, async |number| open(attack, number).await);
    let peers = peers.await?;
    sleep(hold).await;
    let ends = each(peers.len(), 1, async |number| {
        peers[number].end(Duration::ZERO).await
    });
    let ends = ends.await;
    if hold > Duration::from_secs(40) {
        // 20 s of silence, then 10 s for the answer to a PING.
        ends.all("all gone", |end| *end != End::Open)?;
    }
    Ok(ends.to_string())
}

async fn bad_settings(attack: &Attack<'_>) -> Result<String> {
    // RFC 9113 §6.5: what is wrong, and the code that fits best: PROTOCOL_ERROR 1, FLOW_CONTROL_ERROR 3,
    // FRAME_SIZE_ERROR 6. h2 says PROTOCOL_ERROR, the general one, to all of them.
    let settings = |identifier, value| settings(&[(identifier, value)]);
    let cases = [
        ("ENABLE_PUSH of 2", 1, settings(ENABLE_PUSH, 2)),
        (
            "INITIAL_WINDOW_SIZE of 2^31",
            3,
            settings(INITIAL_WINDOW_SIZE, 1 << 31),
        ),
        ("MAX_FRAME_SIZE of 100", 1, settings(MAX_FRAME_SIZE, 100)),
        (
            "MAX_FRAME_SIZE of 2^24",
            1,
            settings(MAX_FRAME_SIZE, 1 << 24),
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
    let window = one_setting(INITIAL_WINDOW_SIZE, 1_000);
    let mut peer = Peer::open(&attack.dial, &window, true).await?;
    for number in 0..100 {
        peer.websocket(number, "/echo").await?;
    }
    let big = socket::frame(0x82, &[7; 10_000]);
    for _ in 0..6 {
        peer.send(&raw_http2::data(1, 0, &big)).await;
    }
    let word = socket::frame(0x81, b"go on");
    let begun = Instant::now();
    for turn in 1..=20_usize {
        for number in 1..100 {
            let word = raw_http2::data(id(number), 0, &word);
            if peer.send(&word).await != Sent::Done {
                bail!("stuck in turn {turn}: {:?}", peer.end(Duration::ZERO).await);
            }
        }
        // The connection's window is ours to open, as a decent client does.
        peer.send(&window_update(0, 60_000)).await;
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
    let refused = try_each(CONNECTIONS, CONNECTIONS, async |number| {
        let mut peer = open(attack, number).await?;
        // The server's SETTINGS are in force once we have acknowledged them.
        sleep(Duration::from_millis(100)).await;
        peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
        let calls = (0..300).flat_map(|number| headers(id(number), 0, block.bytes()));
        peer.send(&calls.collect::<Vec<u8>>()).await;
        let refused = |seen: &Seen| seen.resets.get(&REFUSED_STREAM).copied().unwrap_or(0);
        let enough = |seen: &Seen| refused(seen) == 200 || seen.goaway.is_some();
        let enough = peer.until(Duration::from_secs(5), enough).await;
        ensure!(enough, "300 calls were taken: {:?}", peer.seen());
        Ok(refused(&peer.seen()))
    });
    let refused: usize = refused.await?.into_iter().sum();
    Ok(format!("{refused} of 1,200 refused (REFUSED_STREAM)"))
}

async fn joins(attack: &Attack<'_>) -> Result<String> {
    let total = attack.of(2_000_usize, 100_000);
    let each = total / CONNECTIONS;
    let joins = try_each(CONNECTIONS, CONNECTIONS, async |connection| {
        let mut peer = open(attack, connection).await?;
        // Fewer than the streams at once, so that none is refused.
        for first in (0..each).step_by(50) {
            let rooms = first..(first + 50).min(each);
            let joins = rooms.clone().flat_map(|number| {
                let block = Block::connect(&format!("/chat/join-{connection}-{number}?name=j"));
                headers(id(number), 0, block.bytes())
            });
            peer.send(&joins.collect::<Vec<u8>>()).await;
            let last = rooms.end;
            let joined = |seen: &Seen| seen.answered.len() >= last || seen.is_over();
            let joined = peer.until(Duration::from_secs(10), joined).await;
            ensure!(
                joined && peer.seen().answered.len() >= last,
                "not joined after {first}: {:?}",
                peer.end(Duration::ZERO).await
            );
            let leaves = rooms.flat_map(|number| rst_stream(id(number), CANCEL));
            peer.send(&leaves.collect::<Vec<u8>>()).await;
        }
        Ok(())
    });
    joins.await?;
    Ok(format!("{total} joined and left"))
}
