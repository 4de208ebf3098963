//! Messages to WebSockets whose peers do not read.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Running, client_config, handshake, http2, soon, start, until};
use crate::{buffered, metric};

const MIB: usize = 1 << 20;
/// Bytes of a message that the peer has echoed and does not read.
const MESSAGE: usize = 32 * 1024;

/// A masked binary frame.
fn frame() -> Vec<u8> {
    let mut frame = vec![0x82, 0xfe];
    frame.extend(u16::try_from(MESSAGE).unwrap().to_be_bytes());
    frame.resize(8 + MESSAGE, 0);
    frame
}

/// Opens a connection whose system holds next to nothing.
async fn narrow(server: &Running) -> TlsStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let config = client_config(&server.authority(), &["http/1.1"]);
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let name = "localhost".try_into().unwrap();
    connector.connect(name, tcp).await.unwrap()
}

/// Opens a WebSocket over such a connection, and sends until the server takes no more.
async fn stuff(server: &Running) -> impl Sized + use<> {
    let mut stream = narrow(server).await;
    let sending = async {
        stream.write_all(handshake("/echo", "").as_bytes()).await?;
        for _ in 0..200 {
            stream.write_all(&frame()).await?;
            stream.flush().await?;
        }
        std::io::Result::Ok(())
    };
    // It waits for ever, or is cut off.
    let _ = timeout(Duration::from_millis(500), sending).await;
    stream
}

/// Two thousand connections held what they liked: a message each, the queue and four records of TLS.
#[tokio::test]
async fn r7_messages_that_nobody_reads_are_counted_and_bounded() {
    let server = start(&["--max-buffered-bytes", "2MiB", "--ping-interval", "off"]).await;
    let one = stuff(&server).await;
    let held = buffered(&server, "output").await;
    assert!(held > 64 * 1024, "TLS alone holds as much: {held}");
    let mut all = vec![one];
    for _ in 0..5 {
        all.extend(futures_util::future::join_all((0..8).map(|_| stuff(&server))).await);
        let held = buffered(&server, "output").await;
        assert!(held <= 2 * MIB, "{held}");
    }
    let refused = metric(&server, "wss_buffered_refused_total{part=\"output\"}").await;
    assert!(refused > 5, "{refused}");
    // Who reads is served all the same.
    let (mut other, _) = server.open("/echo", &[]).await;
    other.send(Message::text("here")).await.unwrap();
    drop(all);
    until(async || buffered(&server, "output").await == 0).await;
}

/// When the budget is spent, the largest backlog goes, and of equal ones the oldest: not a peer that waits for a moment.
#[tokio::test]
async fn r7_a_peer_that_reads_outlives_those_that_do_not() {
    let server = start(&["--max-buffered-bytes", "2MiB", "--ping-interval", "off"]).await;
    let mut all = Vec::new();
    while metric(&server, "wss_buffered_refused_total{part=\"output\"}").await == 0 {
        assert!(all.len() < 200, "everybody's output fits");
        all.extend(futures_util::future::join_all((0..8).map(|_| stuff(&server))).await);
    }
    // The reader takes each echo before it sends the next message, so that it never holds more than one.
    for _ in 0..5 {
        let mut stream = narrow(&server).await;
        let opening = handshake("/echo", "");
        stream.write_all(opening.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        let mut echo = vec![0; 4 + MESSAGE];
        for _ in 0..10 {
            stream.write_all(&frame()).await.unwrap();
            stream.flush().await.unwrap();
            soon(stream.read_exact(&mut echo)).await.unwrap();
        }
    }
    drop(all);
    until(async || buffered(&server, "output").await == 0).await;
}

/// A peer that reads nothing is counted once, whoever goes on polling its connection.
#[tokio::test]
async fn r7_a_slow_reader_is_counted_once() {
    let flags = ["--write-timeout", "1s", "--ping-interval", "off"];
    let server = start(&flags).await;
    let held = [stuff(&server).await, stuff(&server).await];
    let readers = "wss_websocket_slow_readers_total{route=\"/echo\"}";
    until(async || {
        metric(
            &server,
            "wss_websocket_connections{route=\"/echo\",http=\"1.1\"}",
        )
        .await
            == 0
    })
    .await;
    assert_eq!(metric(&server, readers).await, held.len());
}

/// The queue of a WebSocket over HTTP/2 counts too, beside what HTTP/2 holds.
#[tokio::test]
async fn r7_messages_over_http2_that_nobody_reads_share_the_connections_budget() {
    let limit = MIB;
    let flags = ["--max-buffered-bytes-per-connection", "1MiB"];
    let server = start(&flags).await;
    let mut sender = http2::dial_with_window(&server, 1000).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        let mut socket = http2::open(&server, &mut sender, "/echo").await;
        let sending = async {
            for _ in 0..500 {
                if socket
                    .feed(Message::binary(vec![0; MESSAGE]))
                    .await
                    .is_err()
                {
                    break;
                }
            }
        };
        let _ = timeout(Duration::from_millis(500), sending).await;
        let held = buffered(&server, "output").await;
        assert!(held <= limit, "{held}");
        all.push(socket);
    }
    let refused = metric(&server, "wss_buffered_refused_total{part=\"output\"}").await;
    assert!(refused > 0, "{refused}");
}
