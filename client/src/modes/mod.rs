//! Modes of the program: one file for each, and here their shared parts.

use std::io;

use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};

use crate::close::Ending;
use crate::connect::{Connection, Details, WebSocket};
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use crate::grpc::CallError;
use crate::handshake::checks;
use crate::head::Head;
use crate::output::Output;
use crate::phase::Phase;
use crate::sensitive::{
    shown_request_field, shown_request_line, shown_response_field, shown_target,
};
use crate::tally::agreed_text;
use crate::timeouts::Timeouts;
use crate::tls::TlsReport;
use values::escape::escaped;

pub(crate) mod autobahn;
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are shown with few digits"
)]
pub(crate) mod bench;
pub(crate) mod conversation;
pub(crate) mod count;
pub(crate) mod exchange;
pub(crate) mod grpc;
pub(crate) mod interactive;
mod keyboard;
mod keys;
pub(crate) mod replay;
mod screen;

/// Cause for which a mode ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// No connection came about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection ended before its work was done.
    #[error("{0}")]
    Ended(Ending),
    /// A gRPC call gave no reply.
    #[error("{0}")]
    Call(#[from] CallError),
    /// Standard output or a file failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An input does not make sense.
    #[error("{0}")]
    Usage(String),
    /// Fewer replies than asked for, or others.
    #[error("{0}")]
    Replies(String),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The exit status that tells this cause. A reader of standard output that went away is no failure.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Connect(error) => error.status(),
            // A close with 1000 amid the work is still not the work done.
            Self::Ended(ending) if ending.status() == ExitStatus::Normal => {
                ExitStatus::RepliesMissing
            }
            Self::Ended(ending) => ending.status(),
            Self::Call(error) => error.status(),
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Normal,
            Self::Io(_) => ExitStatus::LocalIo,
            Self::Usage(_) => ExitStatus::Usage,
            Self::Replies(_) => ExitStatus::RepliesMissing,
            Self::Interrupted => ExitStatus::Interrupted,
        }
    }

    /// Returns advice for the user, where there is some.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Connect(error) => Some(error.remedy()).filter(|remedy| !remedy.is_empty()),
            Self::Call(error) => Some(error.remedy()),
            Self::Ended(Ending::Failed(Error::Capacity(_))) => {
                Some("raise --max-message if that size is wanted".into())
            }
            Self::Ended(Ending::Closed(_)) => {
                Some("the server ended it before the reply; see its log".into())
            }
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ended(Ending::Failed(error))
    }
}

/// Sends a message.
///
/// # Errors
/// The connection ended: with the peer's Close, if that has come.
pub(crate) async fn send(connection: &mut Connection, message: Message) -> Result<(), Failure> {
    match connection.stream.send(message).await {
        Ok(()) => Ok(()),
        Err(error) if is_over(&error) => {
            let ending = end_of(&mut connection.stream, Ending::Failed(error)).await;
            Err(Failure::Ended(ending))
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for the next text or binary message.
///
/// # Errors
/// The connection ended first, or the reply time-out passed.
pub(crate) async fn next_data(
    connection: &mut Connection,
    timeouts: &Timeouts,
) -> Result<Message, Failure> {
    let peer = connection.details.target.host_and_port();
    let wait = async {
        loop {
            match connection.stream.next().await {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(message),
                Some(Ok(Message::Close(frame))) => return Err(Ending::Closed(frame)),
                // Pings and Pongs are the library's to answer.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ending::Failed(error)),
                None => return Err(Ending::Lost),
            }
        }
    };
    let waited = match timeouts.get(Phase::Reply) {
        None => wait.await,
        Some(limit) => tokio::time::timeout(limit, wait).await.map_err(|_| {
            Failure::Connect(ConnectError::TimedOut {
                phase: Phase::Reply,
                limit,
                peer,
            })
        })?,
    };
    match waited {
        Ok(message) => Ok(message),
        Err(ending) => Err(Failure::Ended(end_of(&mut connection.stream, ending).await)),
    }
}

/// Goes on to the end of a stream that is ending: the engine still writes its Close and ends TLS. Gives the peer's Close
/// if that is among the last, else `otherwise`. The engine limits the time that this takes.
pub(crate) async fn end_of(stream: &mut WebSocket, otherwise: Ending) -> Ending {
    let mut ending = otherwise;
    while let Some(message) = stream.next().await {
        if let Ok(Message::Close(frame)) = message {
            ending = Ending::Closed(frame);
        }
    }
    ending
}

/// Reports if a message was refused because the connection is ending, and not for its content.
fn is_over(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)
    )
}

/// The Close frame that ends a conversation: 1000 (normal closure).
pub(crate) fn normal_closure() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }
}

/// Makes the closing handshake and waits for the peer's part; data that still comes is dropped.
///
/// # Errors
/// The close time-out passed.
pub(crate) async fn close(
    connection: &mut Connection,
    frame: Option<CloseFrame>,
    timeouts: &Timeouts,
) -> Result<Ending, Failure> {
    let peer = connection.details.target.host_and_port();
    let handshake = async {
        let frame = frame.unwrap_or_else(normal_closure);
        // The peer may have closed already: then its Close frame is what the loop finds.
        let _ = connection.stream.send(Message::Close(Some(frame))).await;
        let mut ending = Ending::Lost;
        while let Some(message) = connection.stream.next().await {
            match message {
                Ok(Message::Close(frame)) => ending = Ending::Closed(frame),
                Err(error) if matches!(ending, Ending::Lost) => ending = Ending::Failed(error),
                Ok(_) | Err(_) => {}
            }
        }
        ending
    };
    match timeouts.get(Phase::Close) {
        None => Ok(handshake.await),
        Some(limit) => tokio::time::timeout(limit, handshake).await.map_err(|_| {
            ConnectError::TimedOut {
                phase: Phase::Close,
                limit,
                peer,
            }
            .into()
        }),
    }
}

/// Tells how the connection ended when that was not by 1000, and the exit status.
pub(crate) fn finish(ending: &Ending, output: &mut Output) -> ExitStatus {
    let status = ending.status();
    if status == ExitStatus::Normal {
        output.detail(&ending.to_string());
    } else {
        let remedy = match ending {
            Ending::Failed(Error::Capacity(_)) => "; raise --max-message if that size is wanted",
            _ => "",
        };
        output.warn(&format!("{ending}{remedy}"));
    }
    status
}

/// With `--verbose`: tells what the connection came to.
pub(crate) fn announce(details: &Details, output: &mut Output) {
    output.set_opened();
    let address = details
        .address
        .map_or_else(String::new, |address| format!(" ({address})"));
    let http = if details.http2 {
        "HTTP/2 (RFC 8441)"
    } else {
        "HTTP/1.1"
    };
    let phases: Vec<String> = details
        .timings
        .iter()
        .map(|(phase, took)| format!("{} {}", phase.name(), crate::duration::show_duration(*took)))
        .collect();
    output.detail(&format!(
        "connected to {}{address} over {http}: {}",
        shown_target(&details.target.to_string()),
        phases.join(", ")
    ));
    if details.is_stripped {
        output.warn(
            "a redirect led to another origin: headers, subprotocols and client certificate were not sent there",
        );
    }
    show_tls(details.tls.as_ref(), output);
    output.detail(&agreed_text(details.agreed));
    for warning in &details.declined {
        output.warn(warning);
    }
    if let Some(subprotocol) = &details.subprotocol {
        let shown = shown_response_field("sec-websocket-protocol", subprotocol);
        output.detail(&format!("subprotocol {}", escaped(&shown)));
    }
}

/// With `--verbose`: tells what TLS came to.
pub(crate) fn show_tls(tls: Option<&TlsReport>, output: &mut Output) {
    if let Some(tls) = tls {
        let group = tls.group.as_deref().unwrap_or("resumed");
        output.detail(&format!("{} with {group} and {}", tls.version, tls.cipher));
        for (index, certificate) in tls.chain.iter().enumerate() {
            let names = escaped(&certificate.names.join(", ")).into_owned();
            output.detail(&format!(
                "certificate {index}: {} for {names}; signed by {}; ends {} ({} days left); {}",
                escaped(&certificate.subject),
                escaped(&certificate.issuer),
                certificate.not_after,
                certificate.days_left,
                certificate.pin,
            ));
        }
    }
}

/// For `--show-handshake`: request and response as they were on the wire, credentials left out, then every check.
pub(crate) fn show_handshake(request: &Head, response: Option<&Head>, output: &mut Output) {
    let request_field =
        |name: &str, value: &str| shown_request_field(name, value, response).into_owned();
    let response_field = |name: &str, value: &str| shown_response_field(name, value).into_owned();
    show_head(">", request, request_field, output);
    let Some(response) = response else {
        output.talk("< (no answer)");
        return;
    };
    show_head("<", response, response_field, output);
    if response.status() == Some(200) && request.first_line.starts_with("CONNECT") {
        return;
    }
    for check in checks(request, response) {
        let Some(seen) = check.failure else {
            output.talk(&format!("ok     {}", check.what));
            continue;
        };
        let remedy = match &*check.remedy {
            "" => String::new(),
            remedy => format!("; {remedy}"),
        };
        let (what, seen) = (check.what, escaped(&seen));
        output.talk(&format!("FAILED {what}: {seen}{remedy}"));
        if response.status() != Some(101) {
            // An answer with another status does not mean to be an upgrade.
            break;
        }
    }
}

fn show_head(
    mark: &str,
    head: &Head,
    shown_field: impl Fn(&str, &str) -> String,
    output: &mut Output,
) {
    let first_line = shown_request_line(&head.first_line);
    output.talk(&format!("{mark} {}", escaped(&first_line)));
    for (name, value) in &head.fields {
        let shown = shown_field(name, value);
        let (name, shown) = (escaped(name), escaped(&shown));
        output.talk(&format!("{mark} {name}: {shown}"));
    }
}
