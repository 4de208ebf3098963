//! Who answers a request: the WebSocket route of its path, or else the router.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response};
use tower::ServiceExt;
use tracing::Instrument;

use crate::connection::Peer;
use crate::context::Context;
use crate::request::objection;
use crate::route::WebSocketRoute;
use crate::router;
use crate::upgrade;

/// Every path of the server.
///
/// A WebSocket's opening handshake is answered without a detour over the router, whose boxes and futures cost as much as
/// all the checks of the request.
#[derive(Debug)]
pub(crate) struct Table {
    context: Arc<Context>,
    /// The WebSocket routes whose path is what a request writes.
    websockets: HashMap<&'static str, WebSocketRoute>,
    router: Router,
}

impl Table {
    /// The WebSocket routes and pages of the server, and ordinary routes of an embedder.
    pub(crate) fn new(
        context: Arc<Context>,
        websockets: Vec<WebSocketRoute>,
        more: Router,
    ) -> Self {
        let literal = websockets
            .iter()
            .filter(|route| !route.endpoint.path.contains(['{', '}']));
        Self {
            websockets: literal
                .map(|route| (route.endpoint.path, route.clone()))
                .collect(),
            router: router::router(Arc::clone(&context), websockets, more),
            context,
        }
    }

    /// Answers a request from `peer`.
    pub(crate) async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        // With any other method it is the router that knows what belongs into the response.
        let opens = matches!(*request.method(), Method::GET | Method::CONNECT);
        if opens && let Some(route) = self.websockets.get(request.uri().path()) {
            return match objection(&self.context, &request) {
                Some(refusal) => refusal,
                None => upgrade::serve(&self.context, route, request),
            };
        }
        let answering = self.router.clone().oneshot(request);
        match answering.instrument(peer.span()).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
