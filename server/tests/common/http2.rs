//! WebSockets over HTTP/2 from hyper's client (RFC 8441).

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Running, soon};

/// A client's side of an HTTP/2 connection.
pub type Sender = SendRequest<Empty<Bytes>>;

/// An HTTP/2 connection to `server`.
pub async fn dial(server: &Running) -> Sender {
    dial_with_window(server, 1 << 21).await
}

/// An HTTP/2 connection to `server` whose client takes `window` bytes of each stream unread.
pub async fn dial_with_window(server: &Running, window: u32) -> Sender {
    let stream = server.tls(&["h2"]).await;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (mut sender, connection) = soon(builder.handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    sender.ready().await.unwrap();
    sender
}

/// An extended CONNECT for `path`.
pub async fn connect(
    server: &Running,
    sender: &mut Sender,
    path: &str,
    more: &[(&str, &str)],
) -> Response<Incoming> {
    // The server's SETTINGS, which allow this, may be still on their way.
    soon(async {
        loop {
            match sender.send_request(request(server, path, more)).await {
                Ok(response) => return Ok::<_, Infallible>(response),
                Err(error) => assert!(error.is_user(), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap()
}

fn request(server: &Running, path: &str, more: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://localhost:{}{path}", server.address.port()))
        .version(Version::HTTP_2)
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static("websocket"));
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

/// A WebSocket on `path`.
pub async fn open(
    server: &Running,
    sender: &mut Sender,
    path: &str,
) -> WebSocketStream<TokioIo<Upgraded>> {
    let response = connect(server, sender, path, &[]).await;
    let upgraded = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
    WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await
}
