//! Decides if messages that grow are sent compressed all the same, so that later ones can refer to them.

/// The attempts that a connection still spends on messages that do not get smaller, and the messages to skip.
///
/// A message that is not compressed leaves no trace in the history, so traffic that repeats itself across messages, but not
/// within one, would never get smaller: some messages must be sent compressed although they grow.
///
/// | message | then |
/// |---|---|
/// | gets smaller | a quarter of an investment is earned, up to four in all |
/// | grows, with credit | it is sent compressed, an investment |
/// | grows, without | it is sent uncompressed |
/// | four of these in a row | the next 2, 4, … 128 are not tried, then one more is invested |
#[derive(Debug)]
pub(super) struct Investment {
    credit: u8,
    /// Messages sent uncompressed in a row, not counting those that were not tried.
    refused: u8,
    /// Messages that are not to be tried.
    skipped: u8,
    /// The number of messages that are skipped the next time.
    next: u8,
}

impl Default for Investment {
    fn default() -> Self {
        Self {
            credit: MAX_CREDIT,
            refused: 0,
            skipped: 0,
            next: MIN_SKIPPED,
        }
    }
}

impl Investment {
    /// Counts a message; returns if it goes uncompressed without being tried.
    pub(super) fn skips(&mut self) -> bool {
        let skips = self.skipped > 0;
        self.skipped = self.skipped.saturating_sub(1);
        skips
    }

    /// Judges a compressed message; returns if it is sent like that.
    pub(super) fn accepts(&mut self, smaller: bool) -> bool {
        if smaller {
            self.credit = MAX_CREDIT.min(self.credit + 1);
            self.refused = 0;
            self.next = MIN_SKIPPED;
            return true;
        }
        if let Some(credit) = self.credit.checked_sub(COST) {
            self.credit = credit;
            return true;
        }
        self.refused += 1;
        if self.refused == MAX_REFUSED {
            self.pause();
        }
        false
    }

    /// Gives up for a while. The message after that is an investment, and the pause goes on if the one after it grows.
    fn pause(&mut self) {
        self.refused = MAX_REFUSED - 1;
        self.credit = COST;
        self.skipped = self.next;
        self.next = MAX_SKIPPED.min(self.next.saturating_mul(2));
    }
}

/// Credit that one message takes.
const COST: u8 = 4;
const MAX_CREDIT: u8 = 4 * COST;
const MAX_REFUSED: u8 = 4;
const MIN_SKIPPED: u8 = 2;
const MAX_SKIPPED: u8 = 128;
