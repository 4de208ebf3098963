//! Programs that come from a fork of tungstenite, by the recipes of MIGRATING.md.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bytes;
#[cfg(all(feature = "proxy", feature = "__rustls-tls"))]
mod codex;
#[cfg(feature = "connect")]
mod intentd;
#[cfg(feature = "connect")]
#[path = "../dial/servers.rs"]
#[allow(dead_code, reason = "some are for the tests of `dial` alone")]
mod servers;

/// The texts that a socket receives until the other side closes.
#[cfg(feature = "connect")]
async fn events<S>(socket: &mut tungstenite_deflate::WebSocketStream<S>) -> Vec<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    use futures_util::StreamExt;
    use tungstenite_deflate::tungstenite::Message;

    let mut events = Vec::new();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Text(event) => events.push(event.to_string()),
            other => assert!(other.is_close(), "{other}"),
        }
    }
    events
}
