//! Reports which messages of a connection were compressed to the page that opened it, because browsers do not.
//!
//! A page chooses an id that cannot be guessed, sends `observe ID` over `/stats`, and opens a connection with
//! `?observe=ID`. Whoever knows the id learns lengths, not contents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use tokio::sync::mpsc;
use tungstenite_deflate::deflate::CompressedMessages;
use values::sync::lock;

use crate::metrics::Direction;

/// The pages that observe connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observers(Arc<Mutex<HashMap<Box<str>, mpsc::Sender<Observation>>>>);

/// A message as it was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Observation {
    /// `in` from the client, `out` to it.
    way: &'static str,
    /// The messages of the connection in that direction are numbered from 0 on.
    number: u64,
    compressed: bool,
    /// Payload bytes after compression; those of the message if it was not compressed.
    bytes: u64,
}

/// A page's side: it observes until this is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    observers: Observers,
    id: Box<str>,
    observations: mpsc::Receiver<Observation>,
}

/// A connection's side.
#[derive(Debug)]
pub(crate) struct Observed {
    page: mpsc::Sender<Observation>,
    received: Side,
    sent: Side,
}

/// Counts reported so far for one direction.
#[derive(Debug, Default)]
struct Side {
    messages: u64,
    compressed: CompressedMessages,
}

impl Observers {
    /// Lets a page observe by `id`; `None` if that is not 32 hexadecimal digits, or taken, or too many observe.
    pub(crate) fn observe(&self, id: &str) -> Option<Observer> {
        let is_id = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut pages = self.lock();
        if !is_id || pages.len() >= MAX_OBSERVERS || pages.contains_key(id) {
            return None;
        }
        let (page, observations) = mpsc::channel(MAX_WAITING);
        pages.insert(id.into(), page);
        drop(pages);
        Some(Observer {
            observers: self.clone(),
            id: id.into(),
            observations,
        })
    }

    /// The observed side of a connection with `query`, if a page observes it.
    pub(crate) fn observed(&self, query: Option<&str>) -> Option<Box<Observed>> {
        let mut parameters = query?.split('&');
        let id = parameters.find_map(|parameter| parameter.strip_prefix("observe="))?;
        let page = self.lock().get(id)?.clone();
        Some(Box::new(Observed {
            page,
            received: Side::default(),
            sent: Side::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, mpsc::Sender<Observation>>> {
        lock(&self.0)
    }
}

impl Observer {
    /// Waits for the next message of the observed connections. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Observation> {
        self.observations.recv().await
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.observers.lock().remove(&self.id);
    }
}

impl Observed {
    /// Reports a message of `bytes`; `now` is what the connection counts of compressed ones in that direction. A page that
    /// does not read misses some.
    pub(crate) fn report(&mut self, direction: Direction, bytes: u64, now: CompressedMessages) {
        let (way, side) = match direction {
            Direction::In => ("in", &mut self.received),
            Direction::Out => ("out", &mut self.sent),
        };
        let last = std::mem::replace(&mut side.compressed, now);
        let compressed = now.messages > last.messages;
        let bytes = if compressed {
            now.wire_bytes - last.wire_bytes
        } else {
            bytes
        };
        let number = side.messages;
        side.messages += 1;
        let _ = self.page.try_send(Observation {
            way,
            number,
            compressed,
            bytes,
        });
    }
}

/// Digits of an id, of 4 bits each.
const ID_DIGITS: usize = 32;
/// Pages that observe at one time.
const MAX_OBSERVERS: usize = 256;
/// Observations that wait for a page, of 32 bytes each.
const MAX_WAITING: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_ids_that_cannot_be_guessed_observe() {
        let observers = Observers::default();
        for id in ["", "abc", &"g".repeat(32), &"a".repeat(33)] {
            assert!(observers.observe(id).is_none(), "{id}");
        }
        let query = format!("id=alpha&observe={ID}");
        assert!(observers.observed(Some(&query)).is_none());
        let observer = observers.observe(ID);
        assert!(observer.is_some());
        assert!(observers.observe(ID).is_none(), "it is taken");
        assert!(observers.observed(Some(&query)).is_some());
        assert!(observers.observed(Some("observe=")).is_none());
        assert!(observers.observed(None).is_none());
        drop(observer);
        assert!(observers.observed(Some(&query)).is_none());
    }

    #[test]
    fn observers_and_what_waits_for_them_are_bounded() {
        let observers = Observers::default();
        let ids = (0..=MAX_OBSERVERS).map(|number| format!("{number:032x}"));
        let mut pages: Vec<_> = ids.map(|id| observers.observe(&id)).collect();
        assert_eq!(pages.pop().map(|page| page.is_some()), Some(false));
        let query = format!("observe={:032x}", 0);
        let mut observed = observers.observed(Some(&query)).unwrap();
        for _ in 0..2 * MAX_WAITING {
            observed.report(Direction::In, 7, CompressedMessages::default());
        }
        let page = pages[0].as_mut().unwrap();
        let waiting = std::iter::from_fn(|| page.observations.try_recv().ok());
        let waiting: Vec<_> = waiting.collect();
        assert_eq!(waiting.len(), MAX_WAITING);
        let last = Observation {
            way: "in",
            number: MAX_WAITING as u64 - 1,
            compressed: false,
            bytes: 7,
        };
        assert_eq!(waiting.last(), Some(&last));
    }
}
