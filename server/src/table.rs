//! Dispatch of a request: to the WebSocket route of its path, or else to the router.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response};
use tower::ServiceExt;
use tracing::Instrument;

use crate::context::Context;
use crate::listen::Service;
use crate::peer::Peer;
use crate::request::objection;
use crate::route::WebSocketRoute;
use crate::router;
use crate::upgrade;

/// The paths of each kind of listener.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) public: Arc<Table>,
    /// `None`: what is for operators is public too.
    pub(crate) admin: Option<Arc<Table>>,
    pub(crate) grpc: Arc<Table>,
}

impl Tables {
    /// The paths of `service`.
    pub(crate) fn of(&self, service: Service) -> &Arc<Table> {
        match service {
            Service::Public => &self.public,
            Service::Admin => self.admin.as_ref().unwrap_or(&self.public),
            Service::Grpc => &self.grpc,
        }
    }
}

/// Every path of a listener.
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
    /// `websockets`, and the ordinary routes of `router`.
    pub(crate) fn new(
        context: Arc<Context>,
        websockets: Vec<WebSocketRoute>,
        router: Router,
    ) -> Self {
        let literal = websockets
            .iter()
            .filter(|route| !route.endpoint.path.contains(['{', '}']));
        Self {
            websockets: literal
                .map(|route| (route.endpoint.path, route.clone()))
                .collect(),
            router: router::complete(Arc::clone(&context), websockets, router),
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
