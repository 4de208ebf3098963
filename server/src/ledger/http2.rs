//! Memory that one HTTP/2 connection holds beside its requests and responses: data that nobody has read yet, and data that was
//! handed to h2 and is not on the wire.
//!
//! h2 tells neither, so both are counted from outside: what goes in and out of the handlers against the DATA frames that
//! pass on the wire. A stream that is reset takes with it what h2 held of it, which is not known exactly; the count is
//! therefore never above what h2 can hold of the streams that are open, and zero when none is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tungstenite_deflate::{BudgetSpent, MemoryBudget, MemoryReservation};

use super::frames::{DATA, HEADERS, Head, RST_STREAM};
use super::{Account, FREE_BYTES, PIECE_BYTES, Part};

/// The count of one HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    account: Account,
    input: MemoryBudget,
    traffic: Mutex<FlowState>,
    streams: Mutex<Streams>,
}

#[derive(Debug)]
struct FlowState {
    /// Streams that were begun and whose response is not on the wire as a whole, with what they received.
    open: HashMap<u32, i64>,
    /// Bytes received less those that today's handlers have read. What either side forgets it takes along, so that
    /// the difference is right again as soon as the other one has forgotten it too.
    unread: i64,
    /// Largest number of a stream so far.
    newest: u32,
    /// Bytes handed to h2 and not on the wire.
    output: MemoryReservation,
    /// Bytes on the wire that no handler has read.
    input: MemoryReservation,
    /// Instant at which data was last written.
    written: Instant,
}

#[derive(Debug, Default)]
struct Streams {
    /// The one of the request that is being handed to its service, for the task that will be made of it.
    next: Option<Arc<Stream>>,
    all: Vec<Weak<Stream>>,
}

/// One stream, to be given up when its peer takes nothing.
#[derive(Debug)]
pub(crate) struct Stream {
    born: Instant,
    /// Milliseconds from its birth to the moment since which the peer is waited for, and one more; 0: it is not.
    waiting: AtomicU64,
    given_up: CancellationToken,
}

impl Stream {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            waiting: AtomicU64::new(0),
            given_up: CancellationToken::new(),
        }
    }

    /// Notes that the peer has to take what was sent before there can be more.
    pub(crate) fn waits(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.waiting.store(now + 1, Ordering::Relaxed);
    }

    /// Notes that it is not the peer that is waited for.
    pub(crate) fn rests(&self) {
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Tests whether the peer has been waited for as long as `timeout`.
    fn is_stalled(&self, timeout: Duration) -> bool {
        match self.waiting.load(Ordering::Relaxed) {
            0 => false,
            since => self
                .born
                .elapsed()
                .saturating_sub(Duration::from_millis(since - 1))
                .ge(&timeout),
        }
    }

    /// Waits until the stream is given up.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Http2 {
    /// Creates the count of a connection.
    pub(crate) fn new(account: &Account) -> Arc<Self> {
        let input = account.budget(Part::Input);
        Arc::new(Self {
            account: account.clone(),
            traffic: Mutex::new(FlowState {
                open: HashMap::new(),
                unread: 0,
                newest: 0,
                output: account.budget(Part::Output).reservation(),
                input: input.reservation(),
                written: Instant::now(),
            }),
            input,
            streams: Mutex::default(),
        })
    }

    /// Begins the stream of a request, whose task [`take_next`](Self::take_next) is asked for at once.
    pub(crate) fn begin(&self) -> Arc<Stream> {
        let stream = Arc::new(Stream::new());
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.next = Some(Arc::clone(&stream));
        streams.all.push(Arc::downgrade(&stream));
        stream
    }

    /// Takes the stream that was begun last, once.
    pub(super) fn take_next(&self) -> Option<Arc<Stream>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.next.take()
    }

    /// Counts `bytes` that are about to be handed to h2; little things always fit.
    ///
    /// # Errors
    /// Nothing is left for them; try again a little later.
    pub(crate) fn give(&self, bytes: usize) -> Result<(), BudgetSpent> {
        let mut traffic = self.traffic();
        let given = traffic.output.bytes() + bytes;
        let given = given.min(traffic.open.len().max(1) * STREAM_OUTPUT_BYTES);
        if bytes <= FREE_BYTES {
            traffic.output.resize(given);
            return Ok(());
        }
        traffic.output.try_resize(given)
    }

    /// Takes back `bytes` that were counted and not handed to h2.
    pub(crate) fn taken_back(&self, bytes: usize) {
        let mut traffic = self.traffic();
        let left = traffic.output.bytes().saturating_sub(bytes);
        traffic.output.resize(left);
    }

    /// Counts `bytes` that a handler has read.
    pub(crate) fn consumed(&self, bytes: u64) {
        self.traffic().read(bytes.cast_signed());
    }

    /// Forgets a handler that has read `bytes`: whatever else its stream received is dropped with it.
    pub(crate) fn dropped(&self, bytes: u64) {
        self.traffic().read(-bytes.cast_signed());
    }

    /// Tests whether more may be read from the client: there is memory for it, or nothing is unread.
    pub(super) fn may_read(&self) -> bool {
        self.traffic().input.bytes() == 0 || self.input.available() >= PIECE_BYTES
    }

    /// Looks at a frame of the client.
    pub(super) fn received(&self, head: Head) {
        let mut traffic = self.traffic();
        match head.kind {
            HEADERS if head.stream > traffic.newest => {
                traffic.newest = head.stream;
                traffic.open.insert(head.stream, 0);
            }
            RST_STREAM => traffic.close(head.stream),
            DATA => traffic.receive(head),
            _ => {}
        }
    }

    /// Looks at a frame of ours.
    pub(super) fn sent(&self, head: Head) {
        let mut traffic = self.traffic();
        if head.kind == DATA {
            let left = traffic.output.bytes().saturating_sub(head.length);
            traffic.output.resize(left);
            traffic.written = Instant::now();
        }
        if head.kind == RST_STREAM || head.ends_stream() {
            traffic.close(head.stream);
        }
    }

    /// Gives up the streams whose peer has taken nothing for too long; true if the connection has to go as well, since
    /// nothing lives on it but data that nobody takes.
    pub(crate) fn sweep(&self) -> bool {
        let timeout = self.account.write_timeout();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.all.retain(|stream| stream.strong_count() > 0);
        for stream in streams.all.iter().filter_map(Weak::upgrade) {
            if stream.is_stalled(timeout) && !stream.given_up.is_cancelled() {
                self.account.stalled(Part::Responses);
                stream.given_up.cancel();
            }
        }
        let deserted = streams.all.is_empty();
        drop(streams);
        let traffic = self.traffic();
        let stuck = deserted
            && !traffic.open.is_empty()
            && traffic.output.bytes() > 0
            && traffic.written.elapsed() >= timeout;
        if stuck {
            self.account.stalled(Part::Output);
        }
        stuck
    }

    fn traffic(&self) -> std::sync::MutexGuard<'_, FlowState> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FlowState {
    /// Forgets a stream, and what cannot be held any more without it.
    fn close(&mut self, stream: u32) {
        if let Some(received) = self.open.remove(&stream) {
            let output = self.open.len() * STREAM_OUTPUT_BYTES;
            self.output.resize(self.output.bytes().min(output));
            self.read(received);
        }
    }

    /// Counts the data of a frame, unless its stream is over, so that nobody keeps it.
    fn receive(&mut self, head: Head) {
        if let Some(received) = self.open.get_mut(&head.stream) {
            let bytes = i64::try_from(head.length).unwrap_or(i64::MAX);
            *received += bytes;
            self.read(-bytes);
        }
    }

    /// Counts `bytes` less of what is unread; the windows allow no more than so much of it.
    fn read(&mut self, bytes: i64) {
        self.unread -= bytes;
        let most = (self.open.len() * STREAM_WINDOW as usize).min(CONNECTION_WINDOW as usize);
        let unread = usize::try_from(self.unread).unwrap_or(0);
        self.input.resize(unread.min(most));
    }
}

/// Maximum number of bytes that h2 and hyper hold of the output of one stream: a piece that waits for the window, one
/// beyond it and the send buffer of a response; two more pieces in the channel of a WebSocket.
const STREAM_OUTPUT_BYTES: usize = 5 * PIECE_BYTES;
/// Bytes that a client may send ahead on one HTTP/2 stream.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that a client may send ahead on one HTTP/2 connection.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
