//! Bodies of responses: counted until they are taken, handed on in pieces.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tungstenite_deflate::MemoryReservation;

use super::http2::{Http2, Stream};
use super::{Account, FREE_BYTES, PAUSE, PIECE_BYTES, Part};

/// The answer where no memory is left for the right one.
fn busy() -> Response<Body> {
    let mut response = Response::new(Body::from(
        "the server has no memory left for this request, try again later\n",
    ));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let fields = response.headers_mut();
    fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Counts the body of `response` until it is taken; where nothing is left for it, [`busy`] is the response.
pub(crate) fn respond(
    response: Response<Body>,
    account: &Account,
    http2: Option<(Arc<Http2>, Arc<Stream>)>,
) -> Response<Body> {
    if response.body().is_end_stream() {
        return response;
    }
    let exact = response.body().size_hint().exact().unwrap_or(0);
    let bytes = usize::try_from(exact).unwrap_or(usize::MAX);
    let mut held = account.budget(Part::Responses).reservation();
    if !fits(&mut held, bytes) {
        let Ok(reserved) = account.reserve().reserve(bytes) else {
            account.refused(Part::Responses);
            return respond(busy(), account, http2);
        };
        held = reserved;
    }
    response.map(|body| {
        Body::new(Sent {
            body,
            piece: Bytes::new(),
            given: 0,
            held,
            account: account.clone(),
            http2,
            waiting: None,
        })
    })
}

/// Makes `held` stand for `bytes`; little things always fit.
fn fits(held: &mut MemoryReservation, bytes: usize) -> bool {
    if bytes <= FREE_BYTES {
        held.resize(bytes);
        return true;
    }
    held.try_resize(bytes).is_ok()
}

/// A response's body on its way out.
struct Sent {
    body: Body,
    /// The rest of the chunk that the body gave.
    piece: Bytes,
    /// Bytes that were given last: they count until more is asked for.
    given: usize,
    held: MemoryReservation,
    account: Account,
    http2: Option<(Arc<Http2>, Arc<Stream>)>,
    /// Runs while there is no memory for the next piece: until when there must be, and the pause before the next look.
    waiting: Option<Box<(Instant, Pin<Box<Sleep>>)>>,
}

impl Sent {
    /// Ready when a piece of `bytes` may go to h2; an error when that takes too long.
    fn poll_give(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
    ) -> Poll<Result<(), axum::Error>> {
        let Some((http2, stream)) = &self.http2 else {
            return Poll::Ready(Ok(()));
        };
        loop {
            if http2.give(bytes).is_ok() {
                stream.waits();
                self.waiting = None;
                return Poll::Ready(Ok(()));
            }
            stream.rests();
            let timeout = self.account.write_timeout();
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::new((Instant::now() + timeout, Box::pin(sleep(PAUSE))))
            });
            ready!(waiting.1.as_mut().poll(context));
            if Instant::now() >= waiting.0 {
                self.account.refused(Part::Output);
                return Poll::Ready(Err(axum::Error::new(super::BodyError::Spent)));
            }
            waiting.1.as_mut().reset(Instant::now() + PAUSE);
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let left = this.held.bytes().saturating_sub(this.given);
        this.held.resize(left);
        this.given = 0;
        while this.piece.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                if let Some((_, stream)) = &this.http2 {
                    stream.rests();
                }
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.piece = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
            let held = this.held.bytes().max(this.piece.len());
            if fits(&mut this.held, held) {
                continue;
            }
            // As for a response whose length is known.
            let Ok(reserved) = this.account.reserve().reserve(held) else {
                this.account.refused(Part::Responses);
                let error = axum::Error::new(super::BodyError::Spent);
                return Poll::Ready(Some(Err(error)));
            };
            this.held = reserved;
        }
        let bytes = this.piece.len().min(PIECE_BYTES);
        ready!(this.poll_give(context, bytes))?;
        this.given = bytes;
        Poll::Ready(Some(Ok(Frame::data(this.piece.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, more) = (self.body.size_hint(), self.piece.len() as u64);
        let mut all = SizeHint::new();
        all.set_lower(hint.lower() + more);
        if let Some(upper) = hint.upper() {
            all.set_upper(upper + more);
        }
        all
    }
}
