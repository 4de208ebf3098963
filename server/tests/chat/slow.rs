//! Members that read too slowly, by the policy of their room.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{Member, common, line_member, next_text};
use crate::common::{Running, soon};

/// Joins over a socket that takes little ahead of being read, whatever the system would allow.
async fn join_with_small_buffer(server: &Running, path: &str) -> Member {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let stream = soon(socket.connect(server.address)).await.unwrap();
    join_over(server, path, stream).await
}

/// Joins over `stream`, with events as JSON.
pub(super) async fn join_over<S>(server: &Running, path: &str, stream: S) -> Member<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = common::client_config(&server.authority(), &["http/1.1"]);
    let name = "localhost".try_into().unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = soon(connecting).await.unwrap();
    let url = format!("wss://localhost:{}{path}", server.address.port());
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("chat.v1.json");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (socket, _) = soon(tokio_tungstenite::client_async(request, stream))
        .await
        .unwrap();
    let mut member = Member {
        socket,
        joined: Value::Null,
    };
    member.joined = member.next().await;
    member
}

/// Lets a member stop reading while the room gets more than all buffers hold; gives what it then reads.
async fn slow_member(policy: &str) -> (Option<u16>, Vec<Value>) {
    const MESSAGES: usize = 120;
    // However busy the machine is, the member is too slow for its room and not for its connection: else that would end
    // by one of these deadlines before the room has its say.
    let server = common::start(&[
        "--rooms-kind",
        &format!("s-*={policy}"),
        "--rooms-queue-messages",
        "8",
        "--write-timeout",
        "2m",
        "--close-timeout",
        "20s",
        "--ping-interval",
        "off",
    ])
    .await;
    let mut slow = join_with_small_buffer(&server, "/chat/s-1?name=slow").await;
    // In lines, which cost a test less than JSON; what comes back is stored.
    let mut fast = line_member(&server, "/chat/s-1?name=fast").await;
    for number in 0..MESSAGES {
        let text = format!("{number}:{}", "x".repeat(60_000));
        fast.send(Message::text(text)).await.unwrap();
        next_text(&mut fast).await;
    }
    let last = format!("{}:", MESSAGES - 1);
    let (mut events, mut code) = (Vec::new(), None);
    loop {
        match soon(slow.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                let is_last = event["text"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(&last));
                events.push(event);
                if is_last {
                    break;
                }
            }
            Some(Ok(Message::Close(frame))) => {
                code = Some(frame.unwrap().code.into());
                break;
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let metrics = server.get("/metrics").await;
    let lagged = format!("wss_rooms_lagged_total{{policy=\"{policy}\"}} ");
    let dropped = format!("wss_rooms_dropped_total{{policy=\"{policy}\"}} ");
    assert!(
        metrics.contains(&lagged) && metrics.contains(&dropped),
        "{metrics}"
    );
    drop((slow, fast));
    server.stop().await;
    (code, events)
}

fn offsets(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| event["offset"].as_u64())
        .collect()
}

#[tokio::test]
async fn slow_member_is_sent_away_by_disconnect() {
    let (code, events) = slow_member("disconnect").await;
    assert_eq!(code, Some(1013));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("slow"))
    );
    let offsets = offsets(&events);
    assert!(
        offsets.is_sorted() && offsets.len() < 120,
        "what was given is whole: {}",
        offsets.len()
    );
    assert_eq!(*offsets.last().unwrap(), offsets.len() as u64);
}

#[tokio::test]
async fn slow_member_is_told_of_the_gap_by_drop_oldest() {
    let (code, events) = slow_member("drop-oldest").await;
    assert_eq!(code, None);
    let mut expected = 1;
    let mut gaps = 0;
    for event in &events {
        if event["type"] == "gap" {
            assert_eq!(event["reason"], "slow");
            gaps += 1;
            let next = event["next"].as_str().unwrap();
            expected = next.split_once(':').unwrap().1.parse().unwrap();
        } else if let Some(offset) = event["offset"].as_u64() {
            assert_eq!(
                offset, expected,
                "no message is missing without a gap before it"
            );
            expected += 1;
        }
    }
    assert!(gaps > 0 && expected == 121, "{gaps} {expected}");
}

#[tokio::test]
async fn slow_member_gets_the_latest_alone_by_latest() {
    let (code, events) = slow_member("latest").await;
    assert_eq!(code, None);
    let offsets = offsets(&events);
    assert!(events.iter().all(|event| event["type"] != "gap"));
    assert!(
        offsets.is_sorted() && *offsets.last().unwrap() == 120 && offsets.len() < 115,
        "{offsets:?}"
    );
}
