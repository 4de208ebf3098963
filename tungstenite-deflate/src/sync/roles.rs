//! The two sides of an opening handshake.

use std::fmt;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::time::Instant;

use super::context::is_wait;
use super::machine::HandshakeMachine;
use super::mid_handshake::{HandshakeRole, MidHandshake};
use super::websocket::WebSocket;
use crate::deflate::Agreed;
use crate::handshake::answer::{self, Refusal};
use crate::handshake::body::Framing;
use crate::handshake::client::OpeningHandshake;
use crate::handshake::server::RequestReader;
use crate::options::Options;
use crate::tungstenite::handshake::client::{Request, Response};
use crate::tungstenite::handshake::server::Callback;
use crate::tungstenite::protocol::{Role, WebSocketConfig};
use crate::tungstenite::{Error, Result};

/// The client's side of an opening handshake.
pub struct ClientHandshake<S> {
    opening: OpeningHandshake,
    options: Options,
    stage: ClientStage,
    stream: PhantomData<S>,
}

enum ClientStage {
    /// The head of the response is not whole.
    Head,
    /// It refuses, and its body is awaited until the instant.
    Body {
        response: Box<Response>,
        until: Option<Instant>,
    },
    Accepted {
        response: Response,
        agreed: Option<Agreed>,
    },
}

/// Without the request, whose headers may carry credentials.
impl<S> fmt::Debug for ClientHandshake<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientHandshake")
            .finish_non_exhaustive()
    }
}

impl<S: Read + Write> ClientHandshake<S> {
    /// Starts a handshake: nothing is written before [`MidHandshake::handshake`].
    ///
    /// # Errors
    /// The request opens no WebSocket.
    pub fn start(
        stream: S,
        request: Request,
        config: Option<WebSocketConfig>,
    ) -> Result<MidHandshake<Self>> {
        Self::start_with_options(stream, request, Options::drop_in(config))
    }

    pub(super) fn start_with_options(
        stream: S,
        request: Request,
        options: Options,
    ) -> Result<MidHandshake<Self>> {
        let opening = OpeningHandshake::start(request, &options)?;
        let machine = HandshakeMachine::new(stream, opening.request().to_vec());
        let role = Self {
            opening,
            options,
            stage: ClientStage::Head,
            stream: PhantomData,
        };
        Ok(MidHandshake { role, machine })
    }

    fn receive_head(&mut self, machine: &mut HandshakeMachine<S>) -> Result<()> {
        loop {
            machine.read_more()?;
            match self.opening.receive(&mut machine.buffer) {
                Ok(None) => {}
                Ok(Some((response, agreed))) => {
                    self.stage = ClientStage::Accepted { response, agreed };
                    return Ok(());
                }
                Err(Error::Http(response)) => {
                    let timeout = self.options.limits.head.refusal_timeout;
                    let until = Instant::now().checked_add(timeout);
                    self.stage = ClientStage::Body { response, until };
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads the body of a response that refuses, within the limits; an error of kind `WouldBlock` while there is time.
fn receive_body<S: Read + Write>(
    machine: &mut HandshakeMachine<S>,
    response: &Response,
    until: Option<Instant>,
    max_bytes: usize,
) -> Result<Vec<u8>> {
    let framing = Framing::of(response);
    let is_late = || until.is_some_and(|until| Instant::now() >= until);
    while machine.buffer.len() < max_bytes && !framing.decode(&machine.buffer).1 && !is_late() {
        match machine.read_more() {
            Ok(()) => {}
            Err(Error::Io(error)) if is_wait(&error) && !is_late() => return Err(Error::Io(error)),
            Err(_) => break,
        }
    }
    machine.buffer.truncate(max_bytes);
    Ok(framing.decode(&machine.buffer).0)
}

impl<S: Read + Write> HandshakeRole for ClientHandshake<S> {
    type InternalStream = S;
    type FinalResult = (WebSocket<S>, Response);

    fn advance(&mut self, machine: &mut HandshakeMachine<S>) -> Result<()> {
        machine.flush()?;
        if matches!(self.stage, ClientStage::Head) {
            self.receive_head(machine)?;
        }
        if let ClientStage::Body { response, until } = &mut self.stage {
            let max_bytes = self.options.limits.head.max_refusal_bytes;
            let body = receive_body(machine, response, *until, max_bytes)?;
            let mut response = std::mem::take(response);
            *response.body_mut() = Some(body);
            return Err(Error::Http(response));
        }
        Ok(())
    }

    fn finish(self, machine: HandshakeMachine<S>) -> Self::FinalResult {
        let ClientStage::Accepted { response, agreed } = self.stage else {
            unreachable!("called after the response has accepted the handshake");
        };
        let (stream, part) = machine.into_parts();
        let socket = WebSocket::with_options(stream, part, Role::Client, self.options, agreed);
        (socket, response)
    }
}

/// The server's side of an opening handshake.
pub struct ServerHandshake<S, C> {
    callback: Option<C>,
    options: Options,
    stage: ServerStage,
    stream: PhantomData<S>,
}

enum ServerStage {
    /// The request is not whole; awaited until the instant.
    Head(RequestReader, Option<Instant>),
    /// The answer is queued.
    Accepted(Option<Agreed>),
    Refused(Option<Box<Error>>),
}

impl<S, C> fmt::Debug for ServerHandshake<S, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerHandshake")
            .finish_non_exhaustive()
    }
}

impl<S: Read + Write, C: Callback> ServerHandshake<S, C> {
    /// Starts a handshake: nothing is read before [`MidHandshake::handshake`].
    pub fn start(stream: S, callback: C, config: Option<WebSocketConfig>) -> MidHandshake<Self> {
        Self::start_with_options(stream, callback, Options::drop_in(config))
    }

    pub(super) fn start_with_options(
        stream: S,
        callback: C,
        options: Options,
    ) -> MidHandshake<Self> {
        let machine = HandshakeMachine::new(stream, Vec::new());
        let head = options.limits.head;
        let until = head
            .request_timeout
            .and_then(|limit| Instant::now().checked_add(limit));
        let role = Self {
            callback: Some(callback),
            stage: ServerStage::Head(RequestReader::new(head), until),
            options,
            stream: PhantomData,
        };
        MidHandshake { role, machine }
    }

    /// Reads the request, and queues its answer.
    fn receive_head(&mut self, machine: &mut HandshakeMachine<S>) -> Result<()> {
        let ServerStage::Head(reader, until) = &mut self.stage else {
            return Ok(());
        };
        let is_late = || until.is_some_and(|until| Instant::now() >= until);
        let limit = self.options.limits.head.request_timeout.unwrap_or_default();
        let answer = loop {
            match machine.read_more() {
                Ok(()) => {}
                Err(Error::Io(error)) if is_wait(&error) && is_late() => {
                    break Err(Refusal::overdue(limit));
                }
                Err(error) => return Err(error),
            }
            match reader.receive(&mut machine.buffer) {
                Ok(None) if is_late() => break Err(Refusal::overdue(limit)),
                Ok(None) => {}
                Ok(Some(request)) => {
                    let callback = self.callback.take().expect("there is one request");
                    break answer::accept(&request, callback, self.options.deflate.as_ref());
                }
                Err(rejection) => break Err(Refusal::from(rejection)),
            }
        };
        self.stage = match answer {
            Ok((response, agreed)) => {
                machine.queue(response);
                ServerStage::Accepted(agreed)
            }
            Err(refusal) => {
                machine.queue(refusal.response);
                ServerStage::Refused(Some(refusal.error))
            }
        };
        Ok(())
    }
}

impl<S: Read + Write, C: Callback> HandshakeRole for ServerHandshake<S, C> {
    type InternalStream = S;
    type FinalResult = WebSocket<S>;

    fn advance(&mut self, machine: &mut HandshakeMachine<S>) -> Result<()> {
        self.receive_head(machine)?;
        let flushed = machine.flush();
        if let ServerStage::Refused(refusal) = &mut self.stage {
            return match flushed {
                Err(Error::Io(error)) if is_wait(&error) => Err(Error::Io(error)),
                // The reason of the refusal says more than a failure to write it.
                _ => Err(*refusal.take().expect("a refusal is reported once")),
            };
        }
        flushed
    }

    fn finish(self, machine: HandshakeMachine<S>) -> Self::FinalResult {
        let ServerStage::Accepted(agreed) = self.stage else {
            unreachable!("called after the request was accepted");
        };
        let (stream, part) = machine.into_parts();
        WebSocket::with_options(stream, part, Role::Server, self.options, agreed)
    }
}
