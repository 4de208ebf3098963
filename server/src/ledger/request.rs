//! Bodies of requests: counted as they come, given up when they come no more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tungstenite_deflate::MemoryReservation;

use super::http2::Http2;
use super::progress::Pace;
use super::{Account, FREE_BYTES, Part};

/// Bytes of a request's body so far; an extension of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceivedBytes(Arc<AtomicU64>);

impl ReceivedBytes {
    /// Returns the number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The reason for which a body is not received to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The budget of memory is spent.
    #[error("the server has no memory left for this request, try again later")]
    Spent,
    /// The peer made too little progress.
    #[error("the body made too little progress")]
    Stalled,
}

impl BodyError {
    /// Finds out whether `error`, or what caused it, is one of these.
    pub(crate) fn of(error: &axum::Error) -> Option<Self> {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            source = error.source();
        }
        None
    }

    /// As a call's status.
    fn status(self) -> Status {
        match self {
            Self::Spent => Status::resource_exhausted(self.to_string()),
            Self::Stalled => Status::deadline_exceeded(self.to_string()),
        }
    }
}

/// A request's body that is being received.
#[derive(Debug)]
pub(crate) struct Received<B> {
    body: B,
    account: Account,
    held: MemoryReservation,
    pace: Pace,
    keeping: Keeping,
    /// The connection's count of data that nobody has read, and the request's of all.
    counted: Option<(Option<Arc<Http2>>, ReceivedBytes)>,
}

/// The destination of the bytes.
#[derive(Debug)]
enum Keeping {
    /// They are passed on to somebody who counts them.
    Nothing,
    /// All of them are kept until the end.
    Everything,
    /// Those of gRPC's messages are kept until the message is whole.
    Messages(Prefixes),
}

impl<B> Received<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    fn new(body: B, account: &Account, keeping: Keeping) -> Self {
        Self {
            body,
            held: account.budget(Part::Requests).reservation(),
            pace: Pace::new(account.progress()),
            account: account.clone(),
            keeping,
            counted: None,
        }
    }

    /// Wraps the body of a request just as it came.
    ///
    /// Messages of gRPC are counted where they are put together, by [`messages`](Received::messages).
    pub(crate) fn request(
        request: http::Request<B>,
        account: &Account,
        http2: Option<&Arc<Http2>>,
    ) -> http::Request<Body> {
        let (mut head, body) = request.into_parts();
        if body.is_end_stream() {
            return http::Request::from_parts(head, Body::empty());
        }
        let keeping = if is_grpc(&head.headers) {
            Keeping::Nothing
        } else {
            Keeping::Everything
        };
        let bytes = ReceivedBytes::default();
        head.extensions.insert(bytes.clone());
        let mut received = Self::new(body, account, keeping);
        received.counted = Some((http2.cloned(), bytes));
        http::Request::from_parts(head, Body::new(received))
    }
}

impl Received<Body> {
    /// Wraps the body of a call whose messages are put together by whoever reads it.
    pub(crate) fn messages(body: Body, account: &Account) -> Body {
        let keeping = Keeping::Messages(Prefixes::default());
        Body::new(Self::new(body, account, keeping))
    }
}

impl<B> Received<B> {
    /// Counts `data`, which goes to the reader.
    fn keep(&mut self, data: &Bytes) -> Result<(), BodyError> {
        if let Some((http2, bytes)) = &self.counted {
            if let Some(http2) = http2 {
                http2.consumed(data.len() as u64);
            }
            bytes.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        let kept = match &mut self.keeping {
            Keeping::Nothing => return Ok(()),
            Keeping::Everything => self.held.bytes() + data.len(),
            Keeping::Messages(prefixes) => prefixes.pass(data),
        };
        self.pace.moved(data.len());
        if kept == 0 {
            self.pace.stop();
        }
        if kept <= FREE_BYTES {
            self.held.resize(kept);
            return Ok(());
        }
        self.held.try_resize(kept).map_err(|_| {
            self.account.refused(Part::Requests);
            BodyError::Spent
        })
    }

    /// Ready when what is under way has made too little progress.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let under_way = match &self.keeping {
            Keeping::Nothing => false,
            Keeping::Everything => true,
            Keeping::Messages(_) => self.held.bytes() > 0,
        };
        if !under_way {
            return Poll::Pending;
        }
        self.pace.poll_stalled(context).map(|()| {
            self.account.stalled(Part::Requests);
            BodyError::Stalled
        })
    }

    /// The error as the reader understands it.
    fn error(&self, error: BodyError) -> axum::Error {
        match self.keeping {
            Keeping::Messages(_) => axum::Error::new(error.status()),
            Keeping::Nothing | Keeping::Everything => axum::Error::new(error),
        }
    }
}

impl<B> Drop for Received<B> {
    fn drop(&mut self) {
        if let Some((Some(http2), bytes)) = &self.counted {
            http2.dropped(bytes.get());
        }
    }
}

impl<B> HttpBody for Received<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(axum::Error::new(error))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let stalled = this.poll_stalled(context);
                return stalled.map(|error| Some(Err(this.error(error))));
            }
        };
        let kept = frame.data_ref().map_or(Ok(()), |data| this.keep(data));
        Poll::Ready(Some(match kept {
            Ok(()) => Ok(frame),
            Err(error) => Err(this.error(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Tests for gRPC and gRPC-Web.
fn is_grpc(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The prefixes of gRPC's messages, as they pass: one byte for the compression and four for the length.
#[derive(Debug, Default)]
struct Prefixes {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that are there.
    known: usize,
    /// Bytes of the message after it that are there, and that there will be.
    there: usize,
    length: usize,
}

impl Prefixes {
    /// Passes over `bytes`; returns how many of all so far belong to a message that is not whole.
    fn pass(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            if self.known < PREFIX_BYTES {
                let taken = bytes.len().min(PREFIX_BYTES - self.known);
                self.prefix[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
                self.known += taken;
                bytes = &bytes[taken..];
                let [_, length @ ..] = self.prefix;
                self.length = u32::from_be_bytes(length) as usize;
            }
            if self.known == PREFIX_BYTES {
                let taken = bytes.len().min(self.length - self.there);
                self.there += taken;
                bytes = &bytes[taken..];
                if self.there == self.length {
                    (self.known, self.there) = (0, 0);
                }
            }
        }
        self.known + self.there
    }
}

const PREFIX_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_kept_until_they_are_whole() {
        let mut wire = Vec::new();
        let mut kept = Vec::new();
        for length in [0_u32, 1, 300, 0, 70_000, 4] {
            wire.push(0);
            wire.extend(length.to_be_bytes());
            wire.extend(vec![9; length as usize]);
            kept.extend(1..length as usize + PREFIX_BYTES);
            kept.push(0);
        }
        for step in [1, 2, 4, 5, 6, 299, 16_384, wire.len()] {
            let mut prefixes = Prefixes::default();
            let mut passed = 0;
            for part in wire.chunks(step) {
                passed += part.len();
                assert_eq!(prefixes.pass(part), kept[passed - 1], "{passed} of {step}");
            }
        }
    }
}
