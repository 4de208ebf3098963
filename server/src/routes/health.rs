//! What machines ask: is it alive, does it take work, what are its figures.

use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};

use crate::drain::Drain;
use crate::metrics::Metrics;

/// The process answers, so it is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new work is welcome: 503 while the server is ending, so that balancers look elsewhere.
pub(crate) async fn readyz(State(drain): State<Drain>) -> impl IntoResponse {
    if drain.has_begun() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
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
