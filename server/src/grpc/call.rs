//! The bounds of one call: its deadline, the server's end, the status it ends with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status};

use super::services::METHODS;
use crate::context::Context;
use crate::drain::Departing;
use crate::ledger::{Account, Received, ReceivedBytes};
use crate::metrics::{CallLabels, Metrics};

/// Runs a call within its bounds.
///
/// A client's `grpc-timeout` is kept from the arrival of the request's head to the end of the response. Beside it,
/// the first of the response must be there within the time that a message may take, counted anew as long as the
/// request's body makes progress; a request whose body does not come would wait for ever. What runs longer ends with `DEADLINE_EXCEEDED`, and its handler is dropped.
///
/// At the server's end, responses under way that wait for something end with `UNAVAILABLE`, at their share of
/// the drain window; whatever can be finished is.
pub(super) async fn bound(
    State(context): State<Arc<Context>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let now = Instant::now();
    let mut count = Count::new(&context.metrics, request.uri().path());
    let timeout = match timeout(request.headers()) {
        Ok(timeout) => timeout,
        Err(status) => return count.finished(status),
    };
    // What lies beyond the clock's end is no deadline.
    let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
    let received = request.extensions().get::<ReceivedBytes>().cloned();
    let account = request.extensions().get::<Account>().cloned();
    let request = match &account {
        Some(account) => request.map(|body| Received::messages(body, account)),
        None => request,
    };
    let first = Waiting {
        deadline,
        patience: context.grpc_timeout,
        received: received.unwrap_or_default(),
    };
    let Some(mut response) = first.run(next.run(request)).await else {
        return count.finished(exceeded());
    };
    correct(response.headers_mut());
    if response.body().is_end_stream() {
        count.ended_with(response.headers());
        return response;
    }
    let departure = context.drain.departure().reached();
    response.map(|body| {
        Body::new(Bounded {
            body,
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            departure,
            over: false,
            count,
        })
    })
}

/// The wait for the first of a response.
struct Waiting {
    /// The client's.
    deadline: Option<Instant>,
    /// The time without progress of the request's body.
    patience: Option<Duration>,
    received: ReceivedBytes,
}

impl Waiting {
    /// Waits for `answer` for as long as it may.
    async fn run<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let received = self.received.get();
            let patience = self
                .patience
                .and_then(|time| Instant::now().checked_add(time));
            let Some(latest) = self.deadline.into_iter().chain(patience).min() else {
                return Some(answer.await);
            };
            if let Ok(answer) = tokio::time::timeout_at(latest, answer.as_mut()).await {
                return Some(answer);
            }
            // How much is enough is judged where the body is read.
            let overdue = self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now());
            if overdue || self.received.get() == received {
                return None;
            }
        }
    }
}

/// A response's body that ends in time.
struct Bounded {
    body: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Resolves when this call has to go with the server.
    departure: Departing,
    over: bool,
    count: Count,
}

impl Bounded {
    /// The body's last frame: `status` in place of what it would have been.
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.over = true;
        let mut trailers = HeaderMap::new();
        // A text of ours always fits into a header.
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
        }
        self.count.ended_with(&trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return self.end(&exceeded());
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => match Pin::new(&mut self.departure).poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => self.end(&Status::unavailable("the server is shutting down")),
            },
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    correct(trailers);
                    self.over = true;
                    self.count.ended_with(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // The end may come before all of it.
        SizeHint::default()
    }
}

/// A call in the metrics, counted once with the status it ended with; without one the client has gone.
struct Count {
    metrics: Metrics,
    labels: CallLabels,
}

impl Count {
    fn new(metrics: &Metrics, path: &str) -> Self {
        let method = METHODS.iter().find(|&&method| method == path);
        Self {
            metrics: metrics.clone(),
            labels: CallLabels {
                method: method.copied().unwrap_or("other"),
                code: Code::Cancelled as i32,
            },
        }
    }

    /// Notes the status that `headers` or trailers carry.
    fn ended_with(&mut self, headers: &HeaderMap) {
        self.labels.code = headers
            .get(Status::GRPC_STATUS)
            .map_or(Code::Unknown, |status| Code::from_bytes(status.as_bytes()))
            as i32;
    }

    /// The whole response to a call that ends before it gave one.
    fn finished(&mut self, status: Status) -> Response<Body> {
        self.labels.code = status.code() as i32;
        status.into_http::<tonic::body::Body>().map(Body::new)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics.grpc_calls.get_or_create(&self.labels).inc();
    }
}

/// Says what gRPC says where tonic says something else: a message beyond the limit is `RESOURCE_EXHAUSTED`.
fn correct(headers: &mut HeaderMap) {
    let out_of_range = headers
        .get(Status::GRPC_STATUS)
        .is_some_and(|status| Code::from_bytes(status.as_bytes()) == Code::OutOfRange);
    let too_large = || {
        headers
            .get(Status::GRPC_MESSAGE)
            .and_then(|message| message.to_str().ok())
            .is_some_and(|message| message.contains("message%20length%20too%20large"))
    };
    if out_of_range && too_large() {
        headers.insert(
            Status::GRPC_STATUS,
            HeaderValue::from(Code::ResourceExhausted as i32),
        );
    }
}

/// The status of a call whose time is up.
fn exceeded() -> Status {
    Status::deadline_exceeded("the call took longer than it may")
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let wrong = || {
        Status::invalid_argument(
            "grpc-timeout must be one to eight digits with one of the units H, M, S, m, u, n",
        )
    };
    let text = value.to_str().map_err(|_| wrong())?;
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let timeout = match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return Err(wrong()),
    };
    Ok(Some(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the time that a `grpc-timeout` of `text` allows.
    fn parsed(text: &str) -> Result<Option<Duration>, Code> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_str(text).unwrap());
        timeout(&headers).map_err(|status| status.code())
    }

    #[test]
    fn timeouts_are_read_with_their_unit() {
        for (text, nanoseconds) in [
            ("1n", 1),
            ("20u", 20_000),
            ("300m", 300_000_000),
            ("4S", 4_000_000_000),
            ("0S", 0),
            ("5M", 300_000_000_000),
            ("99999999H", 99_999_999 * 3_600_000_000_000_u128),
        ] {
            let seen = parsed(text).unwrap().unwrap().as_nanos();
            assert_eq!(seen, nanoseconds, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            " 1S",
            "123456789S",
            "1 S",
            "1SS",
        ] {
            assert_eq!(parsed(text), Err(Code::InvalidArgument), "{text}");
        }
    }

    #[test]
    fn only_too_large_messages_change_their_status() {
        let text =
            "Error, decoded message length too large: found 2000 bytes, the limit is: 1024 bytes";
        for (status, expected) in [
            (Status::out_of_range(text), Code::ResourceExhausted),
            (Status::out_of_range("beyond the end"), Code::OutOfRange),
            (Status::internal(text), Code::Internal),
        ] {
            let mut headers = HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            correct(&mut headers);
            assert_eq!(Status::from_header_map(&headers).unwrap().code(), expected);
        }
    }
}
