//! The states of a connection; nothing here reads or writes.

use std::sync::Arc;

use rustls::Error;
use rustls::server::UnbufferedServerConnection;

use crate::queue::Queue;
use crate::server_name::NamedResolver;

/// The server's side of TLS over `S`.
///
/// The end of `S` without a `close_notify` is an error when reading ([`std::io::ErrorKind::UnexpectedEof`]), since what came
/// before may have been cut. An error of TLS is an [`std::io::Error`] with the [`rustls::Error`] in it, and lasts; the alert
/// that tells the peer is written if `S` takes it at once, else by shutting down.
///
/// All state is in the value: futures that read, write or shut down may be dropped.
pub struct TlsStream<S> {
    pub(crate) stream: S,
    pub(crate) session: UnbufferedServerConnection,
    /// Received and not yet processed: the beginning of a record, or what a reader had no capacity for.
    pub(crate) received: Queue,
    /// Decrypted, for which a reader had no capacity.
    pub(crate) plaintext: Queue,
    /// Records that the stream has not taken.
    pub(crate) sealed: Queue,
    /// Bytes received since the stream last had none, or the task last yielded.
    pub(crate) unyielded: usize,
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) sending: Sending,
    /// The error of TLS after which nothing more goes in or out.
    pub(crate) failure: Option<Box<Error>>,
    /// Knows the server that the client named (SNI); gone when that has been taken.
    pub(crate) named: Option<Arc<NamedResolver>>,
}

/// The peer's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Everything whole that was received is processed.
    Open,
    /// Whole records may be among what was received, since the reader was full.
    Backlog,
    /// The peer has sent its `close_notify`.
    Ended,
}

/// Records that wait to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// There are none, or some of rustls' own that the stream was not offered.
    Fresh,
    /// Records of rustls' own are held back for a turn, to go out with what is written in it.
    Deferred,
    /// The stream did not take them when it was asked last.
    Stalled,
}

/// Our direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Open,
    /// Our `close_notify` is on its way, or has arrived.
    Closing,
    /// The stream has failed, so that nobody is there to receive anything.
    Broken,
}

impl<S> TlsStream<S> {
    /// Returns what rustls knows of the connection.
    pub fn session(&self) -> &UnbufferedServerConnection {
        &self.session
    }

    /// Returns the stream under TLS.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the stream under TLS, to be used only when nothing more is to be read or written through TLS.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the number of bytes that are sealed and that the stream has not taken.
    pub fn sealed_bytes(&self) -> usize {
        self.sealed.len()
    }

    /// Takes the server's name as the client gave it (SNI).
    pub fn take_server_name(&mut self) -> Option<Box<str>> {
        self.named.take()?.name().map(Box::from)
    }
}

impl<S> std::fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream")
            .field("input", &self.input)
            .field("output", &self.output)
            .field("sending", &self.sending)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
