//! A transport in memory whose answers the script chooses, and the frames in both directions.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::Role;

pub(super) const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// Clones are the same transport.
#[derive(Clone, Default, Debug)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Default, Debug)]
pub(super) struct State {
    pub(super) incoming: VecDeque<u8>,
    /// Follows what comes in.
    pub(super) end: Option<Result<(), ErrorKind>>,
    pub(super) outgoing: Vec<u8>,
    /// Writing waits, or fails; with `WriteZero` it takes nothing.
    pub(super) blocked: Option<Result<(), ErrorKind>>,
}

impl Wire {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn gives(&self, bytes: &[u8]) {
        self.state().incoming.extend(bytes);
    }

    /// The frames that were written since the last call.
    pub(super) fn wrote(&self) -> String {
        let bytes = std::mem::take(&mut self.state().outgoing);
        let (mut at, mut text) = (0, String::new());
        while at < bytes.len() {
            let (first, second) = (bytes[at], bytes[at + 1]);
            at += 2;
            let length = match second & 0x7f {
                126 => {
                    at += 2;
                    usize::from(u16::from_be_bytes([bytes[at - 2], bytes[at - 1]]))
                }
                127 => {
                    at += 8;
                    usize::from_be_bytes(bytes[at - 8..at].try_into().unwrap())
                }
                short => short.into(),
            };
            let mut key = [0; 4];
            if second & 0x80 != 0 {
                key.copy_from_slice(&bytes[at..at + 4]);
                at += 4;
            }
            let payload: Vec<u8> = bytes[at..at + length]
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key)
                .collect();
            at += length;
            let frame = format!("{first:02x} {}", shown(first, &payload));
            let _ = write!(text, "{}, ", frame.trim_end());
        }
        text.trim_end_matches(", ").to_owned()
    }
}

fn shown(first: u8, payload: &[u8]) -> String {
    match (first, payload) {
        (0x88, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // Reasons of the library's own are its errors' texts.
            let reason = if reason.len() > 20 {
                "…".into()
            } else {
                String::from_utf8_lossy(reason)
            };
            format!("{code} {reason}").trim_end().to_owned()
        }
        _ if payload.len() > 20 => format!("[{} bytes]", payload.len()),
        _ => String::from_utf8_lossy(payload).into_owned(),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let length = state.incoming.len().min(buffer.remaining());
        if length > 0 {
            let bytes: Vec<u8> = state.incoming.drain(..length).collect();
            buffer.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        state
            .end
            .map_or(Poll::Pending, |end| Poll::Ready(end.map_err(Into::into)))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        match state.blocked {
            None => {
                state.outgoing.extend(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Some(Ok(())) => Poll::Pending,
            Some(Err(ErrorKind::WriteZero)) => Poll::Ready(Ok(0)),
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A frame of the other side of `role`; a key of zeros masks nothing.
pub(super) fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = if role == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..126 => frame.push(masked | u8::try_from(short).unwrap()),
        long => {
            frame.push(masked | 0x7e);
            frame.extend(long.to_be_bytes());
        }
    }
    if role == Role::Server {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}
