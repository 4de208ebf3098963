//! Conditions that must hold when a run has ended.

use std::ops::Add;

use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::{Closed, Initiator, ProtocolError};

use super::end::End;
use super::pipe::{Direction, Harm};
use super::run::Run;
use super::wire;

/// Number of runs with each event, so that a pipe that has lost its teeth is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) messages: usize,
    pub(super) clean: usize,
    pub(super) cut: usize,
    pub(super) violations: usize,
    pub(super) timeouts: usize,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            clean: self.clean + other.clean,
            cut: self.cut + other.cut,
            violations: self.violations + other.violations,
            timeouts: self.timeouts + other.timeouts,
        }
    }
}

impl Run {
    pub(super) fn verdict(&self) -> Tally {
        for side in [0, 1] {
            let (own, other) = (&self.ends[side], &self.ends[1 - side]);
            let (incoming, outgoing) = (&self.pipe[1 - side], &self.pipe[side]);
            self.check_received(own, other, incoming);
            let frames = wire::frames(&outgoing.written, side == 1, self.deflate);
            let closed = frames.last().and_then(wire::Frame::close_code);
            if let Some(error) = own.error.as_ref().filter(|_| {
                own.connection
                    .closed()
                    .is_some_and(|closed| closed.by == Initiator::Us)
            }) {
                // Only where the transport was gone may the Close be missing, and never is it another one.
                let unsent =
                    closed.is_none() && (outgoing.harm == Harm::Cut || other.clean.is_some());
                let expected = Some(error.close_code_number());
                assert!(
                    closed == expected || closed == Some(1000) || unsent,
                    "{closed:?} for {error:?}"
                );
            }
            if self.harm == Harm::None {
                assert_eq!(own.error, None);
                assert_eq!(own.clean, Some(true));
                let code = own.connection.closed().map(Closed::code);
                assert_eq!(code, Some(CloseCode::Normal));
            }
            if self.harm == Harm::Cut {
                let violation = own.error.as_ref().filter(|error| {
                    error.close_code() != CloseCode::Away && error.close_code() != CloseCode::Policy
                });
                assert_eq!(violation, None, "a cut is no violation");
            }
        }
        Tally {
            messages: self.ends.iter().map(|end| end.received.len()).sum(),
            clean: usize::from(self.ends.iter().all(|end| end.clean == Some(true))),
            cut: usize::from(
                self.ends
                    .iter()
                    .any(|end| end.clean == Some(false) && end.error.is_none()),
            ),
            violations: self
                .ends
                .iter()
                .filter(|end| end.error.as_ref().is_some_and(|error| !is_timeout(error)))
                .count(),
            timeouts: self
                .ends
                .iter()
                .filter(|end| end.error.as_ref().is_some_and(is_timeout))
                .count(),
        }
    }

    /// Checks that the messages before any harm arrived as they were sent, in order.
    fn check_received(&self, own: &End, other: &End, incoming: &Direction) {
        let intact = match incoming.harm {
            Harm::Drop | Harm::Flip if self.fragments => return,
            Harm::Drop | Harm::Flip => other
                .whole_at
                .iter()
                .filter(|end| **end <= incoming.first_harm())
                .count(),
            Harm::None | Harm::Cut => own.received.len(),
        };
        let common = intact.min(own.received.len());
        assert_eq!(
            own.received[..common],
            other.sent[..common],
            "messages arrive intact, in order"
        );
        if self.harm == Harm::None {
            assert_eq!(own.received.len(), other.sent.len(), "all messages arrive");
        }
    }
}

fn is_timeout(error: &ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::UnfinishedMessage { .. }
            | ProtocolError::PongOverdue { .. }
            | ProtocolError::CloseUnanswered { .. }
    )
}
