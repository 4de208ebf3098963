//! Messages for all members are written and compressed once.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{common, join, line_member, next_text, start};
use crate::common::{Running, soon};

/// The figure after `name` in the metrics.
async fn figure(server: &Running, name: &str) -> u64 {
    let metrics = server.get("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or("0").trim().parse().unwrap()
}

/// The next frame of a server, as it stands on the wire.
async fn raw_frame(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut frame = vec![0; 2];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    let length = match frame[1] {
        length @ 0..=125 => usize::from(length),
        126 => {
            let mut long = [0; 2];
            soon(stream.read_exact(&mut long)).await.unwrap();
            frame.extend(long);
            u16::from_be_bytes(long).into()
        }
        other => panic!("a frame with {other} for its length"),
    };
    let header = frame.len();
    frame.resize(header + length, 0);
    soon(stream.read_exact(&mut frame[header..])).await.unwrap();
    frame
}

#[tokio::test]
async fn a_message_is_written_and_compressed_once_for_all_members() {
    const MEMBERS: usize = 100;
    let server = start(&[]).await;
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let mut stream = server.tls(&["http/1.1"]).await;
        let more = "Sec-WebSocket-Protocol: chat.v1.json\r\n\
                    Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let request = common::handshake(&format!("/chat/tea?name=m{number}"), more);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8_lossy(&head);
        assert!(head.contains("permessage-deflate"), "{head}");
        assert!(!head.contains("server_no_context_takeover"), "{head}");
        // That it has joined.
        raw_frame(&mut stream).await;
        members.push(stream);
    }
    let mut plain = join(&server, "/chat/tea?name=plain").await;
    let mut lines = line_member(&server, "/chat/tea?name=lines").await;
    // Joins are announced to all before this is sent.
    plain.publish("1", "first").await;
    assert_eq!(next_text(&mut lines).await, "plain: first");
    for (number, member) in members.iter_mut().enumerate() {
        for _ in number + 1..MEMBERS + 3 {
            raw_frame(member).await;
        }
    }
    // Long enough for all to hold as much of the room's messages as a frame refers to, also who came last.
    let numbers: Vec<_> = (0..600).map(|number: u32| number.to_string()).collect();
    let long = numbers.join(" ");
    plain.publish("3", &long).await;
    next_text(&mut lines).await;
    for member in &mut members {
        raw_frame(member).await;
    }
    let forms = [
        "wss_rooms_rendered_total{form=\"json\"}",
        "wss_rooms_rendered_total{form=\"text\"}",
    ];
    let mut before = Vec::new();
    for form in forms {
        before.push(figure(&server, form).await);
    }
    let text = "tea ".repeat(100);
    plain.publish("2", &text).await;
    let first = raw_frame(&mut members[0]).await;
    assert!(
        first.len() < 200 && first[0] == 0xc1,
        "compressed: {first:?}"
    );
    for member in &mut members[1..] {
        assert_eq!(raw_frame(member).await, first);
    }
    next_text(&mut lines).await;
    for (form, before) in forms.into_iter().zip(before) {
        assert_eq!(figure(&server, form).await - before, 1, "{form}");
    }
    drop((members, plain, lines));
    server.stop().await;
}
