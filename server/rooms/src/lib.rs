//! Rooms: whoever is in one sees what the others say, in the same order, and can catch up on what was missed.
//!
//! Nothing here knows HTTP, TLS or WebSocket: names, texts and positions come in, events come out. WebSocket, gRPC and
//! plain requests are ways into the same rooms.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | what rooms and members may be called |
//! | [`message`] | a message before and after it is stored |
//! | [`position`] | a position in a room's history, `epoch:offset` |
//! | [`history`] | the newest messages of a room, bounded by number and bytes |
//! | [`presence`] | who is in a room |
//! | `announcements` | joins and leaves that are yet to be announced to other nodes |
//! | `attendance` | which joins and leaves are reported at once, which later, and which as a number |
//! | [`kind`] | what happens to members that read too slowly, by the room's name |
//! | [`event`] | events for members, rendered once for all of them |
//! | [`room`] | the members of one room on this node and what they have yet to read |
//! | [`member`] | one member's way through a room's events |
//! | [`participant`] | everybody who uses rooms: what they may do, how often, and until when |
//! | [`right`] | what may be done in a room |
//! | [`grant`] | what a token allows, and its end |
//! | [`refusal`] | everything that a participant may be refused |
//! | [`posting`] | the messages of one member on their way into the store |
//! | [`outbox`] | messages that wait for the backplane to return |
//! | `renderings` | one value for each form in which events are sent |
//! | [`hub`] | all rooms of this node |
//! | `flow` | what flows through them by itself: deliveries, waiting messages, presence |
//! | [`settings`] | the limits of all of these |
//! | [`counts`] | what is counted |
//! | [`backplane`] | where messages are kept and how they reach other nodes |
//!
//! A message is sent with [`Hub::publish`], stored by the backplane, comes back on the stream of deliveries, is written
//! once into the room, and every member reads it from there:
//!
//! ```text
//! publish → backplane (offset) → deliveries → room ┬→ member
//!                                                  ├→ member
//!                                                  └→ member
//! ```

mod announcements;
mod attendance;
pub mod backplane;
mod caller;
pub mod counts;
pub mod event;
mod flow;
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
pub mod history;
pub mod hub;
pub mod kind;
pub mod member;
pub mod message;
pub mod name;
pub mod outbox;
pub mod participant;
pub mod position;
pub mod posting;
pub mod presence;
pub mod refusal;
pub mod renderings;
pub mod right;
pub mod room;
pub mod settings;

pub use backplane::{Backplane, Local};
pub use caller::Caller;
pub use counts::Counts;
pub use event::{Broadcast, Event};
pub use grant::Grant;
pub use hub::{Hub, JoinError, Joined, Pending, Post, Receipt};
pub use kind::{Pattern, Policy};
pub use member::{Lagged, Membership, Seen};
pub use message::{Draft, MemberId, MessageId, Stored};
pub use name::{MemberName, NameError, RoomName};
pub use participant::{Authority, Participant, Participants};
pub use position::{Epoch, Position};
pub use refusal::Refusal;
pub use renderings::Rendering;
pub use right::Right;
pub use settings::Settings;
