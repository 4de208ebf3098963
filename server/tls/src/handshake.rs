//! The handshake.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::queue::Queue;
use crate::server_name::NamedResolver;
use crate::session::invalid;
use crate::state::{Input, Output, Sending, TlsStream};

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Creates the server's side of TLS before its handshake.
    ///
    /// # Errors
    /// `config` cannot be used.
    pub fn new(config: &ServerConfig, stream: S) -> io::Result<Self> {
        let (named, config) = NamedResolver::install(config);
        Ok(Self {
            stream,
            session: UnbufferedServerConnection::new(config).map_err(invalid)?,
            received: Queue::default(),
            plaintext: Queue::default(),
            sealed: Queue::default(),
            unyielded: 0,
            input: Input::Open,
            output: Output::Fresh,
            sending: Sending::Open,
            failure: None,
            named: Some(named),
        })
    }

    /// Does the handshake with the peer. Deadlines are the caller's.
    ///
    /// After an error, shutting down sends the rest of the alert and ends the sending side. The peer may be sending still:
    /// whoever drops the stream with bytes unread makes TCP reset the connection, which can cost the peer the alert.
    ///
    /// Cancel safe: another call goes on where a dropped one left off.
    ///
    /// # Errors
    /// The handshake failed, or the stream under it did.
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_handshake(context)).await
    }

    /// Reads and answers until the handshake is done. The session ticket then still waits for the first write, or for a
    /// turn without one in which there is nothing to read.
    pub(crate) fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() {
            ready!(self.poll_send(context))?;
            if ready!(self.poll_receive(context, None))? == 0 {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection ended within the handshake",
                )));
            }
        }
        Poll::Ready(Ok(()))
    }
}
