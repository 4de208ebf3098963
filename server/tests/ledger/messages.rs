//! WebSocket messages that are not there whole, and compression contexts.

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{handshake, http2, soon, start, until};
use crate::{buffered, metric};

const MIB: usize = 1 << 20;

/// The longest message that the settings allow fits into the default budget of its connection.
#[tokio::test]
async fn r4_the_budget_of_a_connection_has_the_longest_message() {
    let server = start(&["--max-message-bytes", "12MiB"]).await;
    let (mut socket, _) = server.open("/echo", &[]).await;
    let message = Message::binary(vec![7; 12 * MIB]);
    soon(async {
        socket.send(message.clone()).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap() == message);
    })
    .await;
    server.stop().await;
}

/// A hundred streams of one connection could hold a message of 1 MiB each.
#[tokio::test]
async fn r4_the_websockets_of_one_connection_share_its_budget() {
    let flags = [
        "--max-buffered-bytes-per-connection",
        "3MiB",
        "--max-streams",
        "20",
    ];
    let server = start(&flags).await;
    let mut sender = http2::dial(&server).await;
    let mut begun = Vec::new();
    for _ in 0..10 {
        let mut socket = http2::open(&server, &mut sender, "/echo").await;
        let mut frame = vec![0x82, 0xff];
        frame.extend((MIB as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(vec![b'x'; MIB - 1]);
        // Who is refused may be closed while it sends.
        let _ = soon(socket.get_mut().write_all(&frame)).await;
        begun.push(socket);
    }
    let refused = r#"wss_websocket_closed_total{route="/echo",code="1013",by="server"}"#;
    until(async || metric(&server, refused).await >= 7).await;
    assert!(buffered(&server, "messages").await <= 3 * MIB);
    // Others have a budget of their own.
    let (mut other, _) = server.open("/echo", &[]).await;
    let message = Message::binary(vec![1; MIB]);
    soon(other.send(message.clone())).await.unwrap();
    assert_eq!(soon(other.next()).await.unwrap().unwrap(), message);
    drop(begun);
    until(async || buffered(&server, "messages").await == 0).await;
}

/// It holds for HTTP/1.1 too, where a connection has one WebSocket.
#[tokio::test]
async fn r4_one_websocket_is_held_to_the_connections_budget() {
    let flags = ["--max-buffered-bytes-per-connection", "64KiB"];
    let server = start(&flags).await;
    let mut stream = server.tls(&[]).await;
    let request = handshake("/echo", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let fragment = [&[0x02, 0xfe, 0x40, 0x00, 0, 0, 0, 0][..], &[7; 0x4000]].concat();
    stream.write_all(&fragment).await.unwrap();
    for _ in 0..7 {
        let next = [&[0x00, 0xfe, 0x40, 0x00, 0, 0, 0, 0][..], &[7; 0x4000]].concat();
        if stream.write_all(&next).await.is_err() {
            break;
        }
    }
    let refused = r#"wss_websocket_closed_total{route="/echo",code="1013",by="server"}"#;
    until(async || metric(&server, refused).await == 1).await;
}

/// The decompressors of unfinished messages were beyond every flag: 48 KB each.
#[tokio::test]
async fn d16_decompressors_of_unfinished_messages_count_with_their_messages() {
    let server = start(&["--max-buffered-bytes", "1MiB", "--ping-interval", "off"]).await;
    let mut holding = Vec::new();
    for _ in 0..40 {
        let mut stream = server.tls(&[]).await;
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        stream
            .write_all(handshake("/echo", offer).as_bytes())
            .await
            .unwrap();
        // A stored block of 17,000 bytes in a frame that is not the last.
        let payload = [&[0x00, 0x68, 0x42, 0x97, 0xbd][..], &vec![7; 17_000]].concat();
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [0x42, 0xfe, length[0], length[1], 0, 0, 0, 0];
        let _ = stream.write_all(&[&head[..], &payload].concat()).await;
        holding.push(stream);
    }
    let refused = r#"wss_websocket_closed_total{route="/echo",code="1013",by="server"}"#;
    // 16 KiB and a decompressor of 48 KB are 65 KB, of which 1 MiB holds 16.
    until(async || metric(&server, refused).await >= 24).await;
    let held = buffered(&server, "messages").await;
    assert!(held > 500_000 && held <= MIB, "{held}");
}

/// 2,000 connections took 80 MiB of contexts with `--deflate-memory 16MiB`.
#[tokio::test]
async fn d16_contexts_stay_within_their_part() {
    let flags = ["--deflate-memory", "8KiB"];
    let server = start(&flags).await;
    let offer = [(
        "sec-websocket-extensions",
        "permessage-deflate; client_max_window_bits",
    )];
    let mut held = Vec::new();
    for number in 0..10 {
        let (socket, response) = server.open("/echo", &offer).await;
        let expected = if number < 4 {
            "permessage-deflate; client_max_window_bits=11"
        } else {
            "permessage-deflate; client_no_context_takeover"
        };
        assert_eq!(
            response.headers()["sec-websocket-extensions"],
            expected,
            "{number}"
        );
        held.push(socket);
    }
    // Another server in this process is not affected.
    let other = start(&flags).await;
    let (_, response) = other.open("/echo", &offer).await;
    assert_eq!(
        response.headers()["sec-websocket-extensions"],
        "permessage-deflate; client_max_window_bits=11"
    );
    drop(held);
    until(async || buffered(&server, "contexts").await == 0).await;
}
