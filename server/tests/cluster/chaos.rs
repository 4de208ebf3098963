//! Servers, NATS and clients are killed under load, and each message is accounted for.
//!
//! Whoever sends does so until the message is acknowledged, on whatever server there is, under the same id. Whoever reads
//! comes back with the last position that was seen. In the end everybody has everything that was acknowledged, once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use server::grpc::proto_v2::SubscribeRequest;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::event::Kind;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::common::{Client, PATIENCE, soon, until};
use crate::kinds;
use crate::node::{Cluster, NodeAddress, NodeAddresses};

/// Times that everybody is killed; `CLUSTER_ROUNDS` says otherwise.
const ROUNDS: u64 = 2;

/// Record of a reader.
#[derive(Debug, Default)]
struct Ledger {
    /// Position and text of each message, in the order of their coming.
    seen: Vec<(String, String)>,
    /// The last position.
    last: Option<String>,
    /// Gaps that were reported, other than that the store does not answer at the moment.
    gaps: Vec<String>,
    /// Times that it came back.
    joins: u64,
}

impl Ledger {
    fn message(&mut self, position: String, text: &str) {
        self.last = Some(position.clone());
        self.seen.push((position, text.to_owned()));
    }
}

/// Cause for leaving a connection.
#[derive(Debug)]
struct Left;

type Kept = Arc<Mutex<Ledger>>;

/// Manner of a reader.
#[derive(Clone, Copy, Debug)]
enum Way {
    WebSocket,
    Grpc,
}

/// Reads for ever, on one server after the other, as far as there are any.
fn follow(
    nodes: &NodeAddresses,
    way: Way,
    name: &'static str,
    mut server: usize,
) -> (Kept, JoinHandle<()>) {
    let (kept, nodes) = (Kept::default(), Arc::clone(nodes));
    let ledger = Arc::clone(&kept);
    let task = tokio::spawn(async move {
        loop {
            let node = {
                let nodes = nodes.lock().unwrap();
                nodes[server % nodes.len()].clone()
            };
            server += 1;
            let Left = match way {
                Way::WebSocket => read_websocket(&node, name, &ledger).await,
                Way::Grpc => read_grpc(&node, name, &ledger).await,
            };
            sleep(Duration::from_millis(50)).await;
        }
    });
    (kept, task)
}

/// A member of `chat.v1.json`, if the server is there.
async fn join(node: &NodeAddress, name: &str, since: &str) -> Option<Client> {
    let url = format!(
        "wss://{}/chat/tea?name={name}&since={since}",
        node.authority()
    );
    let mut request = url.into_client_request().unwrap();
    let protocol = "chat.v1.json".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let joining = async {
        let stream = node.http1().await.ok()?;
        let joined = tokio_tungstenite::client_async(request, stream).await;
        joined.ok().map(|(socket, _)| socket)
    };
    timeout(Duration::from_secs(5), joining).await.ok()?
}

async fn read_websocket(node: &NodeAddress, name: &str, kept: &Kept) -> Left {
    let since = kept.lock().unwrap().last.clone().unwrap_or_default();
    let Some(mut socket) = join(node, name, &since).await else {
        return Left;
    };
    kept.lock().unwrap().joins += 1;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        let mut ledger = kept.lock().unwrap();
        match event["type"].as_str().unwrap() {
            "joined" if ledger.last.is_none() => {
                ledger.last = event["epoch"].as_str().map(|_| position_of(&event));
            }
            "message" if event["provisional"] != true => {
                ledger.message(position_of(&event), event["text"].as_str().unwrap());
            }
            "history" => {
                for message in event["messages"].as_array().unwrap() {
                    ledger.message(position_of(message), message["text"].as_str().unwrap());
                }
            }
            // It is still there: come back for it.
            "gap" if event["reason"] == "unavailable" => return Left,
            "gap" => ledger.gaps.push(event.to_string()),
            _ => {}
        }
    }
    Left
}

fn position_of(event: &Value) -> String {
    format!("{}:{}", event["epoch"].as_str().unwrap(), event["offset"])
}

async fn read_grpc(node: &NodeAddress, name: &str, kept: &Kept) -> Left {
    let since = kept.lock().unwrap().last.clone().unwrap_or_default();
    let request = SubscribeRequest {
        room: "tea".to_owned(),
        name: name.to_owned(),
        since,
    };
    let joining = async {
        let channel = node.channel().await.ok()?;
        let events = ChatServiceClient::new(channel).subscribe(request).await;
        events.ok().map(tonic::Response::into_inner)
    };
    let Ok(Some(mut events)) = timeout(Duration::from_secs(5), joining).await else {
        return Left;
    };
    kept.lock().unwrap().joins += 1;
    while let Ok(Some(event)) = events.message().await {
        let mut ledger = kept.lock().unwrap();
        match event.kind.unwrap() {
            Kind::Joined(joined) if ledger.last.is_none() && !joined.position.is_empty() => {
                ledger.last = Some(joined.position);
            }
            Kind::Message(message) if !message.provisional => {
                ledger.message(message.position, &message.text);
            }
            Kind::History(history) => {
                for message in history.messages {
                    ledger.message(message.position, &message.text);
                }
            }
            Kind::Gap(gap) if gap.reason == "unavailable" => return Left,
            Kind::Gap(gap) => ledger.gaps.push(format!("{gap:?}")),
            _ => {}
        }
    }
    Left
}

/// Acknowledged messages of one sender: texts with their positions.
type Acknowledged = HashMap<String, String>;

/// State that the senders share.
#[derive(Clone)]
struct Load {
    nodes: NodeAddresses,
    stop: Arc<AtomicBool>,
    settled: Arc<AtomicU64>,
}

impl Load {
    /// Sends until a signal to stop; a message whose fate is unknown is sent again under its id.
    fn send(&self, name: &'static str, mut server: usize) -> JoinHandle<Acknowledged> {
        let load = self.clone();
        tokio::spawn(async move {
            let (mut acknowledged, mut number) = (Acknowledged::new(), 0);
            let mut socket = None;
            while !load.stop.load(Ordering::Relaxed) {
                let id = format!("{name}-{number}");
                number += 1;
                loop {
                    let Some(connected) = &mut socket else {
                        let node = {
                            let nodes = load.nodes.lock().unwrap();
                            nodes[server % nodes.len()].clone()
                        };
                        server += 1;
                        socket = join(&node, name, "").await;
                        sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    match timeout(PATIENCE, say(connected, &id)).await {
                        Ok(Some(Ok(position))) => {
                            acknowledged.insert(id, position);
                            break;
                        }
                        // It had to go since too many waited: that was said, so it is no loss unseen.
                        Ok(Some(Err(()))) => break,
                        Ok(None) | Err(_) => socket = None,
                    }
                }
                load.settled.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(3)).await;
            }
            acknowledged
        })
    }

    /// Waits until the senders have got on.
    async fn some_more(&self, messages: u64) {
        let goal = self.settled.load(Ordering::Relaxed) + messages;
        until(async || self.settled.load(Ordering::Relaxed) >= goal).await;
    }
}

/// Says something, with itself as its id, and waits for the outcome: its position, or that it was refused. `None` when
/// the connection is lost.
async fn say(socket: &mut Client, id: &str) -> Option<Result<String, ()>> {
    let request = json!({"type": "message", "id": id, "text": id}).to_string();
    socket.send(Message::text(request)).await.ok()?;
    loop {
        let Message::Text(text) = socket.next().await?.ok()? else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        match event["type"].as_str().unwrap() {
            "ack" if event["id"] == id => return Some(Ok(position_of(&event))),
            "error" if event["id"] == id => return Some(Err(())),
            _ => {}
        }
    }
}

/// Kills one after the other and lets it come back, while messages flow.
async fn havoc(cluster: &mut Cluster, load: &Load, rounds: u64) {
    for round in 0..rounds {
        let victim = usize::try_from(round % 3).unwrap();
        let clients: Vec<_> = (0..3)
            .map(|number| kinds::terminal(&cluster.node((victim + 1) % 3), &format!("t{number}")))
            .collect();
        until(async || {
            clients
                .iter()
                .all(|client| !client.record.lock().unwrap().is_empty())
        })
        .await;
        load.some_more(50).await;
        cluster.kill(victim);
        load.some_more(50).await;
        for client in clients {
            client.kill();
        }
        cluster.revive(victim).await;
        load.some_more(50).await;
        cluster.broker.kill();
        sleep(Duration::from_millis(300)).await;
        cluster.broker.start().await;
        load.some_more(100).await;
        // Both at once: the last one notified is gone, and so is who could tell.
        cluster.broker.kill();
        cluster.kill((victim + 1) % 3);
        sleep(Duration::from_millis(300)).await;
        cluster.broker.start().await;
        cluster.revive((victim + 1) % 3).await;
        load.some_more(100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn x3_every_acknowledged_message_is_accounted_for_whoever_is_killed() {
    let rounds = std::env::var("CLUSTER_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut cluster = Cluster::started(3).await;
    let load = Load {
        nodes: Arc::clone(&cluster.addresses),
        stop: Arc::default(),
        settled: Arc::default(),
    };
    let readers: Vec<_> = [
        (Way::WebSocket, "w0"),
        (Way::WebSocket, "w1"),
        (Way::WebSocket, "w2"),
        (Way::Grpc, "g0"),
        (Way::Grpc, "g1"),
        (Way::Grpc, "g2"),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (way, name))| (name, follow(&cluster.addresses, way, name, number)))
    .collect();
    cluster.members(readers.len() as u64).await;
    let senders = ["a", "b", "c", "d"];
    let senders: Vec<_> = senders
        .into_iter()
        .enumerate()
        .map(|(number, name)| load.send(name, number))
        .collect();
    havoc(&mut cluster, &load, rounds).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Acknowledged::new();
    for sender in senders {
        acknowledged.extend(soon(sender).await.unwrap());
    }
    assert!(acknowledged.len() > 300, "{}", acknowledged.len());
    for (name, (kept, task)) in readers {
        let missing = || {
            let ledger = kept.lock().unwrap();
            let seen: HashSet<&String> = ledger.seen.iter().map(|(_, text)| text).collect();
            let missing = acknowledged.keys().filter(|text| !seen.contains(text));
            missing.cloned().collect::<Vec<_>>()
        };
        let waiting = timeout(PATIENCE, async {
            while !missing().is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let in_time = waiting.await.is_ok();
        assert!(in_time, "{name} misses {:?}", missing());
        task.abort();
        check(name, &kept.lock().unwrap(), &acknowledged);
    }
    // The clients that were killed are not taken for members any more, nor are the readers that have gone.
    cluster.members(0).await;
    cluster.all_live();
}

/// Everything that was acknowledged is there, where it was said to be, once and in order.
fn check(name: &str, ledger: &Ledger, acknowledged: &Acknowledged) {
    let mut positions = HashMap::new();
    for (position, text) in &ledger.seen {
        let before = positions.insert(text, position);
        assert_eq!(before, None, "{name} got {text} twice");
    }
    for (text, position) in acknowledged {
        assert_eq!(positions[text], position, "{name}: the position of {text}");
    }
    let offsets: Vec<(&str, u64)> = ledger
        .seen
        .iter()
        .map(|(position, _)| {
            let (epoch, offset) = position.split_once(':').unwrap();
            (epoch, offset.parse().unwrap())
        })
        .collect();
    assert!(
        offsets.is_sorted_by(|one, next| one.0 == next.0 && one.1 < next.1),
        "{name}: out of order"
    );
    assert!(ledger.gaps.is_empty(), "{name}: {:?}", ledger.gaps);
    assert!(ledger.joins > 0, "{name}");
}
