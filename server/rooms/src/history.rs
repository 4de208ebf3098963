//! The newest messages of a room, bounded by number and bytes.

use std::collections::{HashMap, VecDeque};

use super::backplane::{History, Query, Range};
use super::message::{Draft, Identity, Stored};
use super::position::{Epoch, Position};

/// The newest messages of a room, counted without leaving out a number.
#[derive(Debug)]
pub struct Ring {
    epoch: Epoch,
    /// Offset of the newest message ever.
    end: u64,
    messages: VecDeque<Stored>,
    /// Offset by identity, of those that are kept.
    known: HashMap<Identity, u64>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Ring {
    /// An empty history, which will hold at most so much.
    pub fn new(epoch: Epoch, max_messages: usize, max_bytes: usize) -> Self {
        Self {
            epoch,
            end: 0,
            messages: VecDeque::new(),
            known: HashMap::new(),
            bytes: 0,
            max_messages,
            max_bytes,
        }
    }

    /// The position after the newest message.
    pub fn end(&self) -> Position {
        self.position(self.end)
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the position of a message with the same identity, if it is kept.
    pub fn find(&self, draft: &Draft) -> Option<Position> {
        self.known
            .get(&draft.identity())
            .map(|&offset| self.position(offset))
    }

    /// Adds a message and forgets the oldest ones that no longer have room.
    pub fn push(&mut self, draft: Draft) -> Stored {
        self.end += 1;
        let position = self.end();
        self.bytes += draft.bytes();
        self.known.insert(draft.identity(), self.end);
        let stored = Stored { position, draft };
        self.messages.push_back(stored.clone());
        while self.messages.len() > self.max_messages || self.bytes > self.max_bytes {
            self.forget_oldest();
        }
        stored
    }

    /// Forgets every message, though not how many there were.
    pub fn clear(&mut self) {
        while !self.messages.is_empty() {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.bytes -= oldest.draft.bytes();
            self.known.remove(&oldest.draft.identity());
        }
    }

    /// Offset of the oldest message that is kept, or that the next one will have.
    fn first(&self) -> u64 {
        self.end - self.messages.len() as u64 + 1
    }

    /// Gives what is asked for, as far as it is kept.
    pub fn read(&self, query: Query) -> History {
        match query.range {
            Range::Newest => self.before(self.end.saturating_add(1), query),
            Range::Before(position) if position.epoch == self.epoch => {
                self.before(position.offset, query)
            }
            Range::Before(_) => self.answer(Vec::new(), false, false),
            Range::After(position) => self.after(position, query),
        }
    }

    /// Messages after `position`, the oldest first.
    fn after(&self, position: Position, query: Query) -> History {
        let is_ours = position.epoch == self.epoch && position.offset <= self.end;
        let complete = is_ours && position.offset + 1 >= self.first();
        let skipped = if complete {
            usize::try_from(position.offset + 1 - self.first()).unwrap_or(usize::MAX)
        } else {
            0
        };
        let wanted = self.messages.iter().skip(skipped);
        let messages = within(wanted, query);
        let more = messages.len() < self.messages.len() - skipped.min(self.messages.len());
        self.answer(messages, complete, more)
    }

    /// Messages with an offset below `offset`, the newest of them if not all fit.
    fn before(&self, offset: u64, query: Query) -> History {
        let older = usize::try_from(offset.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let older = older.min(self.messages.len());
        let mut messages = within(self.messages.iter().take(older).rev(), query);
        messages.reverse();
        let more = messages.len() < older;
        let complete = !more && self.first() == 1;
        self.answer(messages, complete, more)
    }

    fn answer(&self, messages: Vec<Stored>, complete: bool, more: bool) -> History {
        History {
            messages,
            complete,
            more,
            end: Some(self.end()),
        }
    }

    fn position(&self, offset: u64) -> Position {
        Position::new(self.epoch, offset)
    }
}

/// As many of `messages` as the limits of `query` allow.
fn within<'a>(messages: impl Iterator<Item = &'a Stored>, query: Query) -> Vec<Stored> {
    let mut bytes = 0_usize;
    messages
        .take(query.max_messages)
        .take_while(|stored| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(stored.draft.bytes());
            is_first || bytes <= query.max_bytes
        })
        .cloned()
        .collect()
}

/// Cuts `messages` into portions, each for one event of a transport; says of each if another follows.
///
/// No messages are one empty portion.
pub fn portions(messages: &[Stored]) -> impl Iterator<Item = (&[Stored], bool)> {
    let mut rest = Some(messages);
    std::iter::from_fn(move || {
        let messages = rest.take()?;
        let mut bytes = 0;
        let fits = |stored: &&Stored| {
            bytes += stored.draft.bytes();
            bytes <= PORTION_BYTES
        };
        let count = messages
            .iter()
            .take(PORTION_MESSAGES)
            .take_while(fits)
            .count();
        let (portion, later) = messages.split_at(count.max(1).min(messages.len()));
        rest = Some(later).filter(|later| !later.is_empty());
        Some((portion, rest.is_some()))
    })
}

/// Maximum number of messages in a portion.
const PORTION_MESSAGES: usize = 100;
/// Maximum size of a portion of more than one message, in bytes.
const PORTION_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch(7);

    fn draft(id: u64, text: &str) -> Draft {
        Draft {
            id: id.to_string().parse().unwrap(),
            from: "ana".parse().unwrap(),
            member: None,
            text: text.into(),
            at: 0,
        }
    }

    fn ring(count: u64, max_messages: usize) -> Ring {
        let mut ring = Ring::new(EPOCH, max_messages, 1 << 20);
        for id in 1..=count {
            ring.push(draft(id, "hello"));
        }
        ring
    }

    fn query(range: Range, max_messages: usize) -> Query {
        Query {
            range,
            max_messages,
            max_bytes: 1 << 20,
        }
    }

    fn at(offset: u64) -> Position {
        Position::new(EPOCH, offset)
    }

    fn offsets(history: &History) -> Vec<u64> {
        let positions = history.messages.iter();
        positions.map(|stored| stored.position.offset).collect()
    }

    #[test]
    fn what_is_after_a_position_is_given_or_said_to_be_lost() {
        let ring = ring(10, 4);
        for (offset, expected, complete) in [
            (10, vec![], true),
            (9, vec![10], true),
            (7, vec![8, 9, 10], true),
            (6, vec![7, 8, 9, 10], true),
            (5, vec![7, 8, 9, 10], false),
            (0, vec![7, 8, 9, 10], false),
            (11, vec![7, 8, 9, 10], false),
            (u64::MAX, vec![7, 8, 9, 10], false),
        ] {
            let history = ring.read(query(Range::After(at(offset)), 100));
            assert_eq!(offsets(&history), expected, "{offset}");
            assert_eq!(
                (history.complete, history.more),
                (complete, false),
                "{offset}"
            );
            assert_eq!(history.end, Some(at(10)));
        }
        let foreign = Position::new(Epoch(8), 9);
        assert!(!ring.read(query(Range::After(foreign), 9)).complete);
        assert!(
            ring.read(query(Range::Before(foreign), 9))
                .messages
                .is_empty()
        );
    }

    #[test]
    fn an_empty_history_has_nothing_to_miss() {
        let ring = ring(0, 4);
        let history = ring.read(query(Range::After(at(0)), 9));
        assert!(history.complete && history.messages.is_empty());
        assert!(!ring.read(query(Range::After(at(1)), 9)).complete);
        assert!(ring.read(query(Range::Newest, 9)).complete);
    }

    #[test]
    fn limits_cut_at_the_far_end() {
        let ring = ring(10, 8);
        let after = ring.read(query(Range::After(at(4)), 2));
        assert_eq!(
            (offsets(&after), after.complete, after.more),
            (vec![5, 6], true, true)
        );
        let newest = ring.read(query(Range::Newest, 2));
        assert_eq!(
            (offsets(&newest), newest.complete, newest.more),
            (vec![9, 10], false, true)
        );
        let before = ring.read(query(Range::Before(at(5)), 9));
        assert_eq!(
            (offsets(&before), before.complete, before.more),
            (vec![3, 4], false, false)
        );
        let all = ring.read(query(Range::Before(at(99)), 99));
        assert_eq!(offsets(&all).len(), 8);
        let mut small = query(Range::Newest, 9);
        small.max_bytes = 1;
        assert_eq!(
            offsets(&ring.read(small)),
            [10],
            "one message is given in any case"
        );
    }

    #[test]
    fn portions_are_small_and_leave_nothing_out() {
        for (count, size, expected) in [
            (0, 5, vec![0]),
            (1, 100_000, vec![1]),
            (3, 40_000, vec![1, 1, 1]),
            (5, 30_000, vec![2, 2, 1]),
            (250, 5, vec![100, 100, 50]),
        ] {
            let mut ring = Ring::new(EPOCH, 1_000, 1 << 20);
            let messages: Vec<_> = (0..count)
                .map(|id| ring.push(draft(id, &"x".repeat(size))))
                .collect();
            let portions: Vec<_> = portions(&messages).collect();
            let counts: Vec<_> = portions.iter().map(|(portion, _)| portion.len()).collect();
            assert_eq!(counts, expected);
            let follows: Vec<_> = portions.iter().map(|(_, more)| *more).collect();
            assert_eq!(follows.iter().filter(|more| !**more).count(), 1);
            assert_eq!(follows.last(), Some(&false));
            let joined: Vec<_> = portions.iter().flat_map(|(portion, _)| *portion).collect();
            assert!(joined.into_iter().eq(&messages));
        }
    }

    #[test]
    fn bytes_and_identities_are_forgotten_with_their_messages() {
        let mut ring = Ring::new(EPOCH, 100, 1_000);
        for id in 1..=50 {
            ring.push(draft(id, &"x".repeat(100)));
        }
        assert!(
            ring.bytes() <= 1_000 && ring.bytes() > 700,
            "{}",
            ring.bytes()
        );
        assert_eq!(ring.find(&draft(50, &"x".repeat(100))), Some(at(50)));
        assert_eq!(ring.find(&draft(50, "another text")), None);
        assert_eq!(ring.find(&draft(1, &"x".repeat(100))), None);
        assert_eq!(ring.known.len(), ring.messages.len());
        ring.push(draft(51, &"x".repeat(2_000)));
        assert_eq!(
            (ring.bytes(), ring.known.len()),
            (0, 0),
            "what does not fit at all is not kept"
        );
        assert!(ring.read(query(Range::After(at(51)), 9)).complete);
        assert!(!ring.read(query(Range::After(at(50)), 9)).complete);
    }
}
