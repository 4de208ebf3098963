//! One call as bytes, and what must become of it.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tonic::Code;

use crate::random::Random;
use crate::{fields, prefixes};

/// Path of the tutorial's method.
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

/// Outcome of a call.
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

/// Protocol of the connection.
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

    /// Returns true if nothing is wrong with it.
    pub fn is_good(&self) -> bool {
        !matches!(self.expected, Outcome::Refused(_) | Outcome::Failed(_))
            && !matches!(&self.expected, Outcome::Conversed(errors) if !errors.is_empty())
    }

    /// The request, its body cut into pieces that depend on `number` alone.
    pub fn request(&self, protocol: Protocol, number: u64) -> Request<Sending> {
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
pub type Sending = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;
