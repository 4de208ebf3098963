//! Paths for machines: liveness, readiness and metrics.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};

use crate::context::Context;
use crate::metrics::{Exposition, Metrics};

/// The process answers, so it is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Reports whether new work is welcome: 503 from the signal to end on, so that balancers look elsewhere, or while it lacks what
/// it is configured to need.
pub(crate) async fn readyz(State(context): State<Arc<Context>>) -> impl IntoResponse {
    match context.obstacle() {
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

/// All figures, in the text format that the request prefers; each family is written when the one before is taken.
pub(crate) async fn metrics(
    State(metrics): State<Metrics>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let exposition = Exposition::preferred(&headers);
    let fields = [
        (header::CONTENT_TYPE, exposition.content_type()),
        (header::VARY, "accept"),
    ];
    let pieces = metrics.render(exposition).map(Ok::<_, Infallible>);
    (fields, Body::from_stream(stream::iter(pieces)))
}
