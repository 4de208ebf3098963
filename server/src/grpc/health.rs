//! Health as gRPC's balancers ask for it (`grpc.health.v1`).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as HealthService;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::services::SERVICES;
use crate::context::Context;

/// Says whether new calls are welcome, as `/readyz` does: serving, until the server is ending or lacks what it needs.
#[derive(Clone, Debug)]
pub(super) struct Health {
    context: Arc<Context>,
}

impl Health {
    /// The health of the server that `context` belongs to.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The status right now.
    fn status(&self) -> ServingStatus {
        match self.context.obstacle() {
            Some(_) => ServingStatus::NotServing,
            None => ServingStatus::Serving,
        }
    }
}

#[tonic::async_trait]
impl HealthService for Health {
    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send + 'static>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("no service of this name is served here"));
        }
        Ok(Response::new(response(self.status())))
    }

    /// The status now and at each change. A service that is not known may become so, the protocol says, and therefore
    /// gets an answer in place of an error.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if !is_known(&request.get_ref().service) {
            let unknown = response(ServingStatus::ServiceUnknown);
            // The stream stays open until the client or the server ends.
            let statuses = stream::once(std::future::ready(Ok(unknown))).chain(stream::pending());
            return Ok(Response::new(Box::pin(statuses)));
        }
        let this = self.clone();
        let statuses = stream::unfold(None, move |sent| {
            let this = this.clone();
            async move {
                while sent == Some(this.status()) {
                    // The server's end is known at once; anything else is looked at now and then.
                    let announced = this.context.drain.announced();
                    let _ = tokio::time::timeout(INTERVAL, announced).await;
                    if sent == Some(ServingStatus::NotServing) {
                        tokio::time::sleep(INTERVAL).await;
                    }
                }
                let status = this.status();
                Some((Ok(response(status)), Some(status)))
            }
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

/// Returns true if `service` is one of ours; the empty name stands for the whole server.
fn is_known(service: &str) -> bool {
    service.is_empty() || SERVICES.contains(&service)
}

/// One status as a message.
fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// Time between two checks of the health, while somebody watches.
const INTERVAL: Duration = Duration::from_millis(500);
