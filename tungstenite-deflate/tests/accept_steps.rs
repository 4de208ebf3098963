//! Accepting in two steps: the request is read, anything is awaited, then it is accepted or refused.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tungstenite_deflate::tungstenite::error::ProtocolError;
use tungstenite_deflate::tungstenite::{Error, Message, http};
use tungstenite_deflate::{
    HeadLimits, IncomingRequest, Limits, Options, client_async, receive_request_async,
};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat.v1, chat.v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

async fn received(bytes: &[u8]) -> (Result<IncomingRequest<DuplexStream>, Error>, DuplexStream) {
    let (ours, mut theirs) = duplex(1 << 16);
    theirs.write_all(bytes).await.unwrap();
    (
        receive_request_async(ours, Options::default()).await,
        theirs,
    )
}

async fn answer(mut theirs: DuplexStream) -> String {
    let mut answer = Vec::new();
    theirs.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn request_waits_for_what_the_program_awaits_and_early_frames_are_kept() {
    // Two masked texts, with a key of zero: one sent along with the request, one while the program decides.
    let early = [REQUEST.as_bytes(), b"\x81\x82\0\0\0\0hi"].concat();
    let (incoming, mut theirs) = received(&early).await;
    let mut incoming = incoming.unwrap();
    assert_eq!(incoming.request().uri().path(), "/chat");
    assert_eq!(incoming.requested_protocols().len(), 2);
    theirs.write_all(b"\x81\x82\0\0\0\0yo").await.unwrap();
    tokio::task::yield_now().await;
    incoming.select_protocol(["chat.v3", "chat.v2"]);
    let headers = incoming.response_headers_mut();
    for (name, value) in [
        ("set-cookie", "a=b"),
        ("sec-websocket-accept", "wrong"),
        ("sec-websocket-extensions", "x-smuggled"),
        ("connection", "close"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let mut socket = incoming.accept().await.unwrap();
    assert!(socket.agreed().is_some());
    for text in ["hi", "yo"] {
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text(text));
    }
    drop(socket);
    let answer = answer(theirs).await;
    let head = answer.to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 101 switching protocols\r\n"),
        "{answer}"
    );
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(
        head.contains("\r\nsec-websocket-protocol: chat.v2\r\n"),
        "{answer}"
    );
    assert!(head.contains("\r\nset-cookie: a=b\r\n"), "{answer}");
    for absent in [
        "smuggled",
        "wrong",
        "close",
        "content-length",
        "transfer-encoding",
    ] {
        assert!(!head.contains(absent), "{absent}: {answer}");
    }
}

#[tokio::test]
async fn refusal_is_any_response_framed_by_its_body() {
    let smuggled = [REQUEST, "GET /second HTTP/1.1\r\n\r\n"].concat();
    let (incoming, theirs) = received(smuggled.as_bytes()).await;
    let response = http::Response::builder()
        .status(401)
        .header("www-authenticate", "Bearer")
        .header("content-length", "1")
        .header("transfer-encoding", "chunked")
        .body([0xff_u8, 0, b'\r', b'\n'])
        .unwrap();
    incoming.unwrap().refuse(response).await.unwrap();
    let mut theirs = theirs;
    let mut answer = Vec::new();
    theirs.read_to_end(&mut answer).await.unwrap();
    let head = String::from_utf8_lossy(&answer).into_owned();
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Length: 4\r\n") && !head.contains("chunked"),
        "{head}"
    );
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(answer.ends_with(b"\r\n\r\n\xff\0\r\n"), "{head}");
    assert_eq!(
        head.matches("HTTP/1.1").count(),
        1,
        "one answer, whatever followed the request"
    );
}

#[tokio::test]
async fn refusal_that_would_accept_is_none() {
    for status in [101, 200, 204] {
        let (incoming, theirs) = received(REQUEST.as_bytes()).await;
        let response = http::Response::builder().status(status).body("").unwrap();
        let error = incoming.unwrap().refuse(response).await.unwrap_err();
        assert!(matches!(
            error,
            Error::Protocol(ProtocolError::CustomResponseSuccessful)
        ));
        assert!(answer(theirs).await.starts_with("HTTP/1.1 500 "));
    }
}

#[tokio::test]
async fn requests_that_are_no_handshake_are_answered_at_once() {
    for (from, to, status) in [
        ("Upgrade: websocket\r\n", "", 426),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("chat.v1, chat.v2", "chat.v1, chat.v1", 400),
        ("HTTP/1.1", "HTTP/1.0", 505),
    ] {
        let (incoming, theirs) = received(REQUEST.replace(from, to).as_bytes()).await;
        assert!(incoming.is_err(), "{to}");
        let answer = answer(theirs).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    // Dropped without an answer, the connection ends.
    let (incoming, theirs) = received(REQUEST.as_bytes()).await;
    drop(incoming);
    assert_eq!(answer(theirs).await, "");
}

#[tokio::test(start_paused = true)]
async fn request_that_does_not_come_in_time_is_answered_by_408() {
    let options = |timeout| {
        let head = HeadLimits::default().request_timeout(timeout);
        Options::default().limits(Limits::default().head(head))
    };
    let (ours, mut theirs) = duplex(1024);
    theirs.write_all(&REQUEST.as_bytes()[..100]).await.unwrap();
    let limit = Some(Duration::from_secs(3));
    match receive_request_async(ours, options(limit)).await {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    assert!(
        answer(theirs)
            .await
            .starts_with("HTTP/1.1 408 Request Timeout\r\n")
    );

    let (ours, mut theirs) = duplex(1024);
    let slow = tokio::spawn(receive_request_async(ours, options(None)));
    for piece in REQUEST.as_bytes().chunks(50) {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        theirs.write_all(piece).await.unwrap();
    }
    assert!(slow.await.unwrap().is_ok());
}

#[tokio::test]
async fn clients_of_this_crate_are_accepted() {
    let (ours, theirs) = duplex(1024);
    let server = async {
        let incoming = receive_request_async(ours, Options::default())
            .await
            .unwrap();
        incoming.accept().await.unwrap()
    };
    let (mut server, client) = tokio::join!(server, client_async("ws://h/", theirs));
    let (mut client, _) = client.unwrap();
    let (sent, received) = tokio::join!(client.close(None), server.next());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), Message::Close(None));
}
