//! Every path of the server in one table.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get};
use http::StatusCode;

use crate::config::RouteOptions;
use crate::context::Context;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::request;
use crate::route::{Endpoint, WebSocketRoute};
use crate::routes;
use crate::upgrade;

/// The WebSocket routes for operators.
pub(crate) fn operator_websockets(
    routes: &RouteOptions,
    metrics: &Metrics,
    observers: &Observers,
) -> Vec<WebSocketRoute> {
    let mut websockets = Vec::new();
    if routes.metrics.is_on() {
        let figures = routes::Figures::new(metrics.clone(), observers.clone());
        let stats = Endpoint::new("/stats", &[]);
        websockets.push(WebSocketRoute::new(stats, move |socket, info| {
            routes::stats(figures.clone(), socket, info)
        }));
    }
    websockets
}

/// The ordinary paths for operators.
pub(crate) fn operator_routes(context: &Arc<Context>) -> Router {
    let router = Router::new().route("/healthz", get(routes::healthz)).route(
        "/readyz",
        get(routes::readyz).with_state(Arc::clone(context)),
    );
    if !context.routes.metrics.is_on() {
        return router;
    }
    let metrics = get(routes::metrics).with_state(context.metrics.clone());
    router.route("/metrics", metrics)
}

/// The ordinary paths for clients, except for gRPC.
pub(crate) fn client_routes(context: &Arc<Context>) -> Router {
    let router = Router::new()
        .merge(routes::chat(context))
        .merge(routes::room_requests(context));
    if context.routes.demonstrations.is_on() {
        router.merge(routes::pages(context.hsts))
    } else {
        router
    }
}

/// Adds the WebSocket routes to `router`, the answer where there is nothing, and the requirements on every request.
pub(crate) fn complete(
    context: Arc<Context>,
    websockets: Vec<WebSocketRoute>,
    mut router: Router,
) -> Router {
    for route in websockets {
        let (path, context) = (route.endpoint.path, Arc::clone(&context));
        // Any method: HTTP/2 arrives as CONNECT, and what is wrong with others the upgrade tells.
        router = router.route(
            path,
            any(move |request| async move { upgrade::serve(&context, &route, request) }),
        );
    }
    router
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing at this path\n") })
        .layer(middleware::from_fn_with_state(context, request::check))
}
