//! Limits on the number of WebSockets, whatever carries them.

use futures_util::stream::pending;
use futures_util::{SinkExt, StreamExt};
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::{SendRequest, SubscribeRequest};
use tokio_tungstenite::tungstenite::{Error, Message};
use tonic::Code;

use crate::channel::over_tls;
use crate::common::{self, soon, start, until};

/// One TCP connection carried 100 WebSockets, and one address could have 100,000.
#[tokio::test]
async fn r1_websockets_over_both_versions_are_counted_together() {
    for (flags, status) in [
        (["--max-websockets", "3"], 503),
        (["--max-websockets-per-address", "3"], 429),
    ] {
        let server = start(&flags).await;
        let mut sender = common::http2::dial(&server).await;
        let mut first = common::http2::open(&server, &mut sender, "/echo").await;
        let _second = common::http2::open(&server, &mut sender, "/ws").await;
        let (third, _) = server.open("/echo", &[]).await;
        for path in ["/echo", "/chat/room?name=ana"] {
            let refused = common::http2::connect(&server, &mut sender, path, &[]).await;
            assert_eq!(refused.status(), status, "{path}");
            assert_eq!(refused.headers()["retry-after"], "5");
            let refused = server.try_open(path, &[]).await;
            assert!(
                matches!(&refused, Err(Error::Http(response)) if response.status() == status),
                "{path}: {refused:?}"
            );
        }
        // The connection itself, and everything that is no WebSocket, goes on.
        soon(first.send(Message::text("still"))).await.unwrap();
        assert_eq!(
            soon(first.next()).await.unwrap().unwrap(),
            Message::text("still")
        );
        assert_eq!(common::status_of(&server.get("/healthz").await), 200);
        drop(third);
        until(async || server.try_open("/echo", &[]).await.is_ok()).await;
    }
}

/// Streams of gRPC are members of rooms as WebSockets are, and 90 of one address were let in beyond a limit of 3.
#[tokio::test]
async fn r1_streams_of_grpc_are_counted_with_websockets() {
    for flag in ["--max-websockets", "--max-websockets-per-address"] {
        let server = start(&[flag, "3"]).await;
        let mut client = ChatServiceClient::new(over_tls(&server).await);
        let (_first, _) = server.open("/echo", &[]).await;
        let subscribed = soon(client.subscribe(subscription())).await.unwrap();
        let conversing = soon(client.converse(pending())).await.unwrap();
        let refused = [
            soon(client.subscribe(subscription())).await.unwrap_err(),
            soon(client.converse(pending())).await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            assert!(
                status.message().contains(&format!("({flag})")),
                "{status:?}"
            );
        }
        assert!(server.try_open("/echo", &[]).await.is_err());
        // A call that is no stream takes no place.
        let message = SendRequest {
            room: "tea".to_owned(),
            sender: "ben".to_owned(),
            text: "x".to_owned(),
            ..SendRequest::default()
        };
        soon(client.send(message)).await.unwrap();
        drop(subscribed);
        until(|| {
            let mut client = client.clone();
            async move { client.subscribe(subscription()).await.is_ok() }
        })
        .await;
        drop(conversing);
        until(async || server.try_open("/echo", &[]).await.is_ok()).await;
    }
}

fn subscription() -> SubscribeRequest {
    SubscribeRequest {
        room: "tea".to_owned(),
        name: "ana".to_owned(),
        ..SubscribeRequest::default()
    }
}
