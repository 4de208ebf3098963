//! A client's side of a connection, and what becomes of the calls that it sends.

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as ProstMessage;
use server::grpc::proto::Response as Reply;
use server::grpc::proto_v2::Event;
use server::grpc::proto_v2::event::Kind;
use tonic::Code;

use crate::call::{Call, Outcome, Protocol, Sending};
use crate::common::{Running, soon};
use crate::prefixes;

/// A client's side of a connection.
pub enum Sender {
    Http1(http1::SendRequest<Sending>),
    Http2(http2::SendRequest<Sending>),
}

impl Sender {
    pub async fn dial(server: &Running, protocol: Protocol) -> Self {
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

    /// Returns true if the connection takes a further call.
    pub async fn goes_on(&mut self) -> bool {
        let ready = async {
            match self {
                Self::Http1(sender) => sender.ready().await,
                Self::Http2(sender) => sender.ready().await,
            }
        };
        soon(ready).await.is_ok()
    }

    /// Returns the outcome of `call`.
    pub async fn outcome(&mut self, call: &Call, number: u64) -> Result<Outcome, String> {
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
    // What is refused at once may be reported before what had to be tried.
    codes.sort_unstable();
    Ok(codes)
}
