//! Memory of compression that many connections take together.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::{Compress, FlushCompress};
use futures_util::FutureExt;
use rand::RngExt;

use crate::attack::Attack;
use crate::ends::{End, each, try_each};
use crate::row::Row;
use crate::socket::{Socket, frame};

/// Contexts, and decompressors of messages that do not end.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "d16-contexts",
        threats: "D16",
        what: "1,200 (long: 2,000) connections keep their contexts, have 64 KiB echoed and stay; 16 MiB are for contexts",
        flags: (
            "--deflate-memory 16MiB --client-max-window-bits 15 --deflate-window-bits 15",
            "--deflate-memory 16MiB --client-max-window-bits 15 --deflate-window-bits 15",
        ),
        growth: 64,
        run: |attack| contexts(attack).boxed_local(),
        ..Row::DEFAULT
    },
    Row {
        name: "d16-decompressors",
        threats: "D16, R4",
        what: "1,000 (long: 2,000) connections begin a compressed message of 17,000 bytes and then nothing; 16 MiB are for all that is held",
        flags: (
            "--message-timeout 3s --max-buffered-bytes 16MiB",
            "--max-buffered-bytes 16MiB",
        ),
        growth: 56,
        run: |attack| decompressors(attack).boxed_local(),
        ..Row::DEFAULT
    },
];

async fn contexts(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(1_200, 2_000);
    let message = frame(FIRST | FIN, &window()?);
    let held = try_each(count, 16, async |number| {
        let dial = attack.dial.from(number % 10);
        let mut socket = Socket::open(&dial, "/echo", WINDOW_OFFER).await?;
        socket.send(&message).await?;
        let echo = socket.next().await?;
        let echo = echo.context("closed without an echo")?;
        ensure!(echo.first & 0x0f == 0x02, "not the echo: {:#x}", echo.first);
        Ok(socket)
    });
    let held = held.await?;
    let keep = held.iter().filter(|socket| {
        let answer = socket.head().to_ascii_lowercase();
        !answer.contains("client_no_context_takeover")
    });
    let keep = keep.count();
    // 16 MiB are 512 windows of 32 KiB.
    ensure!(
        (1..=512).contains(&keep),
        "{keep} of {count} were allowed to keep their context"
    );
    Ok(format!(
        "{count} echoed, {keep} of them may keep their context"
    ))
}

async fn decompressors(attack: &Attack<'_>) -> Result<String> {
    let count = attack.of(1_000, 2_000);
    let deadline = attack.of(Duration::from_secs(3), Duration::from_secs(30));
    // A stored block (RFC 1951 §3.2.4), more of it than waits for a decompressor.
    let block = [&[0x00, 0x68, 0x42, 0x97, 0xbd][..], &vec![7; 17_000]].concat();
    let begun = frame(FIRST, &block);
    let ends = each(count, count, async |number| {
        let dial = attack.dial.from(number % 10);
        let Ok(socket) = Socket::open(&dial, "/echo", OFFER).await else {
            return End::Cut;
        };
        // One that is refused memory is closed while it sends.
        let patience = deadline + Duration::from_secs(10);
        socket.end_after(&begun, patience).await
    });
    let ends = ends.await;
    ends.all("1008 or 1013 for all", |end| {
        matches!(end, End::Closed(1008 | 1013))
    })?;
    // With its beginning a decompressor is more than 64 KB, of which 16 MiB hold 256.
    ensure!(
        ends.count(|end| *end == End::Closed(1008)) <= 256,
        "{ends}: decompressors were not counted"
    );
    Ok(ends.to_string())
}

/// A compressed message that fills a window of 32 KiB in both directions.
fn window() -> Result<Vec<u8>> {
    let mut random = Attack::random();
    // Half of it is random, so that it takes part in the context and compresses a little.
    let text: Vec<u8> = (0..64 << 10)
        .map(|_| b"0123456789abcdef"[random.random_range(0..16)])
        .collect();
    let mut deflate = Compress::new(flate2::Compression::fast(), false);
    let mut bytes = Vec::with_capacity(text.len() + 1024);
    deflate.compress_vec(&text, &mut bytes, FlushCompress::Sync)?;
    ensure!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "not flushed");
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
/// The same of a client whose window may be limited, without which it is not allowed to keep its context.
const WINDOW_OFFER: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
/// Binary, RSV1: compressed.
const FIRST: u8 = 0x42;
/// The last frame of a message.
const FIN: u8 = 0x80;
