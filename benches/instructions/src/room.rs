//! Rooms: joins, and messages on their way to every member's connection.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use futures_util::SinkExt;
use rooms::participant::{Member, Next, Request};
use rooms::{
    Authority, Counts, Event, Grant, Hub, Local, Participants, Refusal, Rendering, Seen, Settings,
};
use tokio::runtime::{Builder, Runtime};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, PreparedMessage, WebSocketStream};

use crate::path::Path;
use crate::wire::Wire;

/// Somebody joins a room of ten and leaves again.
pub(crate) fn join() -> Path {
    let runtime = runtime();
    let (rooms, residents) = runtime.block_on(async {
        let rooms = rooms();
        let residents = members(&rooms, 10).await;
        (rooms, residents)
    });
    Path::new(128, move || {
        runtime.block_on(async { drop(enter(&rooms, residents.len()).await) });
    })
}

/// A line of one member reaches the connections of `count`, its sender's among them.
pub(crate) fn delivery(count: usize) -> Path {
    let runtime = runtime();
    let mut members = runtime.block_on(async { members(&rooms(), count).await });
    Path::new(64, move || runtime.block_on(deliver(&mut members)))
}

/// A member of a room with its connection.
struct Connected {
    member: Member,
    socket: WebSocketStream<Wire>,
}

async fn deliver(members: &mut [Connected]) {
    let request = Request::Say {
        text: "good morning, and a cup of tea for everybody".into(),
        id: None,
    };
    let said = members[0].member.request(Ok(request)).await;
    said.expect("everybody may speak");
    for connected in members {
        connected.receive().await;
    }
}

impl Connected {
    /// Waits for the next message and sends it.
    async fn receive(&mut self) {
        loop {
            let next = self.member.next(pending::<()>()).await;
            let Next::Seen(Seen::Event(event)) = next.expect("nobody is slow") else {
                continue;
            };
            if matches!(event.event(), Event::Message(_)) {
                let prepared = event.rendered(Rendering::Text, prepared);
                let fed = self.socket.feed_prepared(&prepared).await;
                fed.expect("the queue is empty");
                let flushed = self.socket.flush().await;
                return flushed.expect("the wire takes everything");
            }
        }
    }
}

fn prepared(event: &Event) -> PreparedMessage {
    match event {
        Event::Message(stored) => {
            PreparedMessage::text(format!("{}: {}", stored.draft.from, stored.draft.text))
        }
        other => PreparedMessage::text(format!("{other:?}")),
    }
}

/// Rooms of this process, without limits of rate.
fn rooms() -> Participants {
    let settings = Settings {
        burst: u32::MAX,
        join_burst: u32::MAX,
        presence_burst: u32::MAX,
        ..Settings::default()
    };
    let backplane = Arc::new(Local::new(settings.clone()));
    let hub = Hub::new(settings, backplane, Counts::default());
    tokio::spawn(hub.clone().run());
    Participants::new(hub, Arc::new(Open))
}

/// Admits everybody to everything.
struct Open;

impl Authority for Open {
    fn check(&self, _: Option<&str>, _: IpAddr, _: Instant) -> Result<Grant, Refusal> {
        Ok(Grant::everything())
    }
}

async fn members(rooms: &Participants, count: usize) -> Vec<Connected> {
    let mut members = Vec::new();
    for number in 0..count {
        let socket = WebSocketStream::with_options(
            Wire::new(Vec::new()),
            BytesMut::new(),
            Role::Server,
            Options::default(),
            None,
        );
        let member = enter(rooms, number).await;
        members.push(Connected { member, socket });
    }
    for connected in &mut members {
        while connected
            .member
            .try_next()
            .expect("nobody is slow")
            .is_some()
        {}
    }
    members
}

async fn enter(rooms: &Participants, number: usize) -> Member {
    let admitted = rooms.admit(None, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let participant = admitted.expect("everybody is admitted");
    let name = format!("member{number}");
    let joined = participant.join("kitchen", Some(&name), None).await;
    joined.expect("there is capacity").0
}

/// A runtime of one thread.
pub(crate) fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("threads can be started")
}
