//! Messages to WebSockets whose peers do not read.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Running, client_config, handshake, http2, start, until};
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

/// Opens a WebSocket whose system holds next to nothing, and sends until the server takes no more.
async fn stuff(server: &Running) -> impl Sized + use<> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let config = client_config(&server.authority(), &["http/1.1"]);
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, tcp).await.unwrap();
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
