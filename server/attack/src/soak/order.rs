//! The members of a soak, and the orders that they get.

use tokio::sync::watch;

/// Members in all.
pub(super) const MEMBERS: usize = 500;
/// Rooms that they are spread over.
pub(super) const ROOMS: usize = 20;
/// Messages that a room delivers each second, to all of its members together: 20 × 100 in all.
pub(super) const DELIVERIES: usize = 100;

/// An order to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on as before.
    Work,
    /// A tenth of them, those of this number modulo ten, lose their connection.
    Cut(usize),
    /// A tenth of them do not read for some seconds.
    Pause(usize),
    /// Send nothing new.
    Quiet,
    /// Close.
    Stop,
}

/// Gives all members the same order.
pub(super) type Orders = watch::Sender<Order>;
