//! URLs in requests: through tungstenite's types, over the wire, and as our own server reads them.

use bytes::BytesMut;
use tokio::net::TcpListener;
use tungstenite_deflate::handshake::WebSocketUrl;
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::handshake::server::{RequestReader, accept};
use tungstenite_deflate::tungstenite::client::{ClientRequestBuilder, IntoClientRequest};
use tungstenite_deflate::tungstenite::error::UrlError;
use tungstenite_deflate::tungstenite::handshake::client::Request;
use tungstenite_deflate::tungstenite::{Error, http};
use tungstenite_deflate::{HeadLimits, Options, client_async, connect_async};

use super::accepted::CASES;

fn sent(request: Request) -> Result<String, Error> {
    let opening = OpeningHandshake::start(request, &Options::default())?;
    Ok(String::from_utf8(opening.request().to_vec()).unwrap())
}

#[test]
fn every_url_makes_a_request_that_our_server_reads_alike() {
    for (text, scheme_and_authority, target, ..) in CASES {
        let url: WebSocketUrl = text.parse().unwrap();
        let request = sent(url.into_client_request().unwrap()).unwrap();
        let host = scheme_and_authority.split_once("://").unwrap().1;
        let start = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n");
        assert!(request.starts_with(&start), "{text}: {request}");
        let mut bytes = BytesMut::from(request.as_bytes());
        let request = RequestReader::new(HeadLimits::default())
            .receive(&mut bytes)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .unwrap();
        assert_eq!(request.uri(), target, "{text}");
        accept(&request, None).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn text_that_tungstenite_reads_becomes_the_same_request() {
    let mut count = 0;
    for (text, scheme_and_authority, target, ..) in CASES {
        let is_websocket = text
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("ws"));
        let Ok(request) = text.into_client_request() else {
            continue;
        };
        if !is_websocket {
            let error = sent(request).unwrap_err();
            assert!(
                matches!(error, Error::Url(UrlError::UnsupportedUrlScheme)),
                "{text}: {error}"
            );
            continue;
        }
        let request = sent(request).unwrap();
        let host = scheme_and_authority.split_once("://").unwrap().1;
        let start = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n");
        assert!(request.starts_with(&start), "{text}: {request}");
        count += 1;
    }
    assert!(count > 45, "{count}");
}

#[test]
fn host_of_the_caller_is_left_alone() {
    let mut request = "ws://127.0.0.1:8080/".into_client_request().unwrap();
    request
        .headers_mut()
        .insert(http::header::HOST, "Chat.Example:80".parse().unwrap());
    assert!(
        sent(request)
            .unwrap()
            .contains("\r\nHost: Chat.Example:80\r\n")
    );
    let builder =
        ClientRequestBuilder::new("ws://H:80?a=b".parse().unwrap()).with_sub_protocol("chat");
    let request = sent(builder.into_client_request().unwrap()).unwrap();
    assert!(
        request.starts_with("GET /?a=b HTTP/1.1\r\nHost: h\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn what_cannot_be_a_target_fails_before_anything_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for text in [
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("ws://127.0.0.1:{port}/a b"),
        format!("ws://127.0.0.1:{port}/\r\n"),
        format!("ws://127.0.0.1:{port}\\/"),
        format!("ws://[::ffff:127.0.0.1%25]:{port}/"),
        format!("ws://bücher@127.0.0.1:{port}/"),
        "ws://127.0.0.1:0/".to_owned(),
        format!("ws://127.0.0.1:{}/", u32::from(port) + 65_536),
        "ws://127.0.0.1:99999/".to_owned(),
    ] {
        let error = connect_async(&text).await.err().unwrap();
        assert!(matches!(error, Error::Url(_)), "{text}: {error:?}");
        let (here, there) = tokio::io::duplex(1024);
        let error = client_async(&text, here).await.err().unwrap();
        assert!(matches!(error, Error::Url(_)), "{text}: {error:?}");
        let mut there = there;
        let mut written = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut there, &mut written)
            .await
            .unwrap();
        assert!(written.is_empty(), "{text}");
    }
    let nobody = std::future::poll_fn(|context| {
        std::task::Poll::Ready(listener.poll_accept(context).is_pending())
    });
    assert!(nobody.await);
}

#[tokio::test]
async fn urls_are_dialled_in_every_form() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for text in [
        format!("WS://127.1:{port}?a=b"),
        format!("ws://u:p@127.0.0.1:{port}/?a=b"),
        format!("ws://0x7f.0.0.1:{port}/x/..?a=b"),
    ] {
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut seen = None;
            let callback = |request: &http::Request<()>, response| {
                seen = Some((request.uri().to_string(), request.headers()["host"].clone()));
                Ok(response)
            };
            tungstenite_deflate::accept_hdr_async(stream, callback)
                .await
                .unwrap();
            seen.unwrap()
        };
        let (client, (target, host)) = tokio::join!(connect_async(&text), server);
        client.unwrap();
        assert_eq!(
            (target.as_str(), host.to_str().unwrap()),
            ("/?a=b", format!("127.0.0.1:{port}").as_str()),
            "{text}"
        );
    }
}

/// The error for text that tungstenite's types cannot take names [`WebSocketUrl`], which can, before anything is dialled.
#[tokio::test]
async fn text_that_tungstenite_cannot_read_names_the_remedy() {
    for (text, target) in [
        ("ws://b\u{fc}cher.example/", "GET / "),
        (
            "wss://b\u{fc}cher.example?name=Jo\u{e3}o",
            "GET /?name=Jo%C3%A3o ",
        ),
        ("ws://\u{4f8b}\u{3048}.example:8443/a", "GET /a "),
        ("ws://example.org/a b", "GET /a%20b "),
        ("ws://example.org/<a>", "GET /%3Ca%3E "),
    ] {
        let (here, _there) = tokio::io::duplex(64);
        for error in [
            connect_async(text).await.err().unwrap(),
            client_async(text, here).await.err().unwrap(),
        ] {
            assert!(matches!(error, Error::Url(_)), "{text}: {error:?}");
            assert!(
                error.to_string().contains("`WebSocketUrl`"),
                "{text}: {error}"
            );
        }
        let url: WebSocketUrl = text.parse().unwrap();
        let request = sent(url.into_client_request().unwrap()).unwrap();
        assert!(request.starts_with(target), "{text}: {request}");
    }
}
