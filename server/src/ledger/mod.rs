//! The ledger: one budget for everything that peers can make the server hold, and a deadline for progress on it.
//!
//! ```text
//! --max-buffered-bytes ──────────────── Ledger
//!   --max-buffered-bytes-per-connection   └ Account, one for each TCP connection
//!     part (metric)      what                                             refused with
//!     messages           WebSocket messages that are not there whole      1013
//!     contexts           compression contexts (--deflate-memory)          forgotten, negotiated away
//!     requests           bodies and gRPC messages being received          503, RESOURCE_EXHAUSTED
//!     responses          bodies and histories that are not taken yet      503, RESOURCE_EXHAUSTED
//!     input              HTTP/2 data that nobody has read yet             TCP: nothing more is read
//!     output             what WebSockets, HTTP/2 and TLS hold to send    503, RST_STREAM, end of a connection
//! ```
//! When the server's budget is spent, [`Stalled`] decides which connection ends.

mod executor;
mod frames;
mod http2;
mod part;
mod progress;
mod request;
mod response;
mod stalled;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tungstenite_deflate::MemoryBudget;

use crate::config::Config;
use crate::metrics::{LedgerCounts, PartLabel};

pub(crate) use executor::StreamExecutor;
pub(crate) use http2::{CONNECTION_WINDOW, Http2, STREAM_WINDOW, Stream};
use part::FREE_BYTES;
pub(crate) use part::Part;
pub(crate) use progress::{PAUSE, Progress, poll_deadline};
pub(crate) use request::{BodyError, Received, ReceivedBytes};
pub(crate) use response::respond;
pub(crate) use stalled::Stalled;
use stalled::Waiting;
pub(crate) use wire::Wire;

/// The memory of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: MemoryBudget,
    /// By number of the part; the total is none of theirs.
    parts: [MemoryBudget; Part::ALL.len()],
    /// For responses while the rest is spent.
    reserve: MemoryBudget,
    per_connection: usize,
    progress: Option<Progress>,
    write_timeout: Duration,
    linger: Duration,
    /// Connections whose peers take nothing.
    waiting: Arc<Waiting>,
    counts: LedgerCounts,
}

impl Ledger {
    /// Creates the ledger that `config` describes.
    pub(crate) fn new(config: &Config, counts: LedgerCounts) -> Self {
        let limit = |part| match part {
            Part::Contexts => config.deflate.deflate_memory.0,
            _ => usize::MAX,
        };
        let parts =
            Part::ALL.map(|part| MemoryBudget::within(limit(part), [&counts.parts[part as usize]]));
        let (memory, websocket) = (&config.memory, &config.websocket);
        Self {
            shared: Arc::new(Shared {
                total: MemoryBudget::new(memory.max_buffered_bytes.0),
                reserve: MemoryBudget::within(RESERVE_BYTES, [&parts[Part::Responses as usize]]),
                parts,
                per_connection: memory.max_buffered_bytes_per_connection.0,
                progress: websocket
                    .message_timeout
                    .0
                    .map(|window| Progress::new(window.into(), websocket.min_progress_bytes.0)),
                write_timeout: websocket.write_timeout.0,
                linger: config.network.linger.0,
                waiting: Arc::default(),
                counts,
            }),
        }
    }

    /// Returns the budget of `part` for all connections together.
    pub(crate) fn budget(&self, part: Part) -> MemoryBudget {
        let Shared { total, parts, .. } = &*self.shared;
        MemoryBudget::within(usize::MAX, [&parts[part as usize], total])
    }

    /// Begins the count, in `budget`, of what a connection holds since its peer takes nothing.
    fn stalled(&self, budget: &MemoryBudget) -> Stalled {
        let Shared { total, waiting, .. } = &*self.shared;
        Stalled::new(waiting, budget, total.limit())
    }

    /// Opens the account of a TCP connection.
    pub(crate) fn account(&self) -> Account {
        let Shared {
            total,
            per_connection,
            ..
        } = &*self.shared;
        Account {
            ledger: self.clone(),
            connection: MemoryBudget::within(*per_connection, [total]),
        }
    }
}

/// The memory of one TCP connection.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    ledger: Ledger,
    connection: MemoryBudget,
}

impl Account {
    /// Returns the budget of `part` for this connection, which counts in all others.
    pub(crate) fn budget(&self, part: Part) -> MemoryBudget {
        let part = &self.ledger.shared.parts[part as usize];
        MemoryBudget::within(usize::MAX, [part, &self.connection])
    }

    /// Begins the count of what a WebSocket holds since its peer takes nothing.
    pub(crate) fn stalled_messages(&self) -> Stalled {
        self.ledger.stalled(&self.budget(Part::Output))
    }

    /// Begins the count of what TLS and hyper hold for the connection itself since its peer takes nothing.
    ///
    /// A bounded amount for each connection, it counts for the server only: a connection whose messages have spent its
    /// budget must be able to say so.
    fn stalled_transport(&self) -> Stalled {
        self.ledger.stalled(&self.ledger.budget(Part::Output))
    }

    /// Returns the budget of responses while the rest is spent, the same for all connections.
    fn reserve(&self) -> &MemoryBudget {
        &self.ledger.shared.reserve
    }

    /// Returns the progress that is asked of the peer, if any is.
    fn progress(&self) -> Option<Progress> {
        self.ledger.shared.progress
    }

    /// Returns the time within which the peer must take something of what is sent.
    fn write_timeout(&self) -> Duration {
        self.ledger.shared.write_timeout
    }

    /// Returns the time for which the peer is waited for after the end.
    pub(crate) fn linger(&self) -> Duration {
        self.ledger.shared.linger
    }

    /// Counts that something was refused for lack of memory.
    pub(crate) fn refused(&self, part: Part) {
        let label = PartLabel { part: part.name() };
        self.ledger
            .shared
            .counts
            .refused
            .get_or_create(&label)
            .inc();
    }

    /// Counts that something was given up because it made no progress.
    pub(crate) fn stalled(&self, part: Part) {
        let label = PartLabel { part: part.name() };
        self.ledger
            .shared
            .counts
            .stalled
            .get_or_create(&label)
            .inc();
    }
}

/// Maximum number of bytes of a response that are handed on at once, and that WebSockets over HTTP/2 write at once.
pub(crate) const PIECE_BYTES: usize = 16 * 1024;
/// Bytes beside the budget, so that pages and figures are there while messages have spent it.
const RESERVE_BYTES: usize = 1024 * 1024;
