//! What machines ask: is it alive, does it take work, what are its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};

use crate::metrics::Metrics;
use crate::router::Context;

/// The process answers, so it is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new work is welcome: 503 while the server is ending, so that balancers look elsewhere, or while it lacks what
/// it was told to need.
pub(crate) async fn readyz(State(context): State<Arc<Context>>) -> impl IntoResponse {
    match context.obstacle() {
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

/// All figures as `OpenMetrics` text.
pub(crate) async fn metrics(State(metrics): State<Metrics>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        metrics.render(),
    )
}
