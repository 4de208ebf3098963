//! F16: bytes that a client goes on sending cost it no answer that was sent before, alerts of TLS included: no reset by
//! TCP overtakes it.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;

use common::{Running, handshake, soon, start, start_with, status_of};
use raw_http2::{Frame, kind};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ALL_VERSIONS, AlertDescription, ClientConfig, ClientConnection, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Runs of each case; without lingering most of them lost something.
const RUNS: usize = 60;
/// Bytes that a client sends although nobody reads them.
const BEHIND: usize = 256 * 1024;
/// Bytes that the kernel holds for a client that has not read them.
const CAPACITY: u32 = 16 * 1024;

/// Opens a connection with little capacity for what comes while nothing is read.
async fn tcp(server: &Running) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(CAPACITY)?;
    socket.connect(server.address).await
}

/// Opens the same with TLS.
async fn tls(
    server: &Running,
    protocol: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(certs::load_roots(&server.authority()).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        "" => vec![],
        protocol => vec![protocol.into()],
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp(server).await?).await
}

/// Returns the first flight of a client that names `name` and offers `protocol`.
fn client_hello(server: &Running, name: &'static str, protocol: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        // Whose alerts are never encrypted in the handshake.
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(certs::load_roots(&server.authority()).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let config = Arc::new(config);
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello
}

/// Returns what arrives of the answer to `bytes` and much after them at a client that writes all before it reads; an
/// error if the server broke off.
async fn answer(server: &Running, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    pushed(tls(server, "http/1.1", ALL_VERSIONS).await?, bytes).await
}

/// The same over a `stream` that is there.
async fn pushed<S>(mut stream: S, bytes: &[u8]) -> std::io::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut sent = bytes.to_vec();
    sent.resize(bytes.len() + BEHIND, b'x');
    for piece in sent.chunks(4096) {
        stream.write_all(piece).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn f16_data_behind_a_close_destroys_no_reply() {
    let server = start(&[]).await;
    let mut bytes = handshake("/echo", "").into_bytes();
    for _ in 0..100 {
        bytes.extend_from_slice(b"\x82\xfe\x03\xe8\0\0\0\0");
        bytes.extend_from_slice(&[7; 1000]);
    }
    bytes.extend_from_slice(b"\x88\x82\0\0\0\0\x03\xe8");
    let mut lost = 0;
    for _ in 0..RUNS {
        match soon(answer(&server, &bytes)).await {
            Ok(answer) if answer.len() > 100_400 && answer.ends_with(b"\x88\x02\x03\xe8") => {}
            _ => lost += 1,
        }
    }
    assert_eq!(lost, 0, "of {RUNS}");
}

#[tokio::test]
async fn f16_a_refused_request_is_told_so_while_it_is_sent() {
    let server = start(&["--head-timeout", "2s"]).await;
    let length = format!("Content-Length: {BEHIND}\r\n");
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    #[rustfmt::skip]
    let cases = [
        (400, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost\r\n\r\n".to_owned()),
        (405, format!("POST /healthz HTTP/1.1\r\nHost: localhost\r\n{length}\r\n")),
        (431, format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{long}\r\n")),
        (404, format!("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n")),
        (400, handshake("/ws", &length)),
        (505, "GET /healthz HTTP/1.2\r\nHost: localhost\r\n\r\n".to_owned()),
        (413, format!("POST /rooms/hall/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n")),
    ];
    for (status, request) in cases {
        let mut lost = None;
        for _ in 0..RUNS {
            match soon(answer(&server, request.as_bytes())).await {
                Ok(answer) if status_of(&String::from_utf8_lossy(&answer)) == status => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{status}: {lost:?}: {request:.200}");
    }
}

/// A refusal of gRPC is a response without content, over HTTP/1.1 too.
#[tokio::test]
async fn f16_a_refused_call_is_told_so_while_it_is_sent() {
    let server = start(&[]).await;
    let whole = format!("Content-Length: {BEHIND}\r\n");
    for (path, kind, expected) in [
        ("/chat.v2.ChatService/Nothing", "grpc-web+proto", "12"),
        ("/nobody.Service/Call", "grpc-web-text", ""),
        ("/chat.v2.ChatService/Publish", "grpc-web+nonsense", ""),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/{kind}\r\n{whole}\r\n"
        );
        let mut lost = None;
        for _ in 0..RUNS {
            match soon(answer(&server, head.as_bytes())).await {
                Ok(answer) => {
                    let answer = String::from_utf8_lossy(&answer).into_owned();
                    let status = format!("grpc-status: {expected}");
                    if status_of(&answer) == 0
                        || (!expected.is_empty() && !answer.contains(&status))
                    {
                        lost = Some(Ok(answer));
                    }
                }
                Err(error) => lost = Some(Err(error)),
            }
        }
        assert!(lost.is_none(), "{path}: {lost:?}");
    }
    for path in ["/chat.v2.ChatService/Nothing", "/nobody.Service/Call"] {
        let block = raw_http2::Block::grpc(path);
        let mut lost = None;
        for _ in 0..RUNS {
            let answer = async {
                let stream = tls(&server, "h2", ALL_VERSIONS).await?;
                pushed_http2(stream, block.bytes()).await
            };
            let is_answered = match soon(answer).await {
                Ok(mut answer) => std::iter::from_fn(|| Frame::take(&mut answer))
                    .any(|frame| frame.kind == kind::HEADERS),
                Err(_) => false,
            };
            if !is_answered {
                lost = Some(path);
            }
        }
        assert!(lost.is_none(), "{lost:?}");
    }
}

/// A client that begins with HTTP/2 without ALPN gets a GOAWAY that it understands (RFC 9113 §3.2).
#[tokio::test]
async fn f16_http2_without_alpn_is_refused_in_its_own_frames() {
    let server = start(&[]).await;
    let mut bytes = [raw_http2::PREFACE, &raw_http2::settings(&[])].concat();
    bytes.extend(raw_http2::headers(
        1,
        raw_http2::END_STREAM,
        raw_http2::Block::get("/healthz").bytes(),
    ));
    for protocol in ["", "http/1.1"] {
        for cut in [0, 1, 17, 18, 24, bytes.len()] {
            let answer = async {
                let mut stream = tls(&server, protocol, ALL_VERSIONS).await?;
                let (front, back) = bytes.split_at(cut);
                stream.write_all(front).await?;
                stream.flush().await?;
                pushed(stream, back).await
            };
            let mut answer = soon(answer).await.unwrap();
            let settings = Frame::take(&mut answer).unwrap();
            assert_eq!((settings.kind, settings.payload.len()), (kind::SETTINGS, 0));
            let goaway = Frame::take(&mut answer).unwrap();
            // HTTP_1_1_REQUIRED, and no stream was looked at.
            assert_eq!((goaway.kind, goaway.stream), (kind::GOAWAY, 0));
            assert_eq!(
                (goaway.number(0), goaway.number(4)),
                (0, 0xd),
                "cut at {cut}"
            );
            assert!(answer.is_empty(), "cut at {cut}: {answer:02x?}");
        }
    }
}

/// Returns the alert that came in place of TLS.
fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn f16_a_refused_client_certificate_is_told_while_the_client_sends() {
    let directory = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(vec![]).unwrap();
    let trusted = directory.path().join("clients.crt");
    std::fs::write(&trusted, authority.cert.pem()).unwrap();
    let trusted = trusted.to_str().unwrap().to_owned();
    let flags = ["--client-auth", "required", "--client-ca", &trusted];
    let server = start_with(directory, &flags, |server| server);
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let mut lost = None;
        for _ in 0..RUNS {
            let answer = async {
                let stream = tls(&server, "http/1.1", versions).await?;
                pushed(stream, b"GET /healthz HTTP/1.1\r\n").await
            };
            match soon(answer).await {
                Err(error) if alert(&error).is_some() => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{versions:?}: {lost:?}");
    }
}

#[tokio::test]
async fn f16_what_answers_in_place_of_tls_arrives_while_the_client_sends() {
    let server = start(&[]).await;
    // TLS 1.0 with one cipher suite and no extensions.
    let mut old = b"\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x01".to_vec();
    old.extend_from_slice(&[7; 32]);
    old.extend_from_slice(b"\0\0\x02\xc0\x13\x01\0");
    let other_protocol = client_hello(&server, "localhost", "spdy/3");
    #[rustfmt::skip]
    let cases = [
        ("another protocol by ALPN", &b"\x15\x03\x03\0\x02\x02\x78"[..], &other_protocol[..]),
        ("an old version", b"\x15\x03\x01\0\x02\x02\x46", &old),
        ("no TLS", b"\x15\x03", b"\0\0\0\0\0\0"),
        ("another protocol", b"\x15\x03", b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("plain HTTP", b"HTTP/1.1 400", b"GET / HTTP/1.1\r\n\r\n"),
    ];
    for (name, begins, bytes) in cases {
        let mut lost = None;
        for _ in 0..RUNS {
            let answer = async { pushed(tcp(&server).await?, bytes).await };
            match soon(answer).await {
                Ok(answer) if answer.starts_with(begins) => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{name}: {lost:?}");
    }
}

#[tokio::test]
async fn f16_an_unknown_name_is_told_while_the_client_sends() {
    let server = start(&["--unknown-name", "refuse"]).await;
    let hello = client_hello(&server, "other.example", "http/1.1");
    let mut lost = None;
    for _ in 0..RUNS {
        let answer = async { pushed(tcp(&server).await?, &hello).await };
        match soon(answer).await {
            // access_denied, as rustls says it.
            Ok(answer) if answer.starts_with(b"\x15\x03\x03\0\x02\x02\x31") => {}
            other => lost = Some(other),
        }
    }
    assert!(lost.is_none(), "{lost:?}");
}

#[tokio::test]
async fn f16_records_that_do_not_open_get_their_alert() {
    let server = start(&[]).await;
    let open = handshake("/echo", "");
    for (name, before) in [("a request", ""), ("a WebSocket", &open)] {
        let mut lost = None;
        for _ in 0..RUNS {
            let answer = async {
                let mut stream = tls(&server, "http/1.1", ALL_VERSIONS).await?;
                stream.write_all(before.as_bytes()).await?;
                stream.flush().await?;
                let (tcp, _) = stream.get_mut();
                // An application record that no key sealed, and much after it.
                let mut forged = b"\x17\x03\x03\x10\0".to_vec();
                forged.resize(BEHIND, 7);
                for piece in forged.chunks(4096) {
                    tcp.write_all(piece).await?;
                    tokio::task::yield_now().await;
                }
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await
            };
            match soon(answer).await {
                Err(error) if alert(&error) == Some(AlertDescription::BadRecordMac) => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{name}: {lost:?}");
    }
}

#[tokio::test]
async fn f16_a_connection_beyond_a_limit_is_told_while_it_sends() {
    let limits = [
        ("--max-connections", 503),
        ("--max-connections-per-address", 429),
    ];
    for (flag, status) in limits {
        let server = start(&[flag, "1", "--handshake-rate", "off"]).await;
        let _held = server.tls(&["http/1.1"]).await;
        let length = format!("Content-Length: {BEHIND}\r\n");
        let long = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{length}\r\n");
        for request in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &long] {
            let mut lost = None;
            for _ in 0..RUNS {
                match soon(answer(&server, request.as_bytes())).await {
                    Ok(answer) if status_of(&String::from_utf8_lossy(&answer)) == status => {}
                    other => lost = Some(other),
                }
            }
            assert!(lost.is_none(), "{status}: {lost:?}: {request:.20}");
        }
        let mut lost = None;
        for _ in 0..RUNS {
            let answer = async {
                let stream = tls(&server, "h2", ALL_VERSIONS).await?;
                // POST https / of localhost, from the static table (RFC 7541 appendix A).
                pushed_http2(stream, b"\x83\x87\x84\x41\x09localhost").await
            };
            match soon(answer).await {
                Ok(answer) if String::from_utf8_lossy(&answer).contains(flag) => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{status} over HTTP/2: {lost:?}");
    }
}

/// Sends a request with this header block over HTTP/2 and as much of its body as the first window allows, then much else.
async fn pushed_http2(stream: TlsStream<TcpStream>, block: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = [raw_http2::PREFACE, &raw_http2::settings(&[])].concat();
    bytes.extend(raw_http2::headers(1, 0, block));
    for _ in 0..3 {
        bytes.extend(raw_http2::data(1, 0, &[b'x'; 16_384]));
    }
    pushed(stream, &bytes).await
}
