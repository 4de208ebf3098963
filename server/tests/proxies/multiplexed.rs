//! Requests of several clients over one HTTP/2 connection of a trusted proxy: each has the limits of its own.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::common::soon;
use super::fields::OLD;
use super::{Site, start};

type Sender = SendRequest<Empty<Bytes>>;

/// The proxy's one connection.
async fn dial(site: &Site) -> Sender {
    let stream = TokioIo::new(site.plain(0).await);
    let (mut sender, connection) = soon(handshake(TokioExecutor::new(), stream)).await.unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    sender.ready().await.unwrap();
    sender
}

/// A request of `client` with a token; a WebSocket's if the path is that of one.
fn request(method: Method, path: &str, client: &str, token: &str) -> Request<Empty<Bytes>> {
    let is_websocket = method == Method::CONNECT;
    let request = Request::builder()
        .method(method)
        .version(Version::HTTP_2)
        .uri(format!("http://localhost{path}"))
        .header("x-forwarded-for", client)
        .header("authorization", format!("Bearer {token}"));
    let request = if is_websocket {
        let protocol = Protocol::from_static("websocket");
        request
            .header("sec-websocket-version", "13")
            .extension(protocol)
    } else {
        request
    };
    request.body(Empty::new()).unwrap()
}

fn flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&OLD, more].concat()
}

const ANA: &str = "198.51.100.1";
const BOB: &str = "198.51.100.2";

#[tokio::test]
async fn n3_websockets_of_one_connection_count_for_their_clients() {
    let site = start(&flags(&["--max-websockets-per-address", "1"]));
    let mut proxy = dial(&site).await;
    let mut held = Vec::new();
    for (client, expected) in [
        (ANA, StatusCode::OK),
        (ANA, StatusCode::TOO_MANY_REQUESTS),
        (BOB, StatusCode::OK),
        (BOB, StatusCode::TOO_MANY_REQUESTS),
    ] {
        let asked = request(Method::CONNECT, "/who", client, "none");
        // The server's SETTINGS, which allow this, may be still on their way.
        let answered = soon(async {
            loop {
                match proxy.send_request(asked.clone()).await {
                    Err(error) if error.is_user() => tokio::task::yield_now().await,
                    answered => return answered.unwrap(),
                }
            }
        });
        let answered = answered.await;
        assert_eq!(answered.status(), expected, "{client}");
        held.push(answered);
    }
}

#[tokio::test]
async fn n3_bad_tokens_of_one_connection_count_for_their_clients() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("rooms.secret");
    std::fs::write(&secret, "a secret of more than thirty-two bytes").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let secret = secret.to_str().unwrap();
    let more = [
        "--rooms-token-secret",
        secret,
        "--rooms-token-failures",
        "2",
    ];
    let site = start(&flags(&more));
    let mut proxy = dial(&site).await;
    // HS256 with a signature of zeros.
    let token = format!("eyJhbGciOiJIUzI1NiJ9.e30.{}", "A".repeat(43));
    let mut statuses = Vec::new();
    for client in [ANA, ANA, ANA, BOB] {
        let asked = request(Method::GET, "/rooms/hall/messages", client, &token);
        let answered = soon(proxy.send_request(asked)).await.unwrap();
        statuses.push(answered.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 429, 401]);
}
