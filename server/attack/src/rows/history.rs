//! More to remember than there is room for.

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;

use crate::attack::Attack;
use crate::ends::try_each;
use crate::row::Row;
use crate::socket::{Socket, frame};

/// Floods of what rooms keep.
pub(crate) const ROWS: &[Row] = &[Row {
    name: "r13-history",
    threats: "R13, R12",
    what: "messages of 60 KiB, 20 into each of 40 (long: 200) rooms; a room keeps 512 KiB",
    growth: 256,
    // The histories, 512 KiB of each room.
    keeps: (20, 100),
    run: |attack| history(attack).boxed_local(),
    ..Row::DEFAULT
}];

async fn history(attack: &Attack<'_>) -> Result<String> {
    let rooms = attack.of(40, 200);
    let message = frame(0x81, &vec![b'h'; 60 << 10]);
    let stored = try_each(rooms, 8, async |number| {
        let path = format!("/chat/history-{number}?name=h");
        let mut socket = Socket::open(&attack.dial.from(number), &path, "").await?;
        for turn in 0..20 {
            socket.send(&message).await?;
            let line = socket.next().await?;
            let line = line.with_context(|| format!("closed after {turn} messages"))?;
            ensure!(line.payload.len() > 60 << 10, "not the line that was sent");
        }
        Ok(())
    });
    stored.await?;
    Ok(format!(
        "{} stored, {} MiB in all",
        rooms * 20,
        rooms * 20 * 60 / 1024
    ))
}
