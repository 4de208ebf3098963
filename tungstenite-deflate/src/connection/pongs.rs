//! Pongs that are owed.

use bytes::Bytes;

/// Pongs that are owed. A flood of Pings while nothing can be written is answered by the last Pong alone
/// (RFC 6455 §5.5.3).
#[derive(Debug, Default)]
pub(super) struct Pongs {
    queued: u8,
    latest: Option<Bytes>,
}

/// Pongs queued at most while the transport takes nothing.
const MAX_QUEUED: u8 = 32;

impl Pongs {
    /// A Pong is owed: gives it back if it is to be queued now, else keeps it in place of one kept before.
    pub(super) fn owe(&mut self, payload: Bytes) -> Option<Bytes> {
        if self.queued < MAX_QUEUED {
            self.queued += 1;
            return Some(payload);
        }
        self.latest = Some(payload);
        None
    }

    /// Those queued are written, or nothing may come after them: gives the one that was kept.
    #[inline]
    pub(super) fn settle(&mut self) -> Option<Bytes> {
        self.queued = 0;
        let latest = self.latest.take()?;
        self.queued = 1;
        Some(latest)
    }
}
