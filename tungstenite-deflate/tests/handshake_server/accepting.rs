//! The functions that accept a connection: options, callbacks, its early end.

use http::header::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::ProtocolError;
use tungstenite_deflate::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite_deflate::{Options, accept_async, accept_async_with_options, accept_hdr_async};

use super::{REQUEST, serve};

#[tokio::test]
async fn deflate_is_agreed_unless_it_is_off() {
    let request = REQUEST.replace(
        "\r\nOrigin",
        "\r\nSec-WebSocket-Extensions: x, permessage-deflate\r\nOrigin",
    );
    let (accepted, answer) = serve(request.as_bytes(), accept_async).await;
    assert!(accepted.is_ok());
    assert!(
        answer.contains("\r\nSec-WebSocket-Extensions: permessage-deflate"),
        "{answer}"
    );
    let options = Options::default().deflate(None);
    let (accepted, answer) = serve(request.as_bytes(), |stream| {
        accept_async_with_options(stream, options)
    })
    .await;
    assert!(accepted.is_ok());
    assert!(!answer.contains("Extensions"), "{answer}");
    assert!(
        answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn callback_has_the_last_word() {
    let add = |request: &Request, mut response: Response| {
        assert_eq!(request.uri(), "/chat");
        response.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("superchat"),
        );
        response
            .headers_mut()
            .append("set-cookie", HeaderValue::from_bytes(b"a=\xe9").unwrap());
        Ok(response)
    };
    let (mut peer, stream) = tokio::io::duplex(4096);
    peer.write_all(REQUEST.as_bytes()).await.unwrap();
    accept_hdr_async(stream, add).await.unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    let contains = |part: &[u8]| answer.windows(part.len()).any(|window| window == part);
    assert!(contains(b"\r\nSec-WebSocket-Protocol: superchat\r\n"));
    assert!(contains(b"\r\nset-cookie: a=\xe9\r\n"));

    let request = REQUEST.replace(
        "\r\nOrigin",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\nOrigin",
    );
    let remove = |_: &Request, mut response: Response| {
        assert!(
            response
                .headers_mut()
                .remove("sec-websocket-extensions")
                .is_some()
        );
        Ok(response)
    };
    let (accepted, answer) = serve(request.as_bytes(), |stream| {
        accept_hdr_async(stream, remove)
    })
    .await;
    assert!(!answer.contains("Extensions"), "{answer}");
    assert!(accepted.unwrap().agreed().is_none());
}

#[tokio::test]
async fn callback_may_refuse() {
    let refuse = |_: &Request, _: Response| {
        let response = http::Response::builder()
            .status(403)
            .header("x-reason", "origin");
        Err::<Response, ErrorResponse>(response.body(Some("not from there".to_owned())).unwrap())
    };
    let (refused, answer) = serve(REQUEST.as_bytes(), |stream| {
        accept_hdr_async(stream, refuse)
    })
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 403 Forbidden\r\nx-reason: origin\r\nContent-Length: 14\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nnot from there"), "{answer}");
    match refused {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers().len(), 1, "as the callback made it");
            assert_eq!(response.body().as_deref(), Some(&b"not from there"[..]));
        }
        other => panic!("{other:?}"),
    }
    for status in [101, 200, 204] {
        let succeed = |_: &Request, _: Response| {
            Err::<Response, ErrorResponse>(
                http::Response::builder().status(status).body(None).unwrap(),
            )
        };
        let (refused, answer) = serve(REQUEST.as_bytes(), |stream| {
            accept_hdr_async(stream, succeed)
        })
        .await;
        assert!(
            matches!(
                refused,
                Err(Error::Protocol(ProtocolError::CustomResponseSuccessful))
            ),
            "{refused:?}"
        );
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
}

#[tokio::test]
async fn end_amid_the_head_is_an_incomplete_handshake() {
    for cut in [0, 1, 40, REQUEST.len() - 1] {
        let (mut peer, stream) = tokio::io::duplex(4096);
        peer.write_all(&REQUEST.as_bytes()[..cut]).await.unwrap();
        peer.shutdown().await.unwrap();
        let failed = accept_async(stream).await;
        assert!(
            matches!(
                failed,
                Err(Error::Protocol(ProtocolError::HandshakeIncomplete))
            ),
            "{failed:?}"
        );
    }
}
