//! Health as gRPC's balancers ask for it (`grpc.health.v1`).

use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as HealthService;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::SERVICES;
use crate::drain::Drain;

/// Says whether new calls are welcome: serving, until the server is ending.
#[derive(Clone, Debug)]
pub(super) struct Health {
    drain: Drain,
}

impl Health {
    /// The health of the server that `drain` ends.
    pub(super) fn new(drain: Drain) -> Self {
        Self { drain }
    }

    /// The status right now.
    fn status(&self) -> ServingStatus {
        if self.drain.has_begun() {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
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
        let drain = self.drain.clone();
        let (first, changes) = if is_known(&request.get_ref().service) {
            (self.status(), self.status() == ServingStatus::Serving)
        } else {
            (ServingStatus::ServiceUnknown, false)
        };
        let later = async move {
            if !changes {
                std::future::pending::<()>().await;
            }
            drain.begun().await;
            ServingStatus::NotServing
        };
        let statuses = stream::once(std::future::ready(first))
            .chain(stream::once(later))
            // The stream stays open until the client or the server ends.
            .chain(stream::pending())
            .map(|status| Ok(response(status)));
        Ok(Response::new(Box::pin(statuses)))
    }
}

/// Whether `service` is one of ours; the empty name stands for the whole server.
fn is_known(service: &str) -> bool {
    service.is_empty() || SERVICES.contains(&service)
}

/// One status as a message.
fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
