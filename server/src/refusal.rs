//! Responses to connections that exceed a limit (R1, H17).

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tracing::{Instrument, info_span};

use crate::accept::Acceptor;
use crate::arrival::Arrival;
use crate::client_stream::ClientStream;
use crate::ledger::Wire;
use crate::limits::Full;
use crate::log::{Reason, RequestLine, failure};
use crate::peer::Peer;
use crate::socket::Socket;

impl Acceptor {
    /// Tells a connection that there is no room for it, if it can be done for little: its first request is answered
    /// and then it is closed.
    ///
    /// So many at once get a response, each within [`REFUSAL_TIMEOUT`]; the others are closed unanswered.
    pub(crate) fn refuse(self: Arc<Self>, socket: Socket, arrival: Arrival, full: Full) {
        let limit = full.limit();
        let peer = arrival.peer;
        self.refused(limit);
        failure!(INFO, %peer, proxy = peer.proxy(), limit, "connection refused: the limit is reached");
        let Ok(slot) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        let drain = self.drain.clone();
        let telling = async move {
            let _slot = slot;
            let telling = self.tell(socket, arrival, full);
            // A peer that does not want to know is closed all the same.
            let _ = tokio::time::timeout(REFUSAL_TIMEOUT, telling).await;
        };
        drain.spawn(telling.instrument(info_span!("refusal", %peer, proxy = peer.proxy())));
    }

    /// Answers the first request.
    async fn tell(&self, mut socket: Socket, mut arrival: Arrival, full: Full) {
        if self.trust.sends_header(arrival.peer) {
            match self.unwrap_header(&mut socket, arrival).await {
                Some(unwrapped) => arrival = unwrapped,
                None => return,
            }
        }
        if let Some((stream, http2)) = self.open_stream(socket, arrival).await {
            self.answer_one(stream, arrival.peer, http2, full).await;
        }
    }

    /// Answers one request over `stream` and ends it, so that the answer arrives whatever the peer still sends.
    async fn answer_one(&self, stream: ClientStream, peer: Peer, http2: bool, full: Full) {
        let has_access_log = self.has_access_log();
        let stream = Wire::new(stream, &self.ledger.account());
        // The log has its line on the connection already.
        let respond = move |request: http::Request<Incoming>| {
            let response = full.response(request.version());
            if has_access_log {
                RequestLine::of(&request, peer).access(response)
            } else {
                response
            }
        };
        answer(stream, http2, respond).await;
    }
}

impl Full {
    /// The limit, as metrics and logs name it.
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }

    /// The answer to whatever is asked.
    fn response(self, version: Version) -> Response<Body> {
        let mut response = self.answer(match self {
            Self::Total => {
                "the server holds as many connections as it may (--max-connections); try again later\n"
            }
            Self::Address => {
                "your address holds as many connections as it may (--max-connections-per-address); close one first\n"
            }
        });
        let fields = response.headers_mut();
        if version != Version::HTTP_2 {
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The answer to a request for one more WebSocket.
    pub(crate) fn websocket_response(self) -> Response<Body> {
        self.answer(self.stream_text())
    }

    /// The refusal of one more WebSocket or gRPC stream, as a line.
    pub(crate) fn stream_text(self) -> &'static str {
        match self {
            Self::Total => {
                "the server holds as many WebSockets and gRPC streams as it may (--max-websockets); try again later\n"
            }
            Self::Address => {
                "your address holds as many WebSockets and gRPC streams as it may (--max-websockets-per-address); close one first\n"
            }
        }
    }

    /// The status and when to try again, with `text`.
    fn answer(self, text: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::from(text));
        response.extensions_mut().insert(Reason(text.into()));
        *response.status_mut() = match self {
            Self::Total => StatusCode::SERVICE_UNAVAILABLE,
            Self::Address => StatusCode::TOO_MANY_REQUESTS,
        };
        let fields = response.headers_mut();
        fields.insert(RETRY_AFTER, RETRY_SECONDS);
        fields.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// Answers one request over `stream` and ends it.
async fn answer<I, F>(stream: I, http2: bool, respond: F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(http::Request<Incoming>) -> Response<Body>,
{
    let answered = Arc::new(Notify::new());
    let notify = Arc::clone(&answered);
    let service = service_fn(move |request: http::Request<Incoming>| {
        notify.notify_one();
        let response = respond(request);
        async move { Ok::<_, Infallible>(response) }
    });
    let stream = TokioIo::new(stream);
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(1)
            .max_header_list_size(16 * 1024)
            // Else a client that wants a WebSocket would not even ask (RFC 8441 §3).
            .enable_connect_protocol();
        let mut serving = pin!(builder.serve_connection(stream, service));
        tokio::select! {
            _ = serving.as_mut() => {}
            () = answered.notified() => {
                serving.as_mut().graceful_shutdown();
                let _ = serving.await;
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).keep_alive(false);
        let _ = builder.serve_connection(stream, service).await;
    }
}

/// Longest time for the handshake, the request and the answer of a connection for which there is no room.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
/// Value of Retry-After. When there will be capacity is unknown; some seconds keep clients from asking all the time.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
