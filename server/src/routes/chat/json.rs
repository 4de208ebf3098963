//! The subprotocol `chat.v1.json`: one JSON object per message, as server/CHAT.md tells.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use rooms::backplane::Published;
use rooms::event::{Event, Gap};
use rooms::participant::Request as Asked;
use rooms::presence::{Change, Present};
use rooms::{Draft, Epoch, MemberId, MemberName, MessageId, Position, RoomName, Stored};

/// Request of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Something for everybody in the room.
    Message {
        /// The client's own id of the message.
        id: Option<MessageId>,
        /// Text of the message.
        text: Arc<str>,
    },
    /// Messages that are kept: the newest, or those around a position.
    History {
        /// Only those before the message at this position.
        before: Option<Position>,
        /// Only those after this position.
        after: Option<Position>,
        /// At most so many.
        limit: Option<usize>,
    },
    /// A new token in place of the one that the connection was opened with.
    Token {
        /// The token.
        token: String,
    },
}

/// Event or notice from the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Outgoing<'a> {
    /// The first event of all: where the client is.
    Joined {
        room: &'a RoomName,
        name: &'a MemberName,
        /// The member that this connection is.
        member: &'a MemberId,
        /// The room's end; both are there or none.
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset: Option<u64>,
        count: usize,
        members: &'a [Present],
        /// True if `since` was given and no message after it is missing.
        recovered: bool,
    },
    /// Messages that were said before.
    History {
        messages: Vec<MessageBody<'a>>,
        /// True if no message is missing in the requested range.
        complete: bool,
        /// True if there are more messages in the range.
        more: bool,
    },
    /// A message.
    Message(MessageBody<'a>),
    /// Somebody came or went.
    Presence {
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a MemberName>,
        #[serde(skip_serializing_if = "Option::is_none")]
        member: Option<&'a MemberId>,
        count: usize,
    },
    /// The client's message is stored.
    Ack {
        id: &'a MessageId,
        epoch: Epoch,
        offset: u64,
        duplicate: bool,
    },
    /// The client's new token is in force.
    Token {
        /// Expiry of the grant, in milliseconds since 1970.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    /// Messages are missing here.
    Gap {
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Position>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<Position>,
        reason: &'static str,
    },
    /// Something that the client said cannot be done.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        code: &'static str,
        message: &'a str,
    },
}

/// A message.
#[derive(Debug, Serialize)]
pub(crate) struct MessageBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    id: &'a MessageId,
    from: &'a MemberName,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a MemberId>,
    text: &'a str,
    at: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
}

impl Request {
    /// Reads one message of a client.
    ///
    /// # Errors
    /// It is no request.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        match request {
            Request::Message { id, text } => Self::Say { text, id },
            Request::History {
                before,
                after,
                limit,
            } => Self::History {
                before,
                after,
                limit,
            },
            Request::Token { token } => Self::Renew { token },
        }
    }
}

impl<'a> MessageBody<'a> {
    /// A message with its position.
    pub(crate) fn stored(stored: &'a Stored) -> Self {
        Self::new(&stored.draft, Some(stored.position))
    }

    /// A message; without a position it is provisional.
    fn new(draft: &'a Draft, position: Option<Position>) -> Self {
        Self {
            epoch: position.map(|position| position.epoch),
            offset: position.map(|position| position.offset),
            id: &draft.id,
            from: &draft.from,
            member: draft.member.as_ref(),
            text: &draft.text,
            at: draft.at,
            provisional: position.is_none(),
        }
    }
}

impl<'a> Outgoing<'a> {
    /// Translates an event of the room.
    pub(super) fn event(event: &'a Event) -> Self {
        match event {
            Event::Message(stored) => Self::Message(MessageBody::stored(stored)),
            Event::Provisional(draft) => Self::Message(MessageBody::new(draft, None)),
            Event::Presence { change, who, count } => Self::Presence {
                event: match change {
                    Change::Join => "join",
                    Change::Leave => "leave",
                },
                name: Some(&who.name),
                member: Some(&who.member),
                count: *count,
            },
            Event::Count(count) => Self::Presence {
                event: "count",
                name: None,
                member: None,
                count: *count,
            },
            Event::Gap(gap) => Self::gap(gap),
        }
    }

    /// Messages are missing.
    pub(super) fn gap(gap: &Gap) -> Self {
        Self::Gap {
            after: gap.after,
            next: gap.next,
            reason: gap.reason.name(),
        }
    }

    /// A message is stored.
    pub(super) fn ack(id: &'a MessageId, published: &Published) -> Self {
        Self::Ack {
            id,
            epoch: published.position.epoch,
            offset: published.position.offset,
            duplicate: published.duplicate,
        }
    }

    /// The same as text.
    pub(super) fn write(&self) -> String {
        // Nothing in these types can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn requests_are_read_with_what_they_need() {
        let Ok(Request::Message { id, text }) =
            read(r#"{"type":"message","id":"7","text":"ol\u00e1","more":[1]}"#)
        else {
            panic!("not read");
        };
        assert_eq!((id.unwrap().as_str(), &*text), ("7", "olá"));
        assert!(matches!(
            read(r#"{"text":"x","type":"message"}"#),
            Ok(Request::Message { id: None, .. })
        ));
        let Ok(Request::History { before, limit, .. }) =
            read(r#"{"type":"history","before":"0000000000c0ffee:7","limit":3}"#)
        else {
            panic!("not read");
        };
        assert_eq!((before.unwrap().offset, limit), (7, Some(3)));
    }

    #[test]
    fn what_is_no_request_is_refused_whatever_it_is() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in [
            "",
            "hello",
            "null",
            "[]",
            "{}",
            r#"{"type":"message"}"#,
            r#"{"type":"message","text":1}"#,
            r#"{"type":"message","text":"x","id":""}"#,
            r#"{"type":"message","text":"x","id":"a b"}"#,
            r#"{"type":"message","text":"\ud800"}"#,
            r#"{"type":"history","limit":-1}"#,
            r#"{"type":"history","after":"7"}"#,
            r#"{"type":"shout","text":"x"}"#,
            r#"{"type":"message","text":"x"} {"#,
            &deep,
        ] {
            assert!(read(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    /// Requests that are nearly right, made from a seed: whatever they are, they are read or refused.
    #[test]
    fn mangled_requests_never_panic() {
        let seeds = [
            r#"{"type":"message","id":"0b9f-11","text":"ol\u00e1 \"x\" \\ \ud83d\ude00"}"#,
            r#"{"type":"history","before":"0000000000c0ffee:7","after":"00c0ffee00c0ffee:0","limit":50}"#,
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let (mut read_in_full, mut refused) = (0, 0);
        for round in 0..50_000 {
            let mut bytes = seeds[round % 2].as_bytes().to_vec();
            for _ in 0..random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = u8::try_from(random(128)).unwrap(),
                    1 if bytes.len() > 1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"{}[]\",:\\0u-"[random(11)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            match read(&text) {
                Ok(_) => read_in_full += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(
            read_in_full > 5_000 && refused > 5_000,
            "{read_in_full} {refused}"
        );
    }

    #[test]
    fn events_are_written_as_the_documentation_says() {
        let epoch = Epoch(0x00c0_ffee);
        let draft = Draft {
            id: "7".parse().unwrap(),
            from: "ana".parse().unwrap(),
            member: Some(MemberId("n:1".into())),
            text: "olá \"x\"\n".into(),
            at: 5,
        };
        let position = Position { epoch, offset: 3 };
        let stored = Event::Message(Stored {
            position,
            draft: draft.clone(),
        });
        let gap = Event::Gap(Gap {
            after: Some(position),
            next: None,
            reason: rooms::event::Reason::Slow,
        });
        for (event, expected) in [
            (
                stored,
                r#"{"type":"message","epoch":"0000000000c0ffee","offset":3,"id":"7","from":"ana","member":"n:1","text":"olá \"x\"\n","at":5}"#,
            ),
            (
                Event::Provisional(draft),
                r#"{"type":"message","id":"7","from":"ana","member":"n:1","text":"olá \"x\"\n","at":5,"provisional":true}"#,
            ),
            (
                Event::Count(3),
                r#"{"type":"presence","event":"count","count":3}"#,
            ),
            (
                gap,
                r#"{"type":"gap","after":"0000000000c0ffee:3","reason":"slow"}"#,
            ),
        ] {
            assert_eq!(Outgoing::event(&event).write(), expected);
        }
        let id = "7".parse().unwrap();
        let published = Published {
            position,
            duplicate: true,
        };
        assert_eq!(
            Outgoing::ack(&id, &published).write(),
            r#"{"type":"ack","id":"7","epoch":"0000000000c0ffee","offset":3,"duplicate":true}"#
        );
    }
}
