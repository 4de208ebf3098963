//! The state that all routes share; it imports no route.

use std::sync::Arc;
use std::time::Duration;

use rooms::{Hub, Participant, Participants, Refusal};
use tungstenite_deflate::Options;

use crate::config::RouteOptions;
use crate::drain::Drain;
use crate::host::Hosts;
use crate::limits::ConnectionLimits;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::origin::Origins;
use crate::turns::{Credentials, Turns};

/// The state that all routes share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) metrics: Metrics,
    /// Pages that watch the messages of a connection.
    pub(crate) observers: Observers,
    pub(crate) drain: Drain,
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
    pub(crate) rooms: Hub,
    pub(crate) participants: Participants,
    /// The order in which their tokens are checked.
    pub(crate) turns: Turns,
    /// Reports this node as not ready while rooms cannot be stored.
    pub(crate) needs_rooms: bool,
    pub(crate) options: Arc<Options>,
    /// Limits on WebSockets held, in total and from one address.
    pub(crate) websockets: Arc<ConnectionLimits>,
    pub(crate) write_timeout: Duration,
    pub(crate) has_access_log: bool,
    pub(crate) routes: RouteOptions,
    /// Time for which browsers are asked to keep to https.
    pub(crate) hsts: Option<Duration>,
    pub(crate) max_uri_bytes: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_grpc_bytes: usize,
    pub(crate) grpc_timeout: Option<Duration>,
}

impl Context {
    /// Admits the sender of a request to rooms, in its turn.
    ///
    /// # Errors
    /// The token is missing, not good, or has ended.
    pub(crate) async fn admit(&self, credentials: Credentials) -> Result<Participant, Refusal> {
        let admit = || {
            self.participants
                .admit(credentials.token.as_deref(), credentials.peer)
        };
        if credentials.token.is_none() {
            return admit();
        }
        let is_guess = |admitted: &Result<_, _>| {
            matches!(admitted, Err(Refusal::LockedOut)) && credentials.has_own_connection()
        };
        let turn = &credentials.connection.turn;
        self.turns.check(turn, admit, is_guess).await
    }

    /// The reason why new work is refused; `None` if it is accepted.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        if self.drain.is_announced() {
            return Some("draining");
        }
        let is_cut_off = self.needs_rooms && !self.rooms.health().is_up();
        is_cut_off.then_some("rooms cannot be stored")
    }
}
