//! Every path of the server in one table.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get};
use http::StatusCode;

use crate::config::RouteOptions;
use crate::context::Context;
use crate::grpc;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::request;
use crate::route::{Endpoint, WebSocketRoute};
use crate::routes;
use crate::upgrade;

/// The server's own WebSocket routes, except for rooms.
pub(crate) fn websocket_routes(
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

/// The router over all paths; `more` are ordinary routes of an embedder.
pub(crate) fn router(
    context: Arc<Context>,
    websockets: Vec<WebSocketRoute>,
    more: Router,
) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(routes::healthz))
        .route(
            "/readyz",
            get(routes::readyz).with_state(Arc::clone(&context)),
        )
        .merge(routes::pages(context.hsts))
        .merge(routes::chat(&context))
        .merge(routes::room_requests(&context))
        .merge(grpc::routes(&context))
        .merge(more);
    if context.routes.metrics.is_on() {
        let metrics = get(routes::metrics).with_state(context.metrics.clone());
        router = router.route("/metrics", metrics);
    }
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

/// The router of the plain-text port: gRPC and nothing else.
pub(crate) fn plain(context: Arc<Context>) -> Router {
    grpc::routes(&context)
        .fallback(|| async { (StatusCode::NOT_FOUND, "only gRPC is served here\n") })
        .layer(middleware::from_fn_with_state(context, request::check))
}
