//! Joins are limited for each address, and for each member that a token names.

use futures_util::StreamExt;
use serde_json::json;
use server::grpc::proto_v2::SubscribeRequest;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use tokio_tungstenite::tungstenite::Message;
use tonic::Code;

use crate::channel::over_tls;
use crate::common::{self, soon, start};
use crate::{Guarded, with_token};

/// The code of the Close after the first messages, 0 if one has joined.
async fn outcome(mut socket: common::Client) -> u16 {
    loop {
        match soon(socket.next()).await.unwrap().unwrap() {
            Message::Text(text) if text.contains("\"joined\"") => return 0,
            Message::Close(frame) => return frame.unwrap().code.into(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn joins_of_one_address_have_one_rate_over_all_transports() {
    let server = start(&["--rooms-join-burst", "6", "--rooms-joins-per-second", "1"]).await;
    let mut client = ChatServiceClient::new(over_tls(&server).await);
    let headers = [("sec-websocket-protocol", "chat.v1.json")];
    let mut joined = 0;
    for number in 0..8 {
        let path = format!("/chat/room{number}?name=m{number}");
        match outcome(server.open(&path, &headers).await.0).await {
            0 => joined += 1,
            code => assert_eq!(code, 1013),
        }
        let request = SubscribeRequest {
            room: format!("room{number}"),
            name: format!("g{number}"),
            since: String::new(),
        };
        match soon(client.subscribe(request)).await {
            Ok(_) => joined += 1,
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}"),
        }
    }
    assert!((6..=12).contains(&joined), "{joined} of 16");
    server.stop().await;
}

#[tokio::test]
async fn one_members_joins_do_not_use_up_those_of_others() {
    let flags = [
        "--rooms-member-join-burst",
        "3",
        "--rooms-member-joins-per-second",
        "1",
    ];
    let guarded = Guarded::start(&flags);
    let mut client = ChatServiceClient::new(over_tls(&guarded.server).await);
    let mut join = async |name: &str| {
        let token = guarded.token(60, json!({"sub": name}));
        let request = SubscribeRequest {
            room: "tea".to_owned(),
            ..SubscribeRequest::default()
        };
        soon(client.subscribe(with_token(request, &token)))
            .await
            .map(drop)
    };
    let mut refused = 0;
    for _ in 0..10 {
        if let Err(status) = join("ana").await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused} of 10");
    join("rui").await.unwrap();
}
