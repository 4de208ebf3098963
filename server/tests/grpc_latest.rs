//! gRPC members of rooms of kind `latest` that read slowly: nothing is taken for them from the room ahead of their window.
//!
//! The member's session, its channel to the response and tonic's buffer can each hold old events, and each alone fails the
//! test. One more is hyper's: it takes the next piece of a response before it waits for the window.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "common/channel.rs"]
mod channel;
mod common;

use channel::{over_tls, over_tls_with_window};
use common::{soon, start};
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::converse_request::Kind as Asked;
use server::grpc::proto_v2::event::Kind;
use server::grpc::proto_v2::{ConverseRequest, Event, SendRequest, SubscribeRequest};
use tonic::Streaming;
use tonic::transport::Channel;

type Client = ChatServiceClient<Channel>;

/// Bytes of an event that a slow client takes unread: one message and the beginning of the next.
const WINDOW: u32 = 4096;
/// Messages while the slow client reads nothing.
const MESSAGES: usize = 20;
/// Messages that have left before: one in the window, one of which the window holds the beginning, and hyper's.
const IN_FLIGHT: usize = 3;

fn join(room: &str, name: &str) -> SubscribeRequest {
    SubscribeRequest {
        room: room.to_owned(),
        name: name.to_owned(),
        ..SubscribeRequest::default()
    }
}

/// The number of the next message.
async fn heard(events: &mut Streaming<Event>) -> usize {
    loop {
        let event = soon(events.message()).await.unwrap().unwrap();
        if let Some(Kind::Message(message)) = event.kind {
            return message.text.split(':').next().unwrap().parse().unwrap();
        }
    }
}

/// Says [`MESSAGES`] messages into `room`, each after somebody else has received the one before.
async fn talk(client: &mut Client, listener: &mut Streaming<Event>, room: &str) {
    for number in 1..=MESSAGES {
        let message = SendRequest {
            room: room.to_owned(),
            sender: "ana".to_owned(),
            text: format!("{number}:{}", "x".repeat(3000)),
            ..SendRequest::default()
        };
        soon(client.send(message)).await.unwrap();
        assert_eq!(heard(listener).await, number);
    }
}

/// Reads up to the newest message, and tells how many older ones came before it.
async fn older(events: &mut Streaming<Event>) -> usize {
    let mut count = 0;
    while heard(events).await != MESSAGES {
        count += 1;
    }
    count
}

#[tokio::test]
async fn after_a_pause_a_member_of_latest_hears_the_newest() {
    let server = start(&["--rooms-kind", "live-*=latest"]).await;
    let mut fast = Client::new(over_tls(&server).await);
    let slow = over_tls_with_window(&server, Some(WINDOW)).await;
    let mut slow = Client::new(slow);
    for room in ["live-1", "live-2"] {
        let mut listener = soon(fast.subscribe(join(room, "eva")))
            .await
            .unwrap()
            .into_inner();
        let mut paused = if room == "live-1" {
            soon(slow.subscribe(join(room, "rui")))
                .await
                .unwrap()
                .into_inner()
        } else {
            let kind = Some(Asked::Join(join(room, "rui")));
            let requests = futures_util::stream::iter([ConverseRequest { kind }]);
            let requests =
                futures_util::StreamExt::chain(requests, futures_util::stream::pending());
            soon(slow.converse(requests)).await.unwrap().into_inner()
        };
        let first = soon(paused.message()).await.unwrap().unwrap();
        assert!(matches!(first.kind, Some(Kind::Joined(_))), "{first:?}");
        talk(&mut fast, &mut listener, room).await;
        let count = older(&mut paused).await;
        assert!(count <= IN_FLIGHT, "{count} older ones in {room}");
        // It has taken everything, so that what comes now comes at once.
        talk(&mut fast, &mut listener, room).await;
        let count = older(&mut paused).await;
        assert!(count <= IN_FLIGHT, "{count} older ones in {room}, again");
    }
    server.stop().await;
}

#[tokio::test]
async fn others_hear_everything_however_slowly_they_read() {
    let server = start(&[]).await;
    let mut fast = Client::new(over_tls(&server).await);
    let mut slow = Client::new(over_tls_with_window(&server, Some(WINDOW)).await);
    let mut listener = soon(fast.subscribe(join("tea", "eva")))
        .await
        .unwrap()
        .into_inner();
    let mut paused = soon(slow.subscribe(join("tea", "rui")))
        .await
        .unwrap()
        .into_inner();
    talk(&mut fast, &mut listener, "tea").await;
    assert_eq!(older(&mut paused).await, MESSAGES - 1);
    server.stop().await;
}
