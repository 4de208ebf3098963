//! Rooms: joins, and messages on their way to every member's connection.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use futures_util::SinkExt;
use rooms::participant::{Member, Next, Request};
use rooms::{
    Authority, Caller, Counts, Event, Grant, Hub, Local, Participants, Refusal, Rendering, Seen,
    Settings, Stored,
};
use tokio::runtime::{Builder, Runtime};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{
    Agreed, DeflateConfig, Options, PreparedMessage, SharedContext, WebSocketStream,
};

use crate::corpus;
use crate::path::Path;
use crate::websocket::agreed;
use crate::wire::Wire;

/// Somebody joins a room of ten and leaves again.
pub(crate) fn join() -> Path {
    let runtime = runtime();
    let (rooms, residents) = runtime.block_on(async {
        let rooms = rooms();
        let residents = members(&rooms, 10, None).await;
        (rooms, residents)
    });
    Path::new(128, move || {
        runtime.block_on(async { drop(enter(&rooms, residents.len()).await) });
    })
}

/// A line of one member reaches the connections of `count`, its sender's among them: as JSON of 195 bytes on average,
/// uncompressed or by the context that the room's members share.
pub(crate) fn delivery(count: usize, is_shared: bool) -> Path {
    let runtime = runtime();
    let mut delivery = runtime.block_on(Delivery::new(count, is_shared));
    Path::new(corpus::MESSAGES, move || runtime.block_on(delivery.next()))
}

/// A room with its members, and what they say.
struct Delivery {
    members: Vec<Connected>,
    lines: Vec<String>,
    said: usize,
}

impl Delivery {
    async fn new(count: usize, is_shared: bool) -> Self {
        let agreed = is_shared.then(|| agreed(true));
        Self {
            members: members(&rooms(), count, agreed).await,
            lines: corpus::lines(),
            said: 0,
        }
    }

    async fn next(&mut self) {
        let line = &self.lines[self.said % self.lines.len()];
        let request = Request::Say {
            text: line.as_str().into(),
            id: None,
        };
        let said = self.members[0].member.request(Ok(request)).await;
        said.expect("everybody may speak");
        self.said += 1;
        // The sender comes first: its member passes the line on while it waits.
        for connected in &mut self.members {
            connected.receive().await;
        }
    }
}

/// A member of a room with its connection.
struct Connected {
    member: Member,
    socket: WebSocketStream<Wire>,
    context: Arc<SharedContext>,
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
                let context = &self.context;
                let prepared = event.rendered(Rendering::Json, |event| prepared(context, event));
                let fed = self.socket.feed_prepared(&prepared).await;
                fed.expect("the queue is empty");
                let flushed = self.socket.flush().await;
                return flushed.expect("the wire takes everything");
            }
        }
    }
}

fn prepared(context: &SharedContext, event: &Event) -> PreparedMessage {
    match event {
        Event::Message(stored) => context.text(json(stored)),
        other => context.text(format!("{other:?}")),
    }
}

/// An event as a server may write it; what the room makes at random is left out.
fn json(stored: &Stored) -> String {
    let number = stored.position.offset;
    let user = match number % 6 {
        0 => "ada",
        1 => "grace",
        2 => "linus",
        3 => "barbara",
        4 => "edsger",
        _ => "donald",
    };
    format!(
        r#"{{"type":"message","room":"kitchen","id":"{:08x}","seq":{number},"user":"{user}","text":"{}","ts":17646{:08}}}"#,
        number.wrapping_mul(0x9e37_79b9) & 0xffff_ffff,
        stored.draft.text,
        number * 731,
    )
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
    fn check(&self, _: Option<&str>, _: Caller, _: Instant) -> Result<Grant, Refusal> {
        Ok(Grant::everything())
    }
}

async fn members(rooms: &Participants, count: usize, agreed: Option<Agreed>) -> Vec<Connected> {
    let mut members = Vec::new();
    for number in 0..count {
        let socket = WebSocketStream::with_options(
            Wire::new(Vec::new()),
            BytesMut::new(),
            Role::Server,
            Options::default(),
            agreed,
        );
        let member = enter(rooms, number).await;
        let make = || SharedContext::new(&DeflateConfig::default());
        let context = member.writer(Rendering::Json, make);
        members.push(Connected {
            member,
            socket,
            context,
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Once all members hold the history, as while instructions are counted.
    #[test]
    fn a_shared_delivery_takes_at_most_three_tenths_of_its_bytes() {
        let (first, second) = runtime().block_on(async {
            let mut delivery = Delivery::new(100, true).await;
            (delivery.round().await, delivery.round().await)
        });
        let [messages, bytes, wire_bytes] = [0, 1, 2].map(|index| second[index] - first[index]);
        assert_eq!(messages, 100 * u64::from(corpus::MESSAGES));
        assert_eq!((bytes + messages / 2) / messages, 195);
        assert!(wire_bytes * 10 <= bytes * 3, "{wire_bytes} of {bytes}");
    }

    impl Delivery {
        /// Delivers every line once; returns messages, bytes and bytes on the wire so far.
        async fn round(&mut self) -> [u64; 3] {
            for _ in 0..corpus::MESSAGES {
                self.next().await;
            }
            let sockets = self.members.iter().map(|connected| &connected.socket);
            let counted = sockets.map(WebSocketStream::sent_compressed);
            counted.fold([0; 3], |[messages, bytes, wire_bytes], one| {
                [
                    messages + one.messages,
                    bytes + one.bytes,
                    wire_bytes + one.wire_bytes,
                ]
            })
        }
    }
}
