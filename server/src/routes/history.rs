//! A history as a response: made of its messages piece by piece, never as a whole.

use std::io;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tungstenite_deflate::{BudgetSpent, MemoryBudget, MemoryReservation};

use super::chat::MessageBody;
use rooms::backplane::History;
use rooms::{Position, Stored};

/// The part after the messages.
#[derive(Debug, Serialize)]
struct Ending {
    complete: bool,
    more: bool,
    /// The room's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Position>,
}

/// Returns `history` as JSON. Its messages count in `memory` until they are written.
///
/// # Errors
/// No memory is left for them.
pub(super) fn response(
    history: History,
    memory: &MemoryBudget,
) -> Result<Response<Body>, BudgetSpent> {
    let pieces = Pieces::new(history, memory)?;
    let mut counted = Counted(0);
    // Writing to a counter does not fail.
    let _ = pieces.write_all(&mut counted);
    let pieces = pieces.map(Ok::<_, io::Error>);
    let mut response = Response::new(Body::from_stream(stream::iter(pieces)));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(CONTENT_LENGTH, counted.0.into());
    Ok(response)
}

/// The JSON of a history, a piece at a time.
#[derive(Debug)]
struct Pieces {
    messages: std::vec::IntoIter<Stored>,
    rest: Ending,
    /// The next part: the beginning, messages after a comma, nothing.
    next: Next,
    held: MemoryReservation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Beginning,
    Messages,
    Nothing,
}

impl Pieces {
    fn new(history: History, memory: &MemoryBudget) -> Result<Self, BudgetSpent> {
        let bytes = history.messages.iter().map(memory_of).sum();
        Ok(Self {
            held: memory.reserve(bytes)?,
            messages: history.messages.into_iter(),
            rest: Ending {
                complete: history.complete,
                more: history.more,
                end: history.end,
            },
            next: Next::Beginning,
        })
    }

    /// Writes everything that is to come, and leaves it there.
    fn write_all(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(BEGINNING)?;
        for (number, stored) in self.messages.as_slice().iter().enumerate() {
            write_message(out, stored, number == 0)?;
        }
        self.rest.write(out)
    }
}

impl Ending {
    /// Writes it as the end of the object that the messages are in.
    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let rest = serde_json::to_string(self)?;
        out.write_all(b"],")?;
        out.write_all(rest.trim_start_matches('{').as_bytes())
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        if self.next == Next::Nothing {
            return None;
        }
        let mut first = self.next == Next::Beginning;
        if first {
            piece.extend_from_slice(BEGINNING);
            self.next = Next::Messages;
        }
        while piece.len() < PIECE_BYTES {
            // Writing to a vector does not fail.
            let Some(stored) = self.messages.next() else {
                let _ = self.rest.write(&mut piece);
                self.next = Next::Nothing;
                break;
            };
            let _ = write_message(&mut piece, &stored, first);
            first = false;
            let left = self.held.bytes().saturating_sub(memory_of(&stored));
            self.held.resize(left);
        }
        Some(piece.into())
    }
}

/// Writes one message of the list.
fn write_message(out: &mut impl io::Write, stored: &Stored, first: bool) -> io::Result<()> {
    if !first {
        out.write_all(b",")?;
    }
    Ok(serde_json::to_writer(out, &MessageBody::stored(stored))?)
}

/// Memory that a message takes.
fn memory_of(stored: &Stored) -> usize {
    size_of::<Stored>() + stored.draft.bytes()
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BEGINNING: &[u8] = br#"{"messages":["#;
/// Bytes after which a piece is long enough.
const PIECE_BYTES: usize = 8 * 1024;
