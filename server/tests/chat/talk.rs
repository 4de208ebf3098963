//! Coming, talking, coming back, going.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Member, join, line_member, next_text, place, start, until_closed};
use crate::common::{Running, until};

#[tokio::test]
async fn lines_and_objects_meet_in_one_room() {
    let server = start(&[]).await;
    let mut ana = line_member(&server, "/chat/tea?name=ana").await;
    // A line that comes back proves that ana is in.
    ana.send(Message::text("first\n")).await.unwrap();
    assert_eq!(next_text(&mut ana).await, "ana: first");
    let mut joao = join(&server, "/chat/tea?name=Jo%C3%A3o").await;
    assert_eq!(joao.joined["type"], "joined");
    assert_eq!(
        (&joao.joined["room"], &joao.joined["name"]),
        (&json!("tea"), &json!("João"))
    );
    assert_eq!(
        (&joao.joined["count"], &joao.joined["offset"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(joao.joined["members"][0]["name"], "ana");
    let ack = joao.publish("a1", "olá\nana: fooled you").await;
    assert_eq!(
        (&ack["id"], &ack["offset"], &ack["duplicate"]),
        (&json!("a1"), &json!(2), &json!(false))
    );
    assert_eq!(next_text(&mut ana).await, "João: olá\n    ana: fooled you");
    ana.send(Message::text("bye")).await.unwrap();
    let message = loop {
        let message = joao.next_of("message").await;
        if message["from"] == "ana" {
            break message;
        }
    };
    assert_eq!(
        (&message["text"], &message["offset"]),
        (&json!("bye"), &json!(3))
    );
    assert!(message["at"].as_u64().unwrap() > 1_700_000_000_000);
    ana.close(None).await.unwrap();
    let left = joao.next_of("presence").await;
    assert_eq!(
        (&left["event"], &left["name"], &left["count"]),
        (&json!("leave"), &json!("ana"), &json!(1))
    );
    server.stop().await;
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_or_is_told_of_the_gap() {
    let server = start(&["--rooms-history-messages", "5"]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let start_place = place(&ana.joined);
    let mut places = Vec::new();
    for number in 1..=4 {
        let ack = ana
            .publish(&number.to_string(), &format!("m{number}"))
            .await;
        places.push(place(&ack));
    }
    let back = |since: String| join_owned(&server, format!("/chat/tea?name=bob&since={since}"));

    let mut bob = back(start_place.clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    let history = bob.next_of("history").await;
    assert_eq!(texts(&history), ["m1", "m2", "m3", "m4"]);
    assert_eq!(
        (&history["complete"], &history["more"]),
        (&json!(true), &json!(false))
    );

    let mut bob = back(places[2].clone()).await;
    assert_eq!(texts(&bob.next_of("history").await), ["m4"]);
    let mut bob = back(places[3].clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    assert!(texts(&bob.next_of("history").await).is_empty());

    for number in 5..=9 {
        ana.publish(&number.to_string(), &format!("m{number}"))
            .await;
    }
    // m1 to m4 are gone: after m4 nothing is missing, after m3 something is.
    let mut bob = back(places[3].clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    assert_eq!(
        texts(&bob.next_of("history").await),
        ["m5", "m6", "m7", "m8", "m9"]
    );
    let mut bob = back(places[2].clone()).await;
    assert_eq!(bob.joined["recovered"], false);
    let gap = bob.next().await;
    assert_eq!(
        (&gap["type"], &gap["reason"], &gap["after"]),
        (&json!("gap"), &json!("expired"), &json!(places[2]))
    );
    assert!(gap["next"].as_str().unwrap().ends_with(":5"), "{gap}");
    let history = bob.next().await;
    assert_eq!(
        (texts(&history).len(), &history["complete"]),
        (5, &json!(false))
    );

    let mut bob = back("00000000deadbeef:3".to_owned()).await;
    assert_eq!(bob.next_of("gap").await["reason"], "epoch");
    let mut lines = line_member(&server, &format!("/chat/tea?name=eva&since={}", places[0])).await;
    assert_eq!(
        next_text(&mut lines).await,
        "* messages are missing here (expired)"
    );
    assert_eq!(next_text(&mut lines).await, "ana: m5");
    server.stop().await;
}

async fn join_owned(server: &Running, path: String) -> Member {
    join(server, &path).await
}

pub(super) fn texts(history: &Value) -> Vec<&str> {
    let messages = history["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_repeat_is_acknowledged_and_not_told_again() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let mut bob = join(&server, "/chat/tea?name=bob").await;
    let first = ana.publish("x", "once").await;
    let again = ana.publish("x", "once").await;
    assert_eq!(
        (&again["offset"], &again["duplicate"]),
        (&first["offset"], &json!(true))
    );
    // The same id of somebody else is another message.
    assert_eq!(bob.publish("x", "mine").await["duplicate"], false);
    let history = {
        bob.say(json!({"type": "history"})).await;
        bob.next_of("history").await
    };
    assert_eq!(texts(&history), ["once", "mine"]);
    server.stop().await;
}

#[tokio::test]
async fn history_is_read_in_pages() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    for number in 1..=7 {
        ana.publish(&number.to_string(), &format!("m{number}"))
            .await;
    }
    ana.say(json!({"type": "history", "limit": 3})).await;
    let newest = ana.next_of("history").await;
    assert_eq!(
        (texts(&newest), &newest["more"]),
        (vec!["m5", "m6", "m7"], &json!(true))
    );
    let before = place(&newest["messages"][0]);
    ana.say(json!({"type": "history", "before": before, "limit": 10}))
        .await;
    let older = ana.next_of("history").await;
    assert_eq!(texts(&older), ["m1", "m2", "m3", "m4"]);
    assert_eq!(
        (&older["complete"], &older["more"]),
        (&json!(true), &json!(false))
    );
    server.stop().await;
}

#[tokio::test]
async fn mistakes_are_told_and_cost_no_connection() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    for (mistake, code) in [
        (Message::text("hello"), "malformed"),
        (Message::text(r#"{"type":"shout"}"#), "malformed"),
        (Message::text(r#"{"type":"message","text":""}"#), "empty"),
        (
            Message::text(r#"{"type":"message","text":"x","id":"a b"}"#),
            "malformed",
        ),
        (Message::binary("hello"), "binary"),
    ] {
        ana.socket.send(mistake).await.unwrap();
        let error = ana.next_of("error").await;
        assert_eq!(error["code"], code, "{error}");
    }
    assert_eq!(ana.publish("1", "still here").await["offset"], 1);
    let mut bob = line_member(&server, "/chat/tea?name=bob").await;
    bob.send(Message::binary("x")).await.unwrap();
    assert_eq!(next_text(&mut bob).await, "! messages are text, not binary");
    server.stop().await;
}

#[tokio::test]
async fn who_has_no_name_or_says_too_much_is_sent_away() {
    let server = start(&["--rooms-burst", "5", "--rooms-per-second", "1"]).await;
    for (path, part) in [
        ("/chat/tea", "a name is missing"),
        (
            "/chat/tea?name=a%3Ab",
            "':' (U+003A) is not allowed in a member name",
        ),
        ("/chat/te%20a?name=ana", "not allowed in a room name"),
        ("/chat/tea?name=ana&since=7", "`7` is no position"),
    ] {
        let mut socket = line_member(&server, path).await;
        let (code, texts) = until_closed(&mut socket).await;
        assert_eq!(code, 1008, "{path}");
        assert!(
            texts[0].starts_with("! ") && texts[0].contains(part),
            "{texts:?}"
        );
    }
    let mut loud = join(&server, "/chat/tea?name=loud").await;
    for number in 0..7 {
        // The connection may be closed before the last ones are sent.
        let request = json!({"type": "message", "text": number.to_string()});
        let _ = loud.socket.send(Message::text(request.to_string())).await;
    }
    let (code, texts) = until_closed(&mut loud.socket).await;
    assert_eq!(code, 1008);
    assert!(
        texts.iter().any(|text| text.contains(r#""code":"rate""#)),
        "{texts:?}"
    );
    let mut long = line_member(&server, "/chat/tea?name=long").await;
    long.send(Message::text("x".repeat((64 << 10) + 1)))
        .await
        .unwrap();
    assert!(
        next_text(&mut long)
            .await
            .starts_with("! the message was refused: a text of 65537 bytes")
    );
    long.send(Message::text("x".repeat(66 << 10)))
        .await
        .unwrap();
    assert_eq!(until_closed(&mut long).await.0, 1009);
    server.stop().await;
}

#[tokio::test]
async fn everybody_sees_the_same_order() {
    const EACH: usize = 40;
    let server = start(&[]).await;
    let mut readers = Vec::new();
    for number in 0..3 {
        readers.push(join(&server, &format!("/chat/tea?name=r{number}")).await);
    }
    let mut senders = Vec::new();
    for number in 0..4 {
        senders.push(join(&server, &format!("/chat/tea?name=s{number}")).await);
    }
    let sending = senders.iter_mut().map(|sender| async {
        for number in 0..EACH {
            sender
                .say(json!({"type": "message", "text": number.to_string()}))
                .await;
        }
    });
    futures_util::future::join_all(sending).await;
    let mut orders = Vec::new();
    for reader in &mut readers {
        let mut order = Vec::new();
        while order.len() < 4 * EACH {
            let message = reader.next_of("message").await;
            order.push((
                message["offset"].as_u64().unwrap(),
                message["from"].to_string(),
                message["text"].to_string(),
            ));
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| order == &orders[0]));
    let offsets: Vec<u64> = orders[0].iter().map(|(offset, ..)| *offset).collect();
    assert_eq!(offsets, (1..=4 * EACH as u64).collect::<Vec<_>>());
    for sender in 0..4 {
        let name = format!("\"s{sender}\"");
        let own = orders[0].iter().filter(|(_, from, _)| *from == name);
        let own: Vec<String> = own.map(|(.., text)| text.clone()).collect();
        let expected: Vec<String> = (0..EACH).map(|number| format!("\"{number}\"")).collect();
        assert_eq!(own, expected, "each sender's messages stay in order");
    }
    server.stop().await;
}

#[tokio::test]
async fn members_are_told_that_the_server_goes() {
    let mut server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let mut bob = line_member(&server, "/chat/tea?name=bob").await;
    server.begin_stop();
    assert_eq!(until_closed(&mut ana.socket).await.0, 1001);
    assert_eq!(until_closed(&mut bob).await.0, 1001);
    drop((ana, bob));
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn empty_rooms_and_their_members_are_not_counted_any_more() {
    let server = start(&[]).await;
    let members = futures_util::future::join_all((0..20).map(|number| {
        let server = &server;
        async move { join(server, &format!("/chat/r{}?name=ana", number % 5)).await }
    }))
    .await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_rooms_held 5") && metrics.contains("wss_rooms_members 20"),
        "{metrics}"
    );
    assert!(metrics.contains("wss_rooms_backplane_up 1"));
    drop(members);
    until(|| async {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_rooms_held 0") && metrics.contains("wss_rooms_members 0")
    })
    .await;
    tokio::time::timeout(Duration::from_secs(20), server.stop())
        .await
        .unwrap();
}
