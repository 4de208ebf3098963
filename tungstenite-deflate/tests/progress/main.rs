//! Deadlines measure lack of progress: a slow but steady peer lives in both directions, a stalled one does not.
//!
//! The clock is virtual and the transport in memory, paced by the peer. Members of the kind: a message that arrives
//! slowly (in one frame, in fragments, compressed, in pieces without end, through a program that is slower still), one
//! that stalls, drips, or is padded by Pings; a Ping after queued output, before a stalled reader, and into a buffer that
//! hides a dead peer; a Close after queued output, and the answer to one; a program that only sends.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod closes;
mod messages;
mod paced;
mod pings;
mod writes;

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Options, WebSocketStream};

use paced::Paced;

const ROLES: [Role; 2] = [Role::Server, Role::Client];
const AGREED: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

/// A connection of `role` with `options`, and its peer without deadlines, which reads and writes `rate` bytes a second.
fn pair(
    role: Role,
    options: Options,
    agreed: Option<Agreed>,
    rate: usize,
) -> (
    WebSocketStream<DuplexStream>,
    WebSocketStream<Paced<DuplexStream>>,
) {
    let other = match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let (near, far) = tokio::io::duplex(4096);
    let unlimited = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    (
        WebSocketStream::with_options(near, BytesMut::new(), role, options, agreed),
        WebSocketStream::with_options(
            Paced::new(far, rate),
            BytesMut::new(),
            other,
            Options::drop_in(Some(unlimited)),
            agreed,
        ),
    )
}

/// The whole seconds since `begun`.
fn seconds_since(begun: Instant) -> u64 {
    begun.elapsed().as_secs()
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
