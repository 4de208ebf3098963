//! Figures and telemetry are compressed once for all who get them, whatever each has agreed to.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::deflate::CompressedMessages;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::{DeflateConfig, WebSocketStream, client_async_with_options};

use crate::common::{Running, soon, start};

type Socket = WebSocketStream<TlsStream<tokio::net::TcpStream>>;

/// The offer of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Takeover,
    NoTakeover,
    Nothing,
}

async fn open(server: &Running, path: &str, offer: Offer) -> Socket {
    let stream = server.tls(&["http/1.1"]).await;
    let url = format!("wss://localhost:{}{path}", server.address.port());
    let mut request = url.into_client_request().unwrap();
    if path.starts_with("/drone") {
        let protocol = "drone.v1.json".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
    }
    let deflate = match offer {
        Offer::Takeover => Some(DeflateConfig::default()),
        Offer::NoTakeover => Some(DeflateConfig::default().server_no_context_takeover(true)),
        Offer::Nothing => None,
    };
    let opening = client_async_with_options(request, stream, deflate);
    soon(opening).await.unwrap().0
}

/// The next object of one type.
async fn next(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let Message::Text(text) = soon(socket.next()).await.unwrap().unwrap() else {
            panic!("no text");
        };
        let object: Value = serde_json::from_str(&text).unwrap();
        if object["type"] == wanted {
            return object;
        }
    }
}

fn compressed(socket: &Socket) -> CompressedMessages {
    socket.received_compressed()
}

#[tokio::test]
async fn figures_reach_watchers_of_every_kind() {
    let server = start(&[]).await;
    let mut watchers = Vec::new();
    for offer in [Offer::Takeover, Offer::NoTakeover, Offer::Nothing] {
        watchers.push((offer, open(&server, "/stats", offer).await, 0));
    }
    for round in 0..6 {
        if round == 2 {
            // One leaves in the middle, another comes.
            watchers.remove(0);
            watchers.push((
                Offer::Takeover,
                open(&server, "/stats", Offer::Takeover).await,
                0,
            ));
        }
        for (_, watcher, latest) in &mut watchers {
            // The answer to one alone does not disturb what all get.
            let ping = Message::text(format!("ping {round}"));
            soon(watcher.send(ping)).await.unwrap();
            let sample = next(watcher, "stats").await;
            let at = sample["at"].as_u64().unwrap();
            assert!(at >= *latest, "{sample}");
            assert_eq!(sample["http"], "1.1");
            *latest = at;
        }
    }
    for (offer, watcher, _) in &watchers {
        let counted = compressed(watcher);
        match offer {
            Offer::Takeover => assert!(counted.ratio().unwrap() < 0.6, "{counted:?}"),
            Offer::NoTakeover => assert!(counted.ratio().unwrap() > 0.6, "{counted:?}"),
            Offer::Nothing => assert_eq!(counted.messages, 0),
        }
    }
}

#[tokio::test]
async fn telemetry_reaches_pilots_of_every_kind() {
    let server = start(&[]).await;
    let path = "/drone?id=alpha";
    let mut pilots = Vec::new();
    for offer in [
        Offer::Takeover,
        Offer::Takeover,
        Offer::NoTakeover,
        Offer::Nothing,
    ] {
        pilots.push((offer, open(&server, path, offer).await));
    }
    let takeoff = Message::text(r#"{"command":"takeoff"}"#);
    soon(pilots[3].1.send(takeoff)).await.unwrap();
    for round in 0..20 {
        if round == 8 {
            pilots.remove(0);
            pilots.push((Offer::Takeover, open(&server, path, Offer::Takeover).await));
        }
        for (_, pilot) in &mut pilots {
            let telemetry = next(pilot, "telemetry").await;
            assert!(telemetry["state"]["phase"].is_string(), "{telemetry}");
        }
    }
    // The one who stayed has had the stream from its beginning.
    let (_, stayed) = &pilots[0];
    let counted = compressed(stayed);
    assert!(counted.ratio().unwrap() < 0.4, "{counted:?}");
    assert_eq!(compressed(&pilots[2].1).messages, 0);
}

/// A page gets reports of the connection that it opened, and of no other.
#[tokio::test]
async fn d19_only_the_page_with_the_id_observes() {
    let server = start(&[]).await;
    let id = "0123456789abcdef0123456789abcdef";
    let observe = Message::text(format!("observe {id}"));
    let mut page = open(&server, "/stats", Offer::Takeover).await;
    soon(page.send(observe.clone())).await.unwrap();
    next(&mut page, "observing").await;
    let mut other = open(&server, "/stats", Offer::Takeover).await;
    soon(other.send(observe)).await.unwrap();
    next(&mut other, "error").await;
    let text = Message::text("the same words once more, and once more");
    for path in ["/echo".to_owned(), format!("/echo?observe={id}")] {
        let mut connection = open(&server, &path, Offer::Takeover).await;
        for _ in 0..2 {
            soon(connection.send(text.clone())).await.unwrap();
            assert_eq!(soon(connection.next()).await.unwrap().unwrap(), text);
        }
    }
    // Were the connection without the id among them, four would begin anew.
    let mut last = Value::Null;
    for (way, number) in [("in", 0), ("out", 0), ("in", 1), ("out", 1)] {
        last = next(&mut page, "observed").await;
        assert_eq!(
            (&last["way"], &last["number"]),
            (&way.into(), &number.into())
        );
    }
    assert_eq!(last["compressed"], true, "{last}");
    assert!(last["bytes"].as_u64().unwrap() < 20, "{last}");
}
