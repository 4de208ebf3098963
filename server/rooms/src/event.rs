//! Events for members, rendered once for all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{Draft, Stored};
use super::position::Position;
use super::presence::{Change, Present};
use super::renderings::{Rendering, Renderings};

/// An event for the members of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message with its position.
    Message(Stored),
    /// A message that is not yet stored, because the backplane is away. It comes again as [`Message`](Self::Message), with
    /// the same sender and id, once it is.
    Provisional(Draft),
    /// Somebody came or went.
    Presence {
        /// Join or leave.
        change: Change,
        /// The member.
        who: Present,
        /// The number of members in the room now.
        count: usize,
    },
    /// The number of members, in rooms too large to report joins and leaves one by one.
    Count(usize),
    /// Messages are missing here.
    Gap(Gap),
}

/// Messages that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last position before it, as far as is known.
    pub after: Option<Position>,
    /// The position of the first message after it, as far as is known.
    pub next: Option<Position>,
    /// Reason for which they are missing.
    pub reason: Reason,
}

/// Reason for missing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The member read too slowly.
    Slow,
    /// They are no longer kept.
    Expired,
    /// The store was made anew, or the position is not one of this room.
    Epoch,
    /// The store does not answer; they may still be there.
    Unavailable,
}

impl Reason {
    /// Its name on the wire and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Epoch => "epoch",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An event on its way to all members of a room.
#[derive(Debug)]
pub struct Broadcast {
    event: Event,
    /// For a provisional message its number in the room; for a stored one that was provisional before, that number.
    pub(super) provisional: Option<u64>,
    renderings: Renderings,
    /// Instant of its arrival on this node.
    made: Instant,
}

impl Broadcast {
    /// An event that no member has got yet.
    pub fn new(event: Event) -> Self {
        Self {
            event,
            provisional: None,
            renderings: Renderings::default(),
            made: Instant::now(),
        }
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event in the form of `rendering`: `make` is called for the first member that wants it, the others share it.
    ///
    /// `T` is always the same for one `rendering`; a second one gets its own copy each time.
    pub fn rendered<T: Send + Sync + 'static>(
        &self,
        rendering: Rendering,
        make: impl Fn(&Event) -> T,
    ) -> Arc<T> {
        self.renderings.get(rendering, || make(&self.event))
    }

    /// Time since it arrived on this node.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Its share of a queue, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match &self.event {
            Event::Message(stored) => stored.draft.bytes(),
            Event::Provisional(draft) => draft.bytes(),
            Event::Presence { .. } | Event::Count(_) | Event::Gap(_) => SMALL,
        }
    }
}

/// Bytes counted for an event without a text.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_form_is_made_once() {
        let (broadcast, calls) = (Broadcast::new(Event::Count(7)), Cell::new(0));
        let make = |event: &Event| {
            calls.set(calls.get() + 1);
            format!("{event:?}")
        };
        let first = broadcast.rendered(Rendering::Json, make);
        let second = broadcast.rendered(Rendering::Json, make);
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(calls.get(), 1);
        broadcast.rendered(Rendering::Text, make);
        assert_eq!(calls.get(), 2);
    }
}
