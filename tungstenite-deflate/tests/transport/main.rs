//! The stream over a transport that fails, stands still or is asked for, for both roles.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ends;
mod failures;
mod requests;
mod waits;

use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, WebSocketStream};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// A transport whose answers the test chooses; clones are the same one.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Input; then there is a wait.
    incoming: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// Output so far.
    outgoing: Vec<u8>,
    writes: Writes,
    /// A flush fails like this.
    flush: Option<ErrorKind>,
    /// A shutdown waits.
    stays: bool,
    /// Shutdowns that were asked for.
    shutdowns: usize,
    writer: Option<Waker>,
}

/// Treatment of bytes that are written.
#[derive(Clone, Copy, Default)]
enum Writes {
    #[default]
    Taken,
    /// So many are taken, then there is a wait.
    Room(usize),
    Fail(ErrorKind),
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the lock")
    }

    fn with_writes(writes: Writes) -> Self {
        let wire = Self::default();
        wire.state().writes = writes;
        wire
    }

    /// Bytes come in.
    fn gives(&self, bytes: &[u8]) {
        self.state().incoming.push_back(Ok(bytes.to_vec()));
    }

    /// Writes go on like this from now on, and who waits for it is woken.
    fn set_writes(&self, writes: Writes) {
        let mut state = self.state();
        state.writes = writes;
        if let Some(waker) = state.writer.take() {
            waker.wake();
        }
    }

    fn socket(&self, role: Role, options: Options) -> WebSocketStream<Self> {
        WebSocketStream::with_options(self.clone(), BytesMut::new(), role, options, None)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state().incoming.pop_front() {
            Some(Ok(bytes)) => {
                buffer.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let taken = match state.writes {
            Writes::Taken => bytes.len(),
            Writes::Room(0) => {
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Writes::Room(room) => {
                let taken = room.min(bytes.len());
                state.writes = Writes::Room(room - taken);
                taken
            }
            // As a transport does that takes nothing without saying why.
            Writes::Fail(ErrorKind::WriteZero) => 0,
            Writes::Fail(kind) => return Poll::Ready(Err(kind.into())),
        };
        state.outgoing.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.state().flush.map_or(Ok(()), |kind| Err(kind.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.shutdowns += 1;
        if state.stays {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

/// A frame as the other side of `role` sends it; a key of zeros masks nothing.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    match role {
        Role::Server => [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat(),
        Role::Client => [&[first, length], payload].concat(),
    }
}

fn kind_of(error: &Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        other => panic!("{other}"),
    }
}
