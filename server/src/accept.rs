//! The accept loop; each connection is then admitted, and served in a task of its own.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::debug;

use crate::arrivals::Arrivals;
use crate::config::Config;
use crate::descriptors::Spare;
use crate::drain::Drain;
use crate::ledger::Ledger;
use crate::limits::ConnectionLimits;
use crate::listen::ListenerKind;
use crate::listening::Listening;
use crate::metrics::{LimitLabel, Metrics};
use crate::proxies::Trust;
use crate::table::Tables;
use crate::tls::Tls;

mod answer;
mod handshake;
mod pause;
mod serve;

use self::pause::{Pause, is_of_one_connection};

/// State that every connection needs.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) config: Arc<Config>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) arrivals: Arrivals,
    pub(crate) handshakes: Semaphore,
    /// Slots for connections that get a response that the server is full.
    pub(crate) refusals: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) ledger: Ledger,
    pub(crate) drain: Drain,
    /// Proxies that may report clients.
    pub(crate) trust: Trust,
    pub(crate) tables: Tables,
}

impl Acceptor {
    /// Accepts connections from `listener` until the server is ending; all listeners share the limits.
    pub(crate) async fn run(self: Arc<Self>, listener: Listening, kind: ListenerKind) {
        let mut pause = Pause::default();
        let mut spare = Spare::new();
        let mut ending = pin!(self.drain.begun());
        loop {
            let accepted = tokio::select! {
                () = &mut ending => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    pause.over();
                    Arc::clone(&self).admit(socket, peer, kind);
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    self.metrics.accept_errors.inc();
                    // Descriptors have run out, and waiting has not helped: the spare one takes connections to close
                    // them, else they would fill the backlog.
                    if pause.is_repeated() {
                        let label = LimitLabel {
                            limit: "descriptors",
                        };
                        let refused = self.metrics.refused_connections.get_or_create_owned(&label);
                        refused.inc_by(spare.shed(&error, &listener));
                    }
                    tokio::select! {
                        () = &mut ending => return,
                        () = pause.after(&error) => {}
                    }
                }
            }
        }
    }

    /// Counts a connection that ran into `limit`.
    pub(crate) fn refused(&self, limit: &'static str) {
        self.metrics
            .refused_connections
            .get_or_create(&LimitLabel { limit })
            .inc();
    }
}
