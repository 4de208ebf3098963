//! The opening handshake as HTTP: lists, offers, interim responses, expectations, refusals, folded lines, in both roles.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod expectations;
mod interim;
mod lists;
mod offers;
mod refusals;

use bytes::BytesMut;
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::handshake::server::RequestReader;
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::handshake::client::{Request, Response};
use tungstenite_deflate::{Agreed, HeadLimits, Options};

/// A request with the key of RFC 6455 §1.3 and further `fields`.
fn request(fields: &[(&'static str, &str)]) -> Request {
    let mut request = "ws://server.example.com/chat"
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-key",
        "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap(),
    );
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    request
}

/// The response of RFC 6455 §1.3, without a subprotocol, with further lines.
fn accepted(lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{lines}\r\n"
    )
}

type Outcome = Result<Option<(Response, Option<Agreed>)>, Error>;

/// Returns the verdict of a client that sent `request` on `response`.
fn receive(request: Request, options: &Options, response: &str) -> Outcome {
    let mut opening = OpeningHandshake::start(request, options).unwrap();
    opening.receive(&mut BytesMut::from(response))
}

/// Returns our server's reading of a request with these lines after the request line and Host.
fn read(lines: &str) -> Request {
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let read =
        RequestReader::new(HeadLimits::default()).receive(&mut BytesMut::from(head.as_str()));
    read.unwrap().unwrap()
}
