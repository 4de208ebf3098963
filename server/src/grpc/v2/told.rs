//! What members are told, as protocol buffers.

use crate::grpc::proto_v2::event::Kind;
use crate::grpc::proto_v2::presence::Change as ProtoChange;
use crate::grpc::proto_v2::{
    Ack, Error, Event as ProtoEvent, Gap as ProtoGap, History, Joined as ProtoJoined, Member,
    Message, Presence,
};
use crate::rooms::backplane::Published;
use crate::rooms::event::{Event, Gap};
use crate::rooms::presence::{Change, Present};
use crate::rooms::{Draft, Joined, MessageId, Position, Stored};

/// An event of the kind that is given.
pub(super) fn event(kind: Kind) -> ProtoEvent {
    ProtoEvent { kind: Some(kind) }
}

/// What happened in the room.
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

/// Where a new member is.
pub(super) fn joined(joined: &Joined) -> Kind {
    let me = joined.membership.me();
    let recovered = joined.replay.as_ref();
    Kind::Joined(ProtoJoined {
        room: joined.membership.room().to_string(),
        name: me.name.to_string(),
        member: me.member.to_string(),
        position: place(joined.position),
        count: joined.count as u64,
        members: joined.members.iter().map(member).collect(),
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
        after: place(gap.after),
        next: place(gap.next),
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

/// Something cannot be done.
pub(super) fn error(id: Option<&MessageId>, code: &'static str, message: &str) -> Kind {
    Kind::Error(Error {
        id: id.map(ToString::to_string).unwrap_or_default(),
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

fn message(draft: &Draft, position: Option<Position>) -> Message {
    Message {
        position: place(position),
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

fn place(position: Option<Position>) -> String {
    position
        .map(|position| position.to_string())
        .unwrap_or_default()
}
