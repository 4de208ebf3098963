//! The deadline of a connection that is opened by URL: [`Dial::timeout`](crate::dial::Dial::timeout) for calls that block.

use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::dial::overdue;
use crate::tungstenite::{Error, Result};

/// The instant by which a connection is to be open, if there is a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    limit: Duration,
    at: Option<Instant>,
}

impl Deadline {
    /// Starts the time.
    pub(super) fn after(limit: Option<Duration>) -> Self {
        Self {
            limit: limit.unwrap_or_default(),
            at: limit.and_then(|limit| Instant::now().checked_add(limit)),
        }
    }

    /// Returns the time that is left; `None` without a limit.
    ///
    /// # Errors
    /// None is left.
    pub(super) fn remaining(self) -> Result<Option<Duration>> {
        let Some(at) = self.at else { return Ok(None) };
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.overdue());
        }
        Ok(Some(left))
    }

    pub(super) fn overdue(self) -> Error {
        Error::Io(overdue(self.limit))
    }

    /// Runs `open` on `socket`, which is shut down at the deadline: whatever call waits for it then ends.
    ///
    /// Time-outs of the socket would each begin anew with every byte of a slow peer.
    ///
    /// # Errors
    /// Those of `open`, or that of the deadline once it has passed.
    pub(super) fn watch<T>(
        self,
        socket: TcpStream,
        open: impl FnOnce(TcpStream) -> Result<T>,
    ) -> Result<T> {
        let Some(left) = self.remaining()? else {
            return open(socket);
        };
        let watchdog = Watchdog::start(&socket, left)?;
        let opened = open(socket);
        if watchdog.end() {
            Err(self.overdue())
        } else {
            opened
        }
    }
}

/// A thread that shuts a socket down, unless it is ended before.
struct Watchdog {
    ended: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    fn start(socket: &TcpStream, left: Duration) -> Result<Self> {
        let socket = socket.try_clone()?;
        let (ended, end) = mpsc::channel::<()>();
        let watch = move || {
            let is_overdue = end.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
            // A socket that the peer has reset is shut down already.
            is_overdue
                .then(|| socket.shutdown(Shutdown::Both))
                .is_some()
        };
        let thread = thread::Builder::new()
            .name("websocket-deadline".into())
            .spawn(watch)?;
        Ok(Self { ended, thread })
    }

    /// Returns whether it has shut the socket down.
    fn end(self) -> bool {
        drop(self.ended);
        self.thread.join().unwrap_or(true)
    }
}
