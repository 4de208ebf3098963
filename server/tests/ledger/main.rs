//! Memory that peers can make the server hold, and the progress that is asked of them (R4, R7, R12, D16, H12, X8).
//!
//! The kind is "a peer begins something and does not go on". Its members, each with the budget that bounds it and the
//! deadline that ends it: WebSocket messages (`messages`), contexts (`contexts`), POST bodies, gRPC and gRPC-Web messages
//! (`requests`), histories, pages and figures that nobody reads over HTTP/1.1 and HTTP/2, with pipelining and without
//! (`responses`), data of HTTP/2 streams that nobody reads in either direction (`input`, `output`), messages to WebSockets
//! that nobody reads over HTTP/1.1 and HTTP/2 (`output`), what is left of a WebSocket over HTTP/2.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../common/channel.rs"]
mod channel;
#[path = "../common/mod.rs"]
mod common;

mod caps;
mod messages;
mod output;
mod requests;
mod responses;

use bytes::Bytes;
use common::Running;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// A body that is sent piece by piece.
type Pieces = StreamBody<BoxStream<'static, std::io::Result<Frame<Bytes>>>>;

/// A body of `pieces`, and then nothing: neither more nor its end.
fn unfinished(pieces: Vec<Bytes>) -> Pieces {
    let pieces = stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    StreamBody::new(pieces.chain(stream::pending()).boxed())
}

/// A whole body.
fn whole(bytes: impl Into<Bytes>) -> Pieces {
    let piece = Frame::data(bytes.into());
    StreamBody::new(stream::iter([Ok(piece)]).boxed())
}

/// An HTTP/2 connection whose client takes `window` bytes of each response unread.
async fn dial(server: &Running, window: u32) -> SendRequest<Pieces> {
    let stream = server.tls(&["h2"]).await;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(window)
        .initial_connection_window_size(1 << 24);
    let (sender, connection) = common::soon(builder.handshake(TokioIo::new(stream)))
        .await
        .unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    sender
}

/// A request to `path` over HTTP/2.
fn request(server: &Running, method: &str, path: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(format!("https://localhost:{}{path}", server.address.port()))
        .version(http::Version::HTTP_2)
}

/// The number after `series` in the metrics; 0 if it is not there.
async fn metric(server: &Running, series: &str) -> usize {
    let text = server.get("/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

/// Returns the bytes that a part of the ledger holds now.
async fn buffered(server: &Running, part: &str) -> usize {
    metric(server, &format!("wss_buffered_bytes{{part=\"{part}\"}}")).await
}

/// Waits until nothing is held for requests and responses but that of the asking.
async fn until_idle(server: &Running, parts: &[&str]) {
    for part in parts {
        common::until(async || buffered(server, part).await == 0).await;
    }
}
