//! Responses that refuse: status and body as HTTP frames it (RFC 9112 §6.3; cases L10).
//!
//! Members of the kind: HTTP/1.0; Content-Length right, too long, too short, repeated, unreadable; chunks whole, cut,
//! with extensions and trailers, broken, empty; other transfer codings; statuses without a body; bodies that end with the
//! connection; bodies that never end, in bytes and in time.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::ProtocolError;
use tungstenite_deflate::tungstenite::handshake::client::Response;
use tungstenite_deflate::{HeadLimits, Limits, Options, client_async, client_async_with_options};

/// The client's error after `pieces` of a response; then the connection ends, or stays open.
async fn refused(pieces: &[&str], stays: bool, options: Options) -> Error {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let answering = async {
        read_head(&mut server).await;
        for piece in pieces {
            // A client that has read enough has gone.
            let _ = server.write_all(piece.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        if stays { Some(server) } else { None }
    };
    let opening = client_async_with_options("ws://h/", client, options);
    let (outcome, _kept) = tokio::join!(opening, answering);
    outcome.err().unwrap()
}

async fn read_head(stream: &mut DuplexStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

fn response(error: Error) -> Response {
    match error {
        Error::Http(response) => *response,
        other => panic!("{other:?}"),
    }
}

/// Head after the version, the rest, the body.
type Case = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("503 Busy\r\nContent-Length: 5", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: 5", "sorry and more", "sorry"),
    ("503 Busy\r\nContent-Length: 9", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: 0", "sorry", ""),
    ("503 Busy\r\nContent-Length: 5, 5", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: 5\r\nContent-Length: 5", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: 5\r\nContent-Length: 6", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: five", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: -5", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: ", "sorry", "sorry"),
    ("503 Busy\r\nContent-Length: 99999999999999999999999", "sorry", "sorry"),
    ("503 Busy", "sorry", "sorry"),
    ("503 Busy", "", ""),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "5\r\nlog i\r\n1\r\nn\r\n0\r\n\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: Chunked", "5;a=b\r\nlog i\r\n01 \r\nn\r\n0\r\nX-Trailer: y\r\n\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked\r\nContent-Length: 3", "6\r\nlog in\r\n0\r\n\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked,", "6\r\nlog in\r\n0\r\n\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "6\r\nlog", "log"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "6\r\nlog in\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "6\r\nlog inXX0\r\n\r\n", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "not a size\r\n", ""),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "ffffffffffffffff\r\nlog", "log"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked", "0\r\n\r\n", ""),
    ("401 Unauthorized\r\nTransfer-Encoding: gzip", "log in", "log in"),
    ("401 Unauthorized\r\nTransfer-Encoding: chunked, gzip", "log in", "log in"),
    ("204 No Content", "garbage", ""),
    ("304 Not Modified\r\nContent-Length: 7", "garbage", ""),
    ("200 OK\r\nContent-Length: 4", "page", "page"),
    ("302 Found\r\nLocation: /x\r\nContent-Length: 0", "", ""),
];

#[tokio::test(start_paused = true)]
async fn status_and_decoded_body_are_reported() {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for (head, rest, body) in CASES {
            let head = format!("{version} {head}\r\n\r\n");
            let bytes: Vec<String> = rest.chars().map(String::from).collect();
            let piecewise: Vec<&str> = [head.as_str()]
                .into_iter()
                .chain(bytes.iter().map(String::as_str))
                .collect();
            for pieces in [&[&format!("{head}{rest}")[..]][..], &piecewise] {
                let response = response(refused(pieces, false, Options::default()).await);
                assert_eq!(response.status().as_str(), &head[9..12], "{head:?}");
                let seen = String::from_utf8(response.into_body().unwrap()).unwrap();
                assert_eq!(seen, *body, "{head:?} {rest:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whole_body_ends_the_wait_although_the_connection_stays() {
    for (head, rest, _) in CASES.iter().filter(|(head, rest, body)| {
        let is_announced = head.ends_with("Busy\r\nContent-Length: 5")
            || head.ends_with("chunked") && rest.ends_with("0\r\n\r\n");
        is_announced && !body.is_empty() || head.starts_with("204") || head.starts_with("304")
    }) {
        let start = tokio::time::Instant::now();
        let pieces = [&format!("HTTP/1.1 {head}\r\n\r\n")[..], rest];
        response(refused(&pieces, true, Options::default()).await);
        assert_eq!(start.elapsed(), Duration::ZERO, "{head:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn body_that_never_ends_meets_the_deadline_and_the_status_is_reported() {
    for head in [
        "",
        "Content-Length: 1000\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let start = tokio::time::Instant::now();
        let pieces = [
            &format!("HTTP/1.1 503 Busy\r\n{head}\r\n")[..],
            "5\r\nsorry\r\n",
        ];
        let response = response(refused(&pieces, true, Options::default()).await);
        assert_eq!(response.status(), 503, "{head:?}");
        assert!(
            String::from_utf8_lossy(response.body().as_ref().unwrap()).contains("sorry"),
            "{head:?}"
        );
        assert_eq!(start.elapsed().as_secs(), 2, "{head:?}");
    }
    let limits =
        Limits::default().head(HeadLimits::default().refusal_timeout(Duration::from_millis(300)));
    let start = tokio::time::Instant::now();
    response(
        refused(
            &["HTTP/1.1 503 Busy\r\n\r\n"],
            true,
            Options::default().limits(limits),
        )
        .await,
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// Without deadlines in the options a program may have a runtime without a time driver.
#[test]
fn body_that_never_ends_meets_the_deadline_without_a_time_driver() {
    let timeout = Duration::from_millis(100);
    let limits = Options::drop_in(None)
        .limits
        .head(HeadLimits::default().refusal_timeout(timeout));
    let options = Options::drop_in(None).limits(limits);
    let pieces = ["HTTP/1.1 503 Busy\r\n\r\n", "sorry"];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let start = std::time::Instant::now();
    let response = response(runtime.block_on(refused(&pieces, true, options)));
    assert_eq!(response.status(), 503);
    assert_eq!(response.body().as_deref(), Some(&b"sorry"[..]));
    assert!(start.elapsed() >= timeout);
}

#[tokio::test(start_paused = true)]
async fn body_without_end_meets_the_bound() {
    struct Endless(usize, Vec<u8>);
    impl AsyncRead for Endless {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let length = buffer.remaining().min(self.1.len());
            buffer.put_slice(&self.1[..length]);
            self.1.drain(..length);
            if self.1.is_empty() {
                self.1 = vec![b'x'; 8192];
            }
            self.0 += length;
            assert!(self.0 < 1 << 20, "more was read than the bound");
            std::task::Poll::Ready(Ok(()))
        }
    }
    for (framing, most) in [
        ("", 65_536),
        ("Content-Length: 1000000\r\n", 65_536),
        ("Transfer-Encoding: chunked\r\n", 0),
    ] {
        let head = format!("HTTP/1.1 500 Oops\r\n{framing}\r\n");
        let stream = tokio::io::join(Endless(0, head.into_bytes()), tokio::io::sink());
        let response = response(client_async("ws://h/", stream).await.err().unwrap());
        assert_eq!(
            (
                response.status().as_u16(),
                response.body().as_ref().unwrap().len()
            ),
            (500, most),
            "{framing}"
        );
    }
    let limits = Limits::default().head(HeadLimits::default().max_refusal_bytes(3));
    let error = refused(
        &["HTTP/1.1 500 Oops\r\n\r\nsorry"],
        false,
        Options::default().limits(limits),
    )
    .await;
    assert_eq!(response(error).into_body().unwrap(), b"sor");
}

#[tokio::test(start_paused = true)]
async fn only_a_101_is_judged_by_its_version() {
    let error = refused(
        &["HTTP/1.0 101 Switching Protocols\r\n\r\n"],
        false,
        Options::default(),
    )
    .await;
    assert!(
        matches!(error, Error::Protocol(ProtocolError::WrongHttpVersion)),
        "{error:?}"
    );
}
