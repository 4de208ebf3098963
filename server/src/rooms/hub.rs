//! All rooms of this node.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

use super::backplane::{
    Backplane, Health, History, PublishError, Published, Query, Range, Unavailable,
};
use super::counts::Counts;
use super::event::{Gap, Reason};
use super::member::Membership;
use super::message::{Draft, MemberId, MessageId, Stored, unix_millis};
use super::name::{MemberName, RoomName};
use super::outbox::{Outbox, Outcome};
use super::position::Position;
use super::presence::{Change, Present};
use super::room::Room;
use super::settings::Settings;

/// All rooms of this node; cheap to clone, every clone is the same.
///
/// Nothing flows until [`run`](Self::run) does.
#[derive(Clone)]
pub struct Hub {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) counts: Counts,
    pub(super) rooms: Mutex<HashMap<RoomName, Arc<Room>>>,
    pub(super) outbox: Mutex<Outbox>,
    /// Something waits in the outbox, or the backplane is back.
    pub(super) flush: Notify,
    /// Comings and goings that other nodes are yet to be told.
    pub(super) presence: mpsc::Sender<(RoomName, Change, Present)>,
    pub(super) announcements: Mutex<Option<mpsc::Receiver<(RoomName, Change, Present)>>>,
    /// What this node is called in the ids that it gives.
    pub(super) node: String,
    pub(super) next_id: AtomicU64,
}

/// A message as somebody sends it.
#[derive(Clone, Debug)]
pub struct Post {
    /// Who.
    pub from: MemberName,
    /// The connection, if the sender has joined the room.
    pub member: Option<MemberId>,
    /// What.
    pub text: Arc<str>,
    /// What the sender calls it; one is made up if it has no name.
    pub id: Option<MessageId>,
}

/// What becomes of a message.
#[derive(Debug)]
pub enum Receipt {
    /// It is stored.
    Stored(Published),
    /// The backplane is away: the members on this node have the message, the sender is told later.
    Provisional(Pending),
}

/// Resolves when a message that waited is stored, or never will be.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Outcome>);

/// What somebody finds who has joined.
#[derive(Debug)]
#[non_exhaustive]
pub struct Joined {
    /// The membership; events begin behind [`position`](Self::position).
    pub membership: Membership,
    /// The room's end at the moment of joining; `None` if the store does not say.
    pub position: Option<Position>,
    /// How many are in the room, the new one included.
    pub count: usize,
    /// Some of them, at most [`Settings::max_presence`].
    pub members: Vec<Present>,
    /// What was missed; there only if it was asked for.
    pub replay: Option<Replay>,
}

/// What was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Messages that cannot be given, which come before those that can.
    pub gap: Option<Gap>,
    /// The messages, the oldest first.
    pub messages: Vec<Stored>,
}

/// Why somebody cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// There are as many rooms as there may be.
    #[error("too many rooms, try again later")]
    TooManyRooms,
    /// The room is full.
    #[error("too many members in this room, try again later")]
    TooManyMembers,
}

impl Hub {
    /// No rooms yet.
    pub fn new(settings: Settings, backplane: Arc<dyn Backplane>, counts: Counts) -> Self {
        let (presence, announcements) = mpsc::channel(ANNOUNCEMENTS);
        counts
            .backplane_up
            .set(i64::from(backplane.health().is_up()));
        Self {
            inner: Arc::new(Inner {
                outbox: Mutex::new(Outbox::new(settings.outbox_messages)),
                settings,
                backplane,
                counts,
                rooms: Mutex::default(),
                flush: Notify::new(),
                presence,
                announcements: Mutex::new(Some(announcements)),
                node: format!("{:012x}", rand::random::<u64>() >> 16),
                next_id: AtomicU64::new(1),
            }),
        }
    }

    /// What is counted.
    pub fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    /// The limits.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Whether messages can be stored at the moment.
    pub fn health(&self) -> Health {
        self.inner.backplane.health()
    }

    /// How many rooms have members on this node.
    pub fn rooms(&self) -> usize {
        lock(&self.inner.rooms).len()
    }

    /// Joins a room, which need not exist. With `since`, what was stored behind that place is given as well.
    ///
    /// While the backplane is away this does not fail; the replay then says that what was missed is not to be had.
    ///
    /// Cancel safe: who has not got a membership has not joined, at least not for longer than a moment.
    ///
    /// # Errors
    /// The room is full, or there are too many.
    pub async fn join(
        &self,
        room: &RoomName,
        name: MemberName,
        since: Option<Position>,
    ) -> Result<Joined, JoinError> {
        let (mut membership, reached, is_new) = self.enter(room, name)?;
        if is_new && self.health().is_up() {
            self.learn_presence(membership.place()).await;
        }
        let (position, replay) = match (since, reached) {
            (None, Some(reached)) => (Some(reached), None),
            (Some(since), Some(reached)) if since == reached => {
                (Some(reached), Some(Replay::default()))
            }
            (None, None) => (self.end(room).await, None),
            (Some(since), reached) => {
                let (position, replay) = self.replay(room, since, reached).await;
                (position, Some(replay))
            }
        };
        membership.go_on_from(position);
        let here = self.room(room);
        let (count, members) = here.map_or((1, vec![membership.me().clone()]), |here| {
            let mut state = here.state();
            if state.dispatched.is_none() {
                state.base = lower(state.base, position);
            }
            membership.knows_who_is_there(&state);
            let members = state.roster.list(self.inner.settings.max_presence);
            (state.roster.len(), members)
        });
        Ok(Joined {
            membership,
            position,
            count,
            members,
            replay,
        })
    }

    /// Takes a place in the room; returns it with the place that the room has reached, and whether the room is new here.
    fn enter(
        &self,
        name: &RoomName,
        member: MemberName,
    ) -> Result<(Membership, Option<Position>, bool), JoinError> {
        let inner = &self.inner;
        let me = Present {
            member: MemberId(self.next_id().into()),
            name: member,
        };
        let mut rooms = lock(&inner.rooms);
        let is_new = !rooms.contains_key(name);
        if is_new && rooms.len() >= inner.settings.max_rooms {
            return Err(JoinError::TooManyRooms);
        }
        let room = rooms
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Room::new(name.clone(), &inner.settings)));
        let room = Arc::clone(room);
        let mut state = room.state();
        if state.local >= inner.settings.max_members {
            return Err(JoinError::TooManyMembers);
        }
        state.local += 1;
        room.enter(&mut state, &me, true);
        let membership = Membership::new(self.clone(), Arc::clone(&room), me.clone(), &state);
        let reached = state.dispatched;
        drop(state);
        inner.counts.members.inc();
        inner.counts.rooms.set(gauge(rooms.len()));
        if is_new {
            inner.backplane.interest(name, true);
        }
        drop(rooms);
        self.announce(name, Change::Join, me);
        Ok((membership, reached, is_new))
    }

    /// Undoes [`enter`](Self::enter).
    pub(super) fn leave(&self, room: &Arc<Room>, me: &Present) {
        let inner = &self.inner;
        let mut rooms = lock(&inner.rooms);
        let mut state = room.state();
        state.local -= 1;
        room.leave(&mut state, &me.member, true);
        let is_empty = state.local == 0;
        drop(state);
        if is_empty {
            rooms.remove(&room.name);
            inner.backplane.interest(&room.name, false);
        }
        inner.counts.members.dec();
        inner.counts.rooms.set(gauge(rooms.len()));
        drop(rooms);
        self.announce(&room.name, Change::Leave, me.clone());
    }

    /// Sends a message to everybody in a room, on all nodes. The sender need not have joined.
    ///
    /// Resolves once the message is stored, or once the members on this node have it because the backplane is away.
    ///
    /// Not cancel safe: a message whose publishing was dropped may or may not be stored. Publish it again with the same
    /// id to be sure.
    ///
    /// # Errors
    /// It will never be stored.
    pub async fn publish(&self, room: &RoomName, post: Post) -> Result<Receipt, PublishError> {
        let inner = &self.inner;
        let (bytes, most) = (post.text.len(), inner.settings.max_text_bytes);
        if bytes > most {
            inner.counts.result("refused");
            let text = format!("a text of {bytes} bytes, at most {most} are allowed");
            return Err(PublishError::Refused(text));
        }
        let draft = self.draft(post);
        // Behind others that wait, so that no message overtakes an earlier one.
        let must_wait = !lock(&inner.outbox).is_empty() || !inner.backplane.health().is_up();
        if must_wait {
            return Ok(self.wait(room, draft));
        }
        match self.try_publish(room, &draft).await {
            Ok(published) => {
                let result = if published.duplicate {
                    "duplicate"
                } else {
                    "stored"
                };
                inner.counts.result(result);
                Ok(Receipt::Stored(published))
            }
            Err(PublishError::Unavailable(error)) => {
                debug!(%room, %error, "message not stored yet");
                Ok(self.wait(room, draft))
            }
            Err(error) => {
                inner.counts.result("refused");
                Err(error)
            }
        }
    }

    /// Messages of a room that are kept; at most as many as [`Settings`] say are kept of a room, whatever is asked for.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        let settings = &self.inner.settings;
        let query = Query {
            max_messages: query.max_messages.min(settings.history_messages),
            max_bytes: query.max_bytes.min(settings.history_bytes),
            ..query
        };
        match timeout(
            settings.publish_timeout,
            self.inner.backplane.history(room, query),
        )
        .await
        {
            Ok(history) => history,
            Err(_) => Err(no_answer(settings.publish_timeout)),
        }
    }

    /// The room's end, as the store knows it.
    async fn end(&self, room: &RoomName) -> Option<Position> {
        let query = Query {
            range: Range::Newest,
            max_messages: 0,
            max_bytes: 0,
        };
        self.history(room, query).await.ok()?.end
    }

    /// What was stored behind `since`, and the room's end with it.
    async fn replay(
        &self,
        room: &RoomName,
        since: Position,
        reached: Option<Position>,
    ) -> (Option<Position>, Replay) {
        let gap = |next, reason: Reason| {
            self.inner.counts.gap(reason.name());
            Some(Gap {
                after: Some(since),
                next,
                reason,
            })
        };
        let Ok((history, is_cut)) = self.after(room, since).await else {
            let gap = gap(None, Reason::Unavailable);
            let messages = Vec::new();
            return (reached, Replay { gap, messages });
        };
        let next = history.messages.first().map(|stored| stored.position);
        let gap = if history.complete && !is_cut {
            None
        } else if is_cut {
            gap(next, Reason::Expired)
        } else {
            gap(next, reason(since, history.end))
        };
        let messages = history.messages;
        (history.end, Replay { gap, messages })
    }

    /// Everything behind `since`; if that is too much, the newest part of it and `true`.
    async fn after(
        &self,
        room: &RoomName,
        since: Position,
    ) -> Result<(History, bool), Unavailable> {
        let all = |range| Query {
            range,
            max_messages: usize::MAX,
            max_bytes: usize::MAX,
        };
        let mut history = self.history(room, all(Range::After(since))).await?;
        for _ in 1..MAX_PAGES {
            let Some(last) = history.messages.last().filter(|_| history.more) else {
                return Ok((history, false));
            };
            let after = all(Range::After(last.position));
            let page = self.history(room, after).await?;
            if !page.complete {
                break;
            }
            history.messages.extend(page.messages);
            history.more = page.more;
            history.end = page.end;
        }
        if !history.more {
            return Ok((history, false));
        }
        Ok((self.history(room, all(Range::Newest)).await?, true))
    }

    pub(super) async fn try_publish(&self, room: &RoomName, draft: &Draft) -> Outcome {
        let patience = self.inner.settings.publish_timeout;
        match timeout(patience, self.inner.backplane.publish(room, draft)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(no_answer(patience).into()),
        }
    }

    /// Lets a message wait, and the members of this node have it at once.
    fn wait(&self, room: &RoomName, draft: Draft) -> Receipt {
        let inner = &self.inner;
        let mut outbox = lock(&inner.outbox);
        let (outcome, is_new, dropped) = outbox.push(room, &draft);
        inner.counts.waiting.set(gauge(outbox.len()));
        if is_new {
            inner.counts.result("provisional");
            // Within the lock: the order in the outbox is the order in the room.
            if let Some(room) = self.room(room) {
                room.deliver_provisional(draft);
            }
        }
        drop(outbox);
        inner.flush.notify_one();
        if let Some(dropped) = dropped {
            inner.counts.waiting_dropped.inc();
            self.forget_provisional(&dropped.room, &dropped.draft);
            let most = inner.settings.outbox_messages;
            let text = format!("more than {most} messages wait for the backplane");
            dropped.settle(&Err(PublishError::Refused(text)));
        }
        Receipt::Provisional(Pending(outcome))
    }

    pub(super) fn forget_provisional(&self, room: &RoomName, draft: &Draft) {
        if let Some(room) = self.room(room) {
            room.forget_provisional(draft);
        }
    }

    fn draft(&self, post: Post) -> Draft {
        let made_up = || {
            let id = self.next_id().parse();
            id.expect("hexadecimal digits, a colon and digits are an id")
        };
        Draft {
            id: post.id.unwrap_or_else(made_up),
            from: post.from,
            member: post.member,
            text: post.text,
            at: unix_millis(),
        }
    }

    fn next_id(&self) -> String {
        let number = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        format!("{}:{number}", self.inner.node)
    }

    pub(super) fn room(&self, name: &RoomName) -> Option<Arc<Room>> {
        lock(&self.inner.rooms).get(name).cloned()
    }

    pub(super) fn announce(&self, room: &RoomName, change: Change, who: Present) {
        // Full means that the backplane is slow; it hears of everybody after its next interruption.
        let _ = self.inner.presence.try_send((room.clone(), change, who));
    }
}

impl Default for Replay {
    /// Nothing was missed.
    fn default() -> Self {
        Self {
            gap: None,
            messages: Vec::new(),
        }
    }
}

impl Future for Pending {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            let ending = || Unavailable("the server is ending".to_owned()).into();
            outcome.unwrap_or_else(|_| Err(ending()))
        })
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Hub");
        debug
            .field("node", &self.inner.node)
            .finish_non_exhaustive()
    }
}

/// Why what is behind `after` cannot be given, when the room's end is `end`.
pub(super) fn reason(after: Position, end: Option<Position>) -> Reason {
    match end {
        Some(end) if end.epoch == after.epoch && after.offset <= end.offset => Reason::Expired,
        _ => Reason::Epoch,
    }
}

/// The lower of two places of one epoch; of different ones the newer knowledge.
fn lower(known: Option<Position>, new: Option<Position>) -> Option<Position> {
    match (known, new) {
        (Some(known), Some(new)) if known.epoch == new.epoch && known.offset < new.offset => {
            Some(known)
        }
        (known, new) => new.or(known),
    }
}

fn no_answer(patience: Duration) -> Unavailable {
    Unavailable(format!("no answer within {patience:?}"))
}

pub(super) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Locks; what a panicking holder left behind still makes sense.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Comings and goings that may wait to be told to other nodes.
const ANNOUNCEMENTS: usize = 16_384;
/// Portions of history that somebody who comes back is given at most; beyond it only the newest.
const MAX_PAGES: usize = 4;
