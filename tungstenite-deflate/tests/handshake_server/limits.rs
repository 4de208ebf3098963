//! Bounds on the head, and that its bytes cost linear time.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderValue;
use tungstenite_deflate::HeadLimits;
use tungstenite_deflate::handshake::server;
use tungstenite_deflate::handshake::server::RequestReader;
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::CapacityError;

use super::{REQUEST, handle, read};

#[test]
fn limits_hold_to_the_byte() {
    let padded = |length: usize| {
        let padding = "x".repeat(length - REQUEST.len() - "Padding: \r\n".len());
        REQUEST.replace("\r\nUpgrade", &format!("\r\nPadding: {padding}\r\nUpgrade"))
    };
    assert_eq!(padded(16_384).len(), 16_384);
    assert!(handle(&padded(15_900)).is_ok());
    assert!(handle(&padded(16_384)).is_ok());
    assert_eq!(handle(&padded(16_385)).unwrap_err().status(), 431);
    assert_eq!(
        read(&padded(30_000).as_bytes()[..16_384])
            .unwrap_err()
            .status(),
        431,
        "as soon as it must be too long"
    );

    let fields = |number: usize| {
        REQUEST.replace(
            "\r\nOrigin",
            &format!("{}\r\nOrigin", "\r\nA: b".repeat(number - 7)),
        )
    };
    assert!(handle(&fields(99)).is_ok());
    assert!(handle(&fields(100)).is_ok());
    let rejection = handle(&fields(101)).unwrap_err();
    assert_eq!(rejection.status(), 431);
    assert!(matches!(
        Error::from(rejection),
        Error::Capacity(CapacityError::TooManyHeaders)
    ));
    assert_eq!(handle(&fields(2_000)).unwrap_err().status(), 431);

    let target = |length: usize| REQUEST.replace("/chat", &format!("/{}", "c".repeat(length - 1)));
    assert!(handle(&target(8_192)).is_ok());
    assert_eq!(handle(&target(8_193)).unwrap_err().status(), 414);
    assert_eq!(
        read(format!("GET /{}", "c".repeat(16_384)).as_bytes())
            .unwrap_err()
            .status(),
        414
    );
}

#[test]
fn limits_can_be_chosen() {
    let limits = HeadLimits::default()
        .max_bytes(100)
        .max_fields(3)
        .max_target_bytes(10);
    let mut buffer = BytesMut::from(REQUEST);
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .status(),
        431
    );
    let mut buffer = BytesMut::from("GET / HTTP/1.1\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n");
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .part(),
        "head"
    );
    let mut buffer = BytesMut::from("GET /1234567890 HTTP/1.1\r\n\r\n");
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .status(),
        414
    );
}

#[test]
fn nonsense_is_refused_before_the_limit() {
    let hello = [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &[0xaa; 60]].concat();
    assert_eq!(read(&hello).unwrap_err().status(), 400, "a TLS hello");
    assert_eq!(read(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap_err().status(), 400);
    assert_eq!(
        read(b"\n").err().map(|rejection| rejection.status()),
        Some(StatusCode::BAD_REQUEST)
    );
    assert!(read(b"").unwrap().is_none());
    assert!(read(b"GET").unwrap().is_none());
}

#[test]
fn head_in_single_bytes_costs_linear_time() {
    let requests = [
        format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(16_000)),
        "\r\n".repeat(8_190),
        format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(99)),
    ];
    let start = Instant::now();
    let mut bytes = 0;
    for request in requests.iter().cycle().take(60) {
        let mut reader = RequestReader::new(HeadLimits::default());
        let mut buffer = BytesMut::new();
        for byte in request.as_bytes() {
            buffer.extend_from_slice(&[*byte]);
            assert!(reader.receive(&mut buffer).unwrap().is_none());
            bytes += 1;
        }
    }
    let spent = start.elapsed();
    assert!(
        spent < Duration::from_secs(3),
        "{bytes} bytes took {spent:?}"
    );
}

#[test]
fn protocol_lists_cost_linear_time() {
    let mut headers = http::HeaderMap::new();
    let names: Vec<String> = (0..3_000).map(|number| format!("p{number}")).collect();
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::try_from(names.join(",")).unwrap(),
    );
    assert_eq!(server::requested_protocols(&headers).unwrap().len(), 3_000);
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::try_from(format!("a{}b", " ".repeat(8_192))).unwrap(),
    );
    let start = Instant::now();
    assert_eq!(
        server::requested_protocols(&headers).unwrap_err().status(),
        400
    );
    assert!(start.elapsed() < Duration::from_millis(100));
}
