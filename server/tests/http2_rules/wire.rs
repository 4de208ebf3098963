//! A client's side of a connection, and the requests of these tests.

pub use raw_http2::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The four pseudo-fields of a request.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

/// A GET that is answered with 200, and further `fields`.
pub fn get(fields: &[(&str, &str)]) -> Vec<u8> {
    [request("GET", "/healthz"), block(fields)].concat()
}

/// The head of a POST whose body the server waits for, and further `fields`.
pub fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    let head = request("POST", "/rooms/rules/messages");
    [
        head,
        block(&[("content-type", "application/json")]),
        block(fields),
    ]
    .concat()
}

/// An extended CONNECT for a WebSocket (RFC 8441 §4).
pub fn websocket(path: &str) -> Vec<u8> {
    let protocol = [(":protocol", "websocket"), ("sec-websocket-version", "13")];
    let pseudo = request("CONNECT", path);
    [pseudo, block(&protocol)].concat()
}

/// A client's side of the connection.
pub struct Peer {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
    /// Everything that came.
    pub frames: Vec<Frame>,
}

impl Peer {
    pub fn new(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// Sends `bytes`; the server may be gone already, which the reader will notice.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next frame; `None` once the server has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.unread) {
                self.frames.push(frame.clone());
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until `wanted` comes; false if the server closes before.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> bool {
        while let Some(frame) = self.next().await {
            if wanted(&frame) {
                return true;
            }
        }
        false
    }
}
