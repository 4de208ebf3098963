//! A path that speaks WebSocket, and who serves its connections; it imports no route.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tungstenite_deflate::{Options, WebSocketStream};

use crate::connection::ConnectionInfo;
use crate::metrics::{Metrics, Traffic};
use crate::stream::ServerStream;

/// A running handler.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves the connections of a path.
pub(crate) type Handler =
    Arc<dyn Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> Running + Send + Sync>;

/// A path with one handler for all of its connections.
#[derive(Clone)]
pub(crate) struct WebSocketRoute {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) handler: Handler,
}

/// A path that speaks WebSocket, made once; whoever opens a connection on it brings the handler.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The path, as axum writes it; also its name in metrics and logs.
    pub(crate) path: &'static str,
    /// Supported subprotocols in order of preference.
    pub(crate) protocols: &'static [&'static str],
    /// Called when a request has passed all checks.
    pub(crate) greeting: Option<fn()>,
    /// Runs the handler within the connection's span; a handler without enters it to log.
    pub(crate) spans: bool,
    /// Maximum message size in bytes, where it is smaller than the server's.
    max_message_bytes: Option<usize>,
    /// Its options, once the first connection has made them.
    options: OnceLock<Arc<Options>>,
    /// Its counters, once the first connection has looked them up.
    traffic: OnceLock<Traffic>,
}

impl WebSocketRoute {
    /// Serves each connection of `endpoint` by `handler`.
    pub(crate) fn new<H, F>(endpoint: Endpoint, handler: H) -> Self
    where
        H: Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            endpoint: Arc::new(endpoint),
            handler: Arc::new(move |socket, info| Box::pin(handler(socket, info))),
        }
    }
}

impl Endpoint {
    /// A path with the server's limits and without greeting.
    pub(crate) fn new(path: &'static str, protocols: &'static [&'static str]) -> Self {
        Self {
            path,
            protocols,
            greeting: None,
            spans: true,
            max_message_bytes: None,
            options: OnceLock::new(),
            traffic: OnceLock::new(),
        }
    }

    /// Lowers the maximum message size to `bytes`.
    pub(crate) fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = Some(bytes);
        self
    }

    /// Leaves it to the handler to enter the connection's span.
    pub(crate) fn without_span(mut self) -> Self {
        self.spans = false;
        self
    }

    /// Calls `greeting` when a request has passed all checks.
    pub(crate) fn greeting(mut self, greeting: fn()) -> Self {
        self.greeting = Some(greeting);
        self
    }

    /// The counters of its messages.
    pub(crate) fn traffic(&self, metrics: &Metrics) -> Traffic {
        let traffic = || metrics.traffic(self.path);
        self.traffic.get_or_init(traffic).clone()
    }

    /// The options of its connections: the server's, with a smaller limit where it has one.
    pub(crate) fn options(&self, server: &Arc<Options>) -> Arc<Options> {
        let Some(max) = self.max_message_bytes else {
            return Arc::clone(server);
        };
        let options = || Arc::new(limited(Options::clone(server), max));
        Arc::clone(self.options.get_or_init(options))
    }
}

/// `options` with messages of at most `max` bytes.
fn limited(options: Options, max: usize) -> Options {
    let websocket = options.websocket;
    let max = websocket.max_message_size.map_or(max, |all| all.min(max));
    let websocket = websocket
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    options.websocket(websocket)
}

impl fmt::Debug for WebSocketRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRoute")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
