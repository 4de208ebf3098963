//! Clients of every kind in one room on three servers receive the same messages in the same order.

use std::collections::HashSet;

use server::grpc::proto_v2::SendRequest;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;

use crate::common::{soon, until};
use crate::kinds::{self, Member, Received};
use crate::node::Cluster;

/// Messages that each of them says.
const EACH: usize = 25;

/// One of each kind on some server, so that every server has several kinds.
async fn members(cluster: &Cluster) -> Vec<Member> {
    let [one, two, three] = [0, 1, 2].map(|number| cluster.node(number));
    vec![
        kinds::json(&one, "json-1").await,
        kinds::json(&two, "json-2").await,
        kinds::text(&two, "text").await,
        kinds::text(&three, "text-3").await,
        kinds::http2(&three, "http2").await,
        kinds::converse(&one, "converse").await,
        kinds::subscribe(&two, "subscribe").await,
        kinds::grpc_web(&three, "web").await,
        kinds::terminal(&one, "terminal"),
        kinds::python(&two, "python"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and grpcio"]
async fn every_kind_of_client_hears_the_same_order_on_three_servers() {
    let mut cluster = Cluster::started(3).await;
    let members = members(&cluster).await;
    cluster.members(members.len() as u64).await;
    let mut wanted = HashSet::new();
    let posting = cluster.node(0);
    let mut sending = ChatServiceClient::new(cluster.node(2).channel().await.unwrap());
    for number in 0..EACH {
        for member in &members {
            let text = format!("{}-{:p}-{number}", member.kind, member);
            if member.say(text.clone()) {
                wanted.insert(text);
            }
        }
        // Those without a position in the room.
        let text = format!("post-{number}");
        let body = format!(r#"{{"from":"post","text":"{text}"}}"#);
        let answer = posting.request("POST /rooms/tea/messages", &body).await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 201"));
        wanted.insert(text);
        let text = format!("send-{number}");
        let request = SendRequest {
            room: "tea".to_owned(),
            sender: "send".to_owned(),
            text: text.clone(),
            id: String::new(),
        };
        soon(sending.send(request)).await.unwrap();
        wanted.insert(text);
    }
    for member in &members {
        until(async || member.received().len() >= wanted.len()).await;
    }
    let first = members[0].received();
    check(&first, &wanted);
    let texts = |received: &[Received]| -> Vec<String> {
        received
            .iter()
            .map(|received| received.text.clone())
            .collect()
    };
    for member in &members[1..] {
        let received = member.received();
        assert_eq!(texts(&received), texts(&first), "{}", member.kind);
        if received.iter().any(|received| received.position.is_some()) {
            assert_eq!(received, first, "{}", member.kind);
        }
    }
    // One sender's messages stay in their order, whatever way they took.
    for member in &members {
        let own = format!("{}-{:p}-", member.kind, member);
        let numbers: Vec<usize> = texts(&first)
            .iter()
            .filter_map(|text| text.strip_prefix(&own)?.parse().ok())
            .collect();
        assert!(numbers.is_sorted(), "{}: {numbers:?}", member.kind);
    }
    cluster.all_live();
}

/// Everything was received once, at positions that grow.
fn check(received: &[Received], wanted: &HashSet<String>) {
    let texts: HashSet<String> = received
        .iter()
        .map(|received| received.text.clone())
        .collect();
    assert_eq!(&texts, wanted);
    assert_eq!(received.len(), wanted.len(), "something came twice");
    let nodes: Vec<(&str, u64)> = received
        .iter()
        .map(|received| {
            let position = received.position.as_deref().unwrap();
            let (epoch, offset) = position.split_once(':').unwrap();
            (epoch, offset.parse().unwrap())
        })
        .collect();
    assert!(nodes.iter().all(|(epoch, _)| *epoch == nodes[0].0));
    assert!(nodes.is_sorted_by(|one, next| one.1 < next.1), "{nodes:?}");
}
