//! One request: its client, its account, its line in the access log.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use futures_util::future::Either;
use futures_util::{FutureExt, TryFutureExt};
use http::{StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tracing::error;

use crate::config::AccessLog;
use crate::connection::Connection;
use crate::heads::{Heads, foreign_version};
use crate::ledger::{Account, Http2, Received, respond};
use crate::log::{Reason, RequestLine};
use crate::peer::Peer;
use crate::proxies::{MalformedForwarding, Site};
use crate::table::Table;
use crate::trace_context::TraceContext;

use super::Acceptor;

impl Acceptor {
    /// Has one request answered whose head was looked at.
    pub(super) fn answer_http1(
        &self,
        request: http::Request<Incoming>,
        connection: &Arc<Connection>,
        heads: &Arc<Heads>,
        table: &Arc<Table>,
    ) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
        if heads.begin() {
            let trace = TraceContext::read(request.headers());
            let line = RequestLine::of(&request, connection.peer.traced(trace));
            let answer = line.finish(foreign_version(), self.has_access_log());
            return Either::Left(ready(Ok(answer)));
        }
        let heads = Arc::clone(heads);
        let upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let answering = self.answer(request, connection, None, table);
        Either::Right(answering.map_ok(move |mut answer| {
            heads.end(&mut answer, upgrade);
            answer
        }))
    }

    /// Has one request answered, with its connection and its client as extensions.
    pub(super) fn answer(
        &self,
        mut request: http::Request<Incoming>,
        connection: &Arc<Connection>,
        http2: Option<&Arc<Http2>>,
        table: &Arc<Table>,
    ) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
        let client = self
            .trust
            .client(connection.peer, connection.is_secure, &request);
        // A malformed forwarding field is answered with 400 by `answer_for`, and logged with the proxy's own address.
        let (peer, site) = match client {
            Ok((peer, site)) => (peer, Ok(site)),
            Err(malformed) => (connection.peer, Err(malformed)),
        };
        let peer = peer.traced(TraceContext::read(request.headers()));
        request.extensions_mut().insert(Arc::clone(connection));
        let (table, panics) = (Arc::clone(table), self.metrics.request_panics.clone());
        let line = RequestLine::of(&request, peer);
        let has_access_log = self.has_access_log();
        let answering = accounted(
            request,
            &connection.account,
            http2,
            move |request| async move {
                let answering = answer_for(&table, request, peer, site);
                if let Ok(answer) = AssertUnwindSafe(answering).catch_unwind().await {
                    return Ok(answer);
                }
                peer.span().in_scope(|| {
                error!(
                    "a request's handler panicked; the request is answered with 500, others go on"
                );
            });
                panics.inc();
                let mut answer = http::Response::new(Body::from("the server made a mistake\n"));
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(answer)
            },
        );
        answering.map_ok(move |answer| line.finish(answer, has_access_log))
    }

    /// Tests whether requests are written to the access log.
    pub(crate) fn has_access_log(&self) -> bool {
        self.config.logging.access_log != AccessLog::Off
    }
}

/// Has `table` answer a request of `peer` for a site, unless a proxy's report of them cannot be read.
async fn answer_for(
    table: &Table,
    mut request: http::Request<Body>,
    peer: Peer,
    site: Result<Site, MalformedForwarding>,
) -> http::Response<Body> {
    match site {
        Ok(site) => {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(site);
            table.answer(request, peer).await
        }
        Err(malformed) => {
            let reason = malformed.to_string();
            let mut answer = http::Response::new(Body::from(format!("{reason}\n")));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, text);
            Reason(reason.into()).attach(answer)
        }
    }
}

/// Has a request answered whose body and response are counted.
fn accounted<A, F>(
    mut request: http::Request<Incoming>,
    account: &Account,
    http2: Option<&Arc<Http2>>,
    answer: A,
) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<A, F>
where
    A: FnOnce(http::Request<Body>) -> F,
    F: Future<Output = Result<http::Response<Body>, Infallible>>,
{
    let account = account.clone();
    let stream = http2.map(|http2| (Arc::clone(http2), http2.begin()));
    request.extensions_mut().insert(account.clone());
    if let Some(stream) = &stream {
        request.extensions_mut().insert(stream.clone());
    }
    let answering = answer(Received::request(request, &account, http2));
    async move {
        let response = answering.await?;
        Ok(respond(response, &account, stream))
    }
}
