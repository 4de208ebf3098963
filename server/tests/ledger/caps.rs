//! Limits on the number of WebSockets, whatever carries them.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

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
