//! Opening handshakes that can be interrupted.

use std::fmt;
use std::io::{ErrorKind, Read, Write};

use super::machine::HandshakeMachine;
use crate::tungstenite::Error;

/// An opening handshake that waits for its stream.
#[derive(Debug)]
pub struct MidHandshake<Role: HandshakeRole> {
    pub(super) role: Role,
    pub(super) machine: HandshakeMachine<Role::InternalStream>,
}

impl<Role: HandshakeRole> MidHandshake<Role> {
    /// Returns what holds the stream.
    pub fn get_ref(&self) -> &HandshakeMachine<Role::InternalStream> {
        &self.machine
    }

    /// Returns what holds the stream.
    pub fn get_mut(&mut self) -> &mut HandshakeMachine<Role::InternalStream> {
        &mut self.machine
    }

    /// Goes on with the handshake.
    ///
    /// # Errors
    /// [`HandshakeError::Interrupted`] if the stream would block again, [`HandshakeError::Failure`] if the handshake
    /// failed.
    pub fn handshake(mut self) -> Result<Role::FinalResult, HandshakeError<Role>> {
        match self.role.advance(&mut self.machine) {
            Ok(()) => Ok(self.role.finish(self.machine)),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                Err(HandshakeError::Interrupted(self))
            }
            Err(error) => Err(HandshakeError::Failure(error)),
        }
    }
}

/// The side of an opening handshake: [`ClientHandshake`](super::ClientHandshake) or
/// [`ServerHandshake`](super::ServerHandshake).
pub trait HandshakeRole {
    #[doc(hidden)]
    type InternalStream: Read + Write;
    #[doc(hidden)]
    type FinalResult;

    /// Continues the handshake as far as the stream permits.
    #[doc(hidden)]
    fn advance(
        &mut self,
        machine: &mut HandshakeMachine<Self::InternalStream>,
    ) -> Result<(), Error>;

    /// Called once, after [`advance`](Self::advance) has returned `Ok`.
    #[doc(hidden)]
    fn finish(self, machine: HandshakeMachine<Self::InternalStream>) -> Self::FinalResult;
}

/// An opening handshake that is not done.
pub enum HandshakeError<Role: HandshakeRole> {
    /// The stream would block: go on by [`MidHandshake::handshake`] when it is ready.
    Interrupted(MidHandshake<Role>),
    /// The handshake failed.
    Failure(Error),
}

impl<Role: HandshakeRole> fmt::Debug for HandshakeError<Role> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted(_) => formatter.write_str("HandshakeError::Interrupted(...)"),
            Self::Failure(error) => write!(formatter, "HandshakeError::Failure({error:?})"),
        }
    }
}

impl<Role: HandshakeRole> fmt::Display for HandshakeError<Role> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted(_) => formatter.write_str("Interrupted handshake (WouldBlock)"),
            Self::Failure(error) => error.fmt(formatter),
        }
    }
}

impl<Role: HandshakeRole> std::error::Error for HandshakeError<Role> {}

impl<Role: HandshakeRole> From<Error> for HandshakeError<Role> {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}
