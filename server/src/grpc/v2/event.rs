//! Events for members, as protocol buffers.

use std::time::SystemTime;

use crate::grpc::proto_v2::event::Kind;
use crate::grpc::proto_v2::presence::Change as ProtoChange;
use crate::grpc::proto_v2::{
    Ack, Error, Event as ProtoEvent, Gap as ProtoGap, History, Joined as ProtoJoined, Member,
    Message, Presence, Renewed,
};
use rooms::backplane::Published;
use rooms::event::{Event, Gap};
use rooms::message::unix_millis;
use rooms::participant::Welcome;
use rooms::presence::{Change, Present};
use rooms::{Draft, MessageId, Position, Refusal, Stored};

/// An event of the kind that is given.
pub(super) fn event(kind: Kind) -> ProtoEvent {
    ProtoEvent { kind: Some(kind) }
}

/// Translates an event of the room.
pub(super) fn happened(event: &Event) -> Kind {
    match event {
        Event::Message(stored) => Kind::Message(message(&stored.draft, Some(stored.position))),
        Event::Provisional(draft) => Kind::Message(message(draft, None)),
        Event::Presence { change, who, count } => Kind::Presence(Presence {
            change: match change {
                Change::Join => ProtoChange::Join,
                Change::Leave => ProtoChange::Leave,
            }
            .into(),
            who: Some(member(who)),
            count: *count as u64,
        }),
        Event::Count(count) => Kind::Presence(Presence {
            change: ProtoChange::Unspecified.into(),
            who: None,
            count: *count as u64,
        }),
        Event::Gap(missing) => gap(missing),
    }
}

/// Translates the welcome of a new member.
pub(super) fn joined(welcome: &Welcome) -> Kind {
    let recovered = welcome.replay.as_ref();
    Kind::Joined(ProtoJoined {
        room: welcome.room.to_string(),
        name: welcome.me.name.to_string(),
        member: welcome.me.member.to_string(),
        position: written(welcome.position),
        count: welcome.count as u64,
        members: welcome.members.iter().map(member).collect(),
        recovered: recovered.is_some_and(|replay| replay.gap.is_none()),
    })
}

/// Messages from before.
pub(super) fn history(messages: &[Stored], complete: bool) -> Kind {
    let messages = messages.iter();
    Kind::History(History {
        messages: messages
            .map(|stored| message(&stored.draft, Some(stored.position)))
            .collect(),
        complete,
    })
}

/// Messages are missing.
pub(super) fn gap(gap: &Gap) -> Kind {
    Kind::Gap(ProtoGap {
        after: written(gap.after),
        next: written(gap.next),
        reason: gap.reason.name().to_owned(),
    })
}

/// The member's message is stored.
pub(super) fn ack(id: &MessageId, published: &Published) -> Kind {
    Kind::Ack(Ack {
        id: id.to_string(),
        position: published.position.to_string(),
        duplicate: published.duplicate,
    })
}

/// The member's new token is in force.
pub(super) fn renewed(end: Option<SystemTime>) -> Kind {
    let expires = end.map(unix_millis).unwrap_or_default();
    Kind::Renewed(Renewed { expires })
}

/// Something is refused; the stream goes on.
pub(super) fn error(id: Option<&MessageId>, refusal: &Refusal) -> Kind {
    Kind::Error(Error {
        id: id.map(ToString::to_string).unwrap_or_default(),
        code: refusal.code().to_owned(),
        message: refusal.to_string(),
    })
}

fn message(draft: &Draft, position: Option<Position>) -> Message {
    Message {
        position: written(position),
        id: draft.id.to_string(),
        sender: draft.from.to_string(),
        member: draft
            .member
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        text: draft.text.to_string(),
        at: draft.at,
        provisional: position.is_none(),
    }
}

fn member(who: &Present) -> Member {
    Member {
        member: who.member.to_string(),
        name: who.name.to_string(),
    }
}

fn written(position: Option<Position>) -> String {
    position
        .map(|position| position.to_string())
        .unwrap_or_default()
}
