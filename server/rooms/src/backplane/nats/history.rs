//! Messages of a room that the stream keeps.

use std::collections::VecDeque;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind};
use tokio::time::timeout;

use super::envelope;
use super::feed::Feed;
use super::link::{self, Link, tell};
use super::shared::Shared;
use crate::backplane::{History, Query, Range, Unavailable};
use crate::message::{Draft, Stored};
use crate::name::RoomName;
use crate::position::Position;

/// Gives what is asked for, as far as it is kept.
///
/// # Errors
/// NATS does not answer, or the stream was made anew a moment ago.
pub(super) async fn read(
    shared: &Shared,
    link: &Link,
    room: &RoomName,
    query: Query,
) -> Result<History, Unavailable> {
    let reading = async {
        let info = link.stream.get_info().await.map_err(|error| tell(&error))?;
        if link::epoch(&info) != link.epoch {
            return Err("the stream was made anew".to_owned());
        }
        let subject = shared.settings.subject(room);
        // Asked for after the stream's end, so that what is not among the room's messages is after that end.
        let last = last(link, &subject).await?;
        let reader = Reader {
            shared,
            link,
            subject,
            info,
            last,
            query,
        };
        match query.range {
            Range::After(position) => reader.after(position).await,
            Range::Before(position) if position.epoch != link.epoch => {
                Ok(reader.answer(Vec::new(), false, false))
            }
            Range::Before(position) => reader.before(position.offset).await,
            Range::Newest => reader.before(u64::MAX).await,
        }
    };
    let patience = shared.settings.timeout;
    match timeout(patience, reading).await {
        Ok(history) => history.map_err(Unavailable),
        Err(_) => Err(Unavailable(format!("no answer within {patience:?}"))),
    }
}

/// Finds the position of a message that was sent longer ago than `JetStream` remembers.
pub(super) async fn find(
    shared: &Shared,
    link: &Link,
    room: &RoomName,
    draft: &Draft,
) -> Result<Option<Position>, Unavailable> {
    let history = read(shared, link, room, Query::all(Range::Newest)).await?;
    let mut messages = history.messages.into_iter();
    let found = messages.find(|stored| stored.draft.is_repeat_of(draft));
    Ok(found.map(|stored| stored.position))
}

/// One question about one room.
struct Reader<'a> {
    shared: &'a Shared,
    link: &'a Link,
    subject: String,
    info: Info,
    /// Sequence number of the room's newest message, if one is kept.
    last: Option<u64>,
    query: Query,
}

impl Reader<'_> {
    /// Messages after `position`, the oldest first.
    async fn after(&self, position: Position) -> Result<History, String> {
        let end = self.end().offset;
        let is_ours = position.epoch == self.link.epoch && position.offset <= end;
        if is_ours && self.last.is_some_and(|last| last <= position.offset) {
            return Ok(self.answer(Vec::new(), true, false));
        }
        let from = if is_ours { position.offset + 1 } else { 1 };
        let (messages, kept, more) = self.collect(from).await?;
        let complete = is_ours && self.is_whole(position.offset, kept).await?;
        Ok(self.answer(messages, complete, more))
    }

    /// Reports whether no message right after `offset` was forgotten, when so many are kept after it.
    ///
    /// Either one at or before the position is still kept: the oldest go first. Or nothing went: neither by age or size,
    /// which would have taken the stream's oldest messages, nor by number.
    async fn is_whole(&self, offset: u64, kept: u64) -> Result<bool, String> {
        if self.info.state.first_sequence <= offset + 1 && kept < self.link.max_per_room {
            return Ok(true);
        }
        let first = first(self.link, &self.subject).await?;
        Ok(first.is_some_and(|first| first <= offset))
    }

    /// The oldest messages from the sequence number `from` on; how many there are; whether the limits left some out.
    async fn collect(&self, from: u64) -> Result<(Vec<Stored>, u64, bool), String> {
        let (mut messages, mut bytes) = (Vec::new(), 0_usize);
        let Some(mut feed) = self.feed(from).await? else {
            return Ok((messages, 0, false));
        };
        let kept = feed.pending;
        for _ in 0..kept {
            let message = feed.next().await?;
            let (is_last, stored) = (message.pending == 0, self.stored(&message));
            if let Some(stored) = stored {
                bytes = bytes.saturating_add(stored.draft.bytes());
                let fits = messages.is_empty() || bytes <= self.query.max_bytes;
                if messages.len() >= self.query.max_messages || !fits {
                    return Ok((messages, kept, true));
                }
                messages.push(stored);
            }
            if is_last {
                break;
            }
        }
        Ok((messages, kept, false))
    }

    /// The newest messages with a sequence number below `offset`.
    async fn before(&self, offset: u64) -> Result<History, String> {
        let (mut messages, mut bytes, mut more) = (VecDeque::<Stored>::new(), 0_usize, false);
        if self.query.max_messages == 0 {
            return Ok(self.answer(Vec::new(), false, self.last.is_some()));
        }
        let mut kept = 0;
        if let Some(mut feed) = self.feed(1).await? {
            kept = feed.pending;
            for _ in 0..kept {
                let message = feed.next().await?;
                if message.sequence >= offset {
                    break;
                }
                let is_last = message.pending == 0;
                if let Some(stored) = self.stored(&message) {
                    bytes += stored.draft.bytes();
                    messages.push_back(stored);
                }
                while messages.len() > self.query.max_messages
                    || (bytes > self.query.max_bytes && messages.len() > 1)
                {
                    more = true;
                    bytes -= messages
                        .pop_front()
                        .map_or(0, |oldest| oldest.draft.bytes());
                }
                if is_last {
                    break;
                }
            }
        }
        // The stream has dropped nothing of any room, and this room is not at its own limit.
        let nothing_went = self.info.state.first_sequence <= 1 && kept < self.link.max_per_room;
        Ok(self.answer(messages.into(), !more && nothing_went, more))
    }

    /// The room's messages from a sequence number on; `None` if there are none.
    async fn feed(&self, from: u64) -> Result<Option<Feed>, String> {
        if self.last.is_none_or(|last| last < from) {
            return Ok(None);
        }
        let policy = DeliverPolicy::ByStartSequence {
            start_sequence: from.max(1),
        };
        let heartbeat = self.shared.settings.heartbeat;
        let stream = &self.link.stream;
        Feed::open(self.link, stream, self.subject.clone(), policy, heartbeat)
            .await
            .map(Some)
    }

    /// A message with its position; none if it is none of ours.
    fn stored(&self, message: &super::feed::Received) -> Option<Stored> {
        let draft = envelope::decode(&message.payload, &self.shared.rooms).ok()?;
        Some(Stored {
            position: Position::new(self.link.epoch, message.sequence),
            draft,
        })
    }

    fn answer(&self, messages: Vec<Stored>, complete: bool, more: bool) -> History {
        // What came while this was read is a part of it.
        let newest = messages.last().map(|stored| stored.position);
        let end = self.end();
        let end = newest
            .filter(|newest| newest.offset > end.offset)
            .unwrap_or(end);
        History {
            messages,
            complete,
            more,
            end: Some(end),
        }
    }

    /// The position after the room's newest message; if none is kept, that of the stream's newest, which lies after it.
    fn end(&self) -> Position {
        let offset = self.last.unwrap_or(self.info.state.last_sequence);
        Position::new(self.link.epoch, offset)
    }
}

/// Sequence number of the newest message on `subject`.
async fn last(link: &Link, subject: &str) -> Result<Option<u64>, String> {
    match link.stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message.sequence)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(tell(&error)),
    }
}

/// Sequence number of the oldest message on `subject`.
async fn first(link: &Link, subject: &str) -> Result<Option<u64>, String> {
    match link
        .stream
        .get_first_raw_message_by_subject(subject, 1)
        .await
    {
        Ok(message) => Ok(Some(message.sequence)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(tell(&error)),
    }
}
