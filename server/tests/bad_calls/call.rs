//! One call as bytes, what must become of it, and what became of it.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as ProstMessage;
use server::grpc::proto::Response as Reply;
use server::grpc::proto_v2::Event;
use server::grpc::proto_v2::event::Kind;
use tonic::Code;

use crate::common::{Running, soon, start};
use crate::random::Random;
use crate::{SEED, fields, prefixes};

/// Where the tutorial's method is.
pub const TUTORIAL: &str = "/chat.ChatService/SendMessage";

/// Longest message that the server of these tests takes, in bytes, and longest text in a room.
pub const MOST_BYTES: usize = 4096;
pub const MOST_TEXT_BYTES: usize = 2048;

/// A call.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub expected: Outcome,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An HTTP status other than 200: it is no call.
    Refused(u16),
    /// A gRPC status other than `OK`.
    Failed(Code),
    /// `OK`.
    Done,
    /// `OK`, and the tutorial's reply to this text.
    Replied(String),
    /// `OK`, and these codes of errors among the events, sorted.
    Conversed(Vec<String>),
}

/// What the connection speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Call {
    /// A call of `path` that is right as far as its head goes.
    pub fn new(path: &str, body: Vec<u8>, expected: Outcome) -> Self {
        let fields = [("content-type", "application/grpc"), ("te", "trailers")];
        Self {
            method: Method::POST,
            path: path.to_owned(),
            fields: fields.map(|(name, value)| (name, value.to_owned())).into(),
            body,
            expected,
        }
    }

    /// A call of the tutorial's method with a message and what it is worth.
    pub fn tutorial((message, expected): (Vec<u8>, Outcome)) -> Self {
        Self::new(TUTORIAL, prefixes::prefixed(&message), expected)
    }

    /// A call of the tutorial's method with nothing wrong.
    pub fn good(random: &mut Random) -> Self {
        let text = fields::text(random);
        let message = [fields::string(1, "Alice"), fields::string(2, &text)];
        Self::tutorial((message.concat(), Outcome::Replied(text)))
    }

    fn is_good(&self) -> bool {
        !matches!(self.expected, Outcome::Refused(_) | Outcome::Failed(_))
            && !matches!(&self.expected, Outcome::Conversed(errors) if !errors.is_empty())
    }

    /// The request, its body cut into pieces that depend on `number` alone.
    fn request(&self, protocol: Protocol, number: u64) -> Request<Sending> {
        let random = &mut Random(number);
        let largest = random.pick(&[1, 7, 100, 10_000]);
        let (mut pieces, mut rest) = (Vec::new(), self.body.as_slice());
        while !rest.is_empty() {
            // A body in single bytes would take most of the time.
            let least = self.body.len().div_ceil(50);
            let (piece, more) = rest.split_at(rest.len().min(least + random.below(largest)));
            pieces.push(Ok(Frame::data(Bytes::copy_from_slice(piece))));
            rest = more;
        }
        let mut request = Request::builder().method(self.method.clone());
        request = match protocol {
            Protocol::Http1 => request.uri(&self.path).header("host", "localhost"),
            Protocol::Http2 => request.uri(format!("https://localhost{}", self.path)),
        };
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        request.body(StreamBody::new(stream::iter(pieces))).unwrap()
    }
}

/// A body in pieces.
type Sending = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

/// A client's side of a connection.
enum Sender {
    Http1(http1::SendRequest<Sending>),
    Http2(http2::SendRequest<Sending>),
}

impl Sender {
    async fn dial(server: &Running, protocol: Protocol) -> Self {
        let name = match protocol {
            Protocol::Http1 => "http/1.1",
            Protocol::Http2 => "h2",
        };
        let stream = TokioIo::new(server.tls(&[name]).await);
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = soon(http1::handshake(stream)).await.unwrap();
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Protocol::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), stream);
                let (sender, connection) = soon(handshake).await.unwrap();
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    /// Whether the connection takes a further call.
    async fn goes_on(&mut self) -> bool {
        let ready = async {
            match self {
                Self::Http1(sender) => sender.ready().await,
                Self::Http2(sender) => sender.ready().await,
            }
        };
        soon(ready).await.is_ok()
    }

    /// What becomes of `call`.
    async fn outcome(&mut self, call: &Call, number: u64) -> Result<Outcome, String> {
        if !self.goes_on().await {
            return Err("the connection has ended".to_owned());
        }
        let response = match self {
            Self::Http1(sender) => {
                soon(sender.send_request(call.request(Protocol::Http1, number))).await
            }
            Self::Http2(sender) => {
                soon(sender.send_request(call.request(Protocol::Http2, number))).await
            }
        };
        let (head, body) = response.map_err(|error| error.to_string())?.into_parts();
        let body = soon(body.collect()).await;
        let body = body.map_err(|error| format!("{}, and then {error}", head.status))?;
        if head.status != StatusCode::OK {
            return Ok(Outcome::Refused(head.status.as_u16()));
        }
        let mut trailers = body.trailers().cloned().unwrap_or_default();
        let mut messages = prefixes::messages(&body.to_bytes())?;
        if let Some((0x80, web)) = messages.last() {
            for line in String::from_utf8_lossy(web).lines() {
                if let Some(status) = line.strip_prefix("grpc-status:") {
                    trailers.insert("grpc-status", status.parse().unwrap());
                }
            }
            messages.pop();
        }
        let status = head.headers.get("grpc-status");
        let status = status.or_else(|| trailers.get("grpc-status"));
        let code = Code::from_bytes(status.ok_or("no grpc-status")?.as_bytes());
        Ok(match (code, &call.expected) {
            (Code::Ok, Outcome::Replied(_)) => Outcome::Replied(replied(&messages)?),
            (Code::Ok, Outcome::Conversed(_)) => Outcome::Conversed(errors(&messages)?),
            (Code::Ok, _) => Outcome::Done,
            (code, _) => Outcome::Failed(code),
        })
    }
}

/// The text that the tutorial's only reply repeats.
fn replied(messages: &[(u8, Vec<u8>)]) -> Result<String, String> {
    let [(0, reply)] = messages else {
        return Err(format!("not one reply: {messages:?}"));
    };
    let reply = Reply::decode(reply.as_slice()).map_err(|error| error.to_string())?;
    let text = reply.reply.strip_prefix("Mensagem recebida: ");
    text.map(str::to_owned).ok_or(reply.reply.clone())
}

/// The codes of errors among events.
fn errors(messages: &[(u8, Vec<u8>)]) -> Result<Vec<String>, String> {
    let mut codes = Vec::new();
    for (_, message) in messages {
        let event = Event::decode(message.as_slice()).map_err(|error| error.to_string())?;
        if let Some(Kind::Error(error)) = event.kind {
            codes.push(error.code);
        }
    }
    // What is refused at once may be told of before what had to be tried.
    codes.sort_unstable();
    Ok(codes)
}

/// Makes calls until `number` of them are bad, sends each, and prints what `scripts/bad-inputs` reads.
///
/// Over HTTP/2 they share a connection, which has to bear all of them.
pub async fn judge(
    what: &str,
    protocol: Protocol,
    number: usize,
    mut make: impl FnMut(&mut Random) -> Call,
) {
    let (most, most_text) = (MOST_BYTES.to_string(), MOST_TEXT_BYTES.to_string());
    let flags = [
        "--max-message-bytes",
        &most,
        "--rooms-max-text-bytes",
        &most_text,
    ];
    let rates = ["--rooms-burst", "1000000", "--rooms-per-second", "1000000"];
    let server = &start(&[flags, rates].concat()).await;
    let random = &mut Random(SEED);
    let (mut calls, mut bad) = (Vec::new(), 0);
    while bad < number {
        let call = make(random);
        bad += usize::from(!call.is_good());
        calls.push(call);
    }
    let good = calls.len() - bad;
    let wrong = match protocol {
        Protocol::Http2 => shared(server, &calls).await,
        Protocol::Http1 => alone(server, &calls).await,
    };
    println!(
        "{bad} bad inputs: {what}, {} wrong; beside them {good} good ones",
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    let mut canary = Sender::dial(server, Protocol::Http2).await;
    let call = Call::good(random);
    assert_eq!(canary.outcome(&call, 0).await, Ok(call.expected));
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("\nwss_http_handler_panics_total 0\n"),
        "{metrics}"
    );
}

/// Sends all calls over one connection, some at once; tells of those that came to something else.
async fn shared(server: &Running, calls: &[Call]) -> Vec<String> {
    let Sender::Http2(sender) = Sender::dial(server, Protocol::Http2).await else {
        unreachable!("that was asked for")
    };
    let judged = stream::iter((0..).zip(calls)).map(|(number, call)| {
        let mut sender = Sender::Http2(sender.clone());
        async move { told(number, call, &sender.outcome(call, number).await) }
    });
    judged
        .buffer_unordered(16)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Sends them one after the other over HTTP/1.1, where a connection may end behind a call that is refused.
async fn alone(server: &Running, calls: &[Call]) -> Vec<String> {
    let parts = calls.chunks(calls.len().div_ceil(4)).enumerate();
    let judged = parts.map(|(part, calls)| async move {
        let mut wrong = Vec::new();
        let mut sender = Sender::dial(server, Protocol::Http1).await;
        for (number, call) in (part as u64 * 1_000_000..).zip(calls) {
            if !sender.goes_on().await {
                sender = Sender::dial(server, Protocol::Http1).await;
            }
            wrong.extend(told(number, call, &sender.outcome(call, number).await));
        }
        wrong
    });
    futures_util::future::join_all(judged).await.concat()
}

/// What is to be said of a call, if it came to something else than expected.
fn told(number: u64, call: &Call, seen: &Result<Outcome, String>) -> Option<String> {
    let is_right = seen.as_ref() == Ok(&call.expected);
    (!is_right).then(|| format!("{number}: {seen:?} of {call:02x?}"))
}
