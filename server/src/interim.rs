//! `100 Continue` before a `101` (RFC 9110 §7.8), which hyper does not send.
//!
//! ```text
//! handler                      Wire, below hyper
//!   request() ── Requested ──→   the next write is preceded by the interim response
//!   request() ←── Behind ─────   a write was taken in part: the rest of an earlier response comes first
//! ```

use std::sync::atomic::{AtomicU8, Ordering};

/// The interim response that one HTTP/1.1 connection is to write before its next response.
#[derive(Debug, Default)]
pub(crate) struct Interim(AtomicU8);

/// Nothing is waiting, and everything written so far has been taken.
const IDLE: u8 = 0;
/// A write was not taken whole, so hyper holds the rest of it.
const BEHIND: u8 = 1;
/// The next write is to be preceded by the interim response.
const REQUESTED: u8 = 2;

impl Interim {
    /// Has `100 Continue` written before the next response; false if an earlier response is not written whole yet.
    pub(crate) fn request(&self) -> bool {
        let requested =
            self.0
                .compare_exchange(IDLE, REQUESTED, Ordering::Relaxed, Ordering::Relaxed);
        requested.is_ok()
    }

    /// Takes the request for an interim response, if there is one.
    pub(crate) fn take(&self) -> bool {
        let taken = self
            .0
            .compare_exchange(REQUESTED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Notes that everything of a write was taken, or not.
    pub(crate) fn written(&self, whole: bool) {
        let state = if whole { IDLE } else { BEHIND };
        self.0.store(state, Ordering::Relaxed);
    }
}

/// The interim response itself (RFC 9110 §15.2.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_precedes_a_whole_response_only() {
        let interim = Interim::default();
        assert!(!interim.take());
        assert!(interim.request() && interim.take() && !interim.take());
        interim.written(false);
        assert!(!interim.request());
        interim.written(true);
        assert!(interim.request());
    }
}
