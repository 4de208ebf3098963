//! A client of HTTP/2 that keeps to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Result, ensure};
use raw_http2::kind::{DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use raw_http2::{ACK, Block, frame, headers};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use values::sync::lock;

use crate::dial::{Dialler, Protocol, Tls};
use crate::ends::End;

/// A connection whose frames are written by hand; a task reads the server's.
pub(crate) struct Peer {
    writer: WriteHalf<Tls>,
    /// The other half of one that never reads; dropping it would close the connection.
    _unread: Option<ReadHalf<Tls>>,
    reading: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    news: Notify,
}

/// Frames of the server so far, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Code of its GOAWAY, unless that was the one without error.
    pub(crate) goaway: Option<u32>,
    /// True if the stream has ended.
    pub(crate) ended: bool,
    /// Streams with a response's head.
    pub(crate) answered: BTreeSet<u32>,
    /// Those of them whose status is 200.
    ok: BTreeSet<u32>,
    /// Streams that were reset, by code.
    pub(crate) resets: BTreeMap<u32, usize>,
    /// Bytes of DATA by stream.
    pub(crate) data: BTreeMap<u32, usize>,
    /// Bytes that the server allows beyond the initial windows, by stream; 0 is the connection.
    pub(crate) windows: BTreeMap<u32, usize>,
    /// Acknowledged SETTINGS.
    pub(crate) settings_acks: usize,
    /// Acknowledged PINGs.
    pub(crate) ping_acks: usize,
}

/// The outcome of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// TCP has taken them.
    Done,
    /// The server does not read.
    Stalled,
    /// The connection is gone.
    Gone,
}

impl Peer {
    /// Connects and sends the preface with `settings`; with `listening` the server's frames are read.
    pub(crate) async fn open(dial: &Dialler, settings: &[u8], listening: bool) -> Result<Self> {
        let stream = dial.tls(Protocol::Http2).await?;
        let (reader, mut writer) = tokio::io::split(stream);
        let mut bytes = raw_http2::PREFACE.to_vec();
        bytes.extend_from_slice(&frame(SETTINGS, 0, 0, settings));
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        let shared = Arc::<Shared>::default();
        let (unread, reading) = if listening {
            let theirs = Arc::clone(&shared);
            (None, Some(tokio::spawn(read(reader, theirs))))
        } else {
            (Some(reader), None)
        };
        Ok(Self {
            writer,
            _unread: unread,
            reading,
            shared,
        })
    }

    /// Hands bytes to TCP, unless the server stops reading for two seconds.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Sent {
        let writing = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        match timeout(Duration::from_secs(2), writing).await {
            Ok(Ok(())) => Sent::Done,
            Ok(Err(_)) => Sent::Gone,
            Err(_) => Sent::Stalled,
        }
    }

    /// Opens `path` as a WebSocket on stream `number`.
    pub(crate) async fn websocket(&mut self, number: usize, path: &str) -> Result<()> {
        let stream = id(number);
        let block = Block::connect(path);
        self.send(&headers(stream, 0, block.bytes())).await;
        let answered = |seen: &Seen| seen.answered.contains(&stream) || seen.ended;
        let answered = self.until(Duration::from_secs(10), answered).await;
        let seen = self.seen();
        ensure!(
            answered && !seen.ended,
            "no answer to CONNECT {path}: {seen:?}"
        );
        Ok(())
    }

    /// Waits until the connection ends, or `resets` of its streams are reset.
    ///
    /// # Errors
    /// Neither happens within `patience`.
    pub(crate) async fn given_up(&self, patience: Duration, resets: usize) -> Result<()> {
        let over = |seen: &Seen| seen.is_over() || seen.resets.values().sum::<usize>() >= resets;
        let over = self.until(patience, over).await;
        ensure!(over, "after {patience:?}: {:?}", self.seen().resets);
        Ok(())
    }

    /// Frames of the server so far, counted.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen().clone()
    }

    /// Waits until what was seen satisfies `enough`; false if that takes longer than `patience`.
    pub(crate) async fn until(&self, patience: Duration, enough: impl Fn(&Seen) -> bool) -> bool {
        let waiting = async {
            loop {
                let news = self.shared.news.notified();
                if enough(&self.shared.seen()) {
                    return;
                }
                news.await;
            }
        };
        timeout(patience, waiting).await.is_ok()
    }

    /// The end of the connection within `patience`.
    pub(crate) async fn end(&self, patience: Duration) -> End {
        self.until(patience, Seen::is_over).await;
        let seen = self.shared.seen();
        match seen.goaway {
            Some(code) => End::GoAway(code),
            None if seen.ended => End::Cut,
            None => End::Open,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

impl Seen {
    /// Reports whether the response on `stream` has the status 200.
    pub(crate) fn is_ok(&self, stream: u32) -> bool {
        self.ok.contains(&stream)
    }

    /// Reports whether the connection has ended or is about to.
    pub(crate) fn is_over(&self) -> bool {
        self.goaway.is_some() || self.ended
    }

    /// Notes one frame.
    fn note(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let code = |at: usize| {
            let bytes = payload
                .get(at..at + 4)
                .and_then(|four| four.try_into().ok());
            u32::from_be_bytes(bytes.unwrap_or_default())
        };
        match kind {
            DATA => *self.data.entry(stream).or_default() += payload.len(),
            HEADERS => {
                // `:status: 200` of the static table (RFC 7541 §A).
                if payload.first() == Some(&0x88) {
                    self.ok.insert(stream);
                }
                self.answered.insert(stream);
            }
            WINDOW_UPDATE => {
                let bytes = usize::try_from(code(0)).unwrap_or_default();
                *self.windows.entry(stream).or_default() += bytes;
            }
            RST_STREAM => *self.resets.entry(code(0)).or_default() += 1,
            SETTINGS if flags & ACK != 0 => self.settings_acks += 1,
            PING if flags & ACK != 0 => self.ping_acks += 1,
            // A shutdown begins with NO_ERROR.
            GOAWAY if code(4) != 0 => self.goaway = Some(code(4)),
            _ => {}
        }
    }
}

/// The `number`th stream of a client.
pub(crate) fn id(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0) * 2 + 1
}

/// Reads frames to the end of the stream.
async fn read(mut reader: ReadHalf<Tls>, shared: Arc<Shared>) {
    loop {
        let mut head = [0; 9];
        let mut payload = Vec::new();
        let reading = async {
            reader.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            payload.resize(length as usize, 0);
            reader.read_exact(&mut payload).await
        };
        let read = reading.await;
        let mut seen = shared.seen();
        if read.is_err() {
            seen.ended = true;
        } else {
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
            seen.note(head[3], head[4], stream, &payload);
        }
        let ended = seen.ended;
        drop(seen);
        shared.news.notify_waiters();
        if ended {
            return;
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}
