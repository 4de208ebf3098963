//! Everything that is served over gRPC, on the TLS port by ALPN and, if wanted, on a plain-text one.
//!
//! ```text
//! request → cors      Origin; answers preflights
//!         → gate      method, content type
//!         → tonic-web gRPC-Web becomes gRPC, and back
//!         → call      deadline, statuses, the server's end, counts
//!         → service   chat, rooms, health, reflection
//! ```

mod call;
mod gate;
mod health;
mod reflection;
mod services;
mod v1;
mod v2;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;
use tonic_reflection::pb::v1alpha::server_reflection_server::ServerReflectionServer as ServerReflectionAlphaServer;
use tonic_web::GrpcWebLayer;

use crate::context::Context;
use crate::cors;
use proto::chat_service_server::ChatServiceServer;
use rooms::chat_service_server::ChatServiceServer as RoomServiceServer;
use v2::{EncodedCodec, EncodedEvent};

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "made by tonic"
)]
pub mod proto;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "made by tonic"
)]
pub mod proto_v2;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "made by tonic"
)]
mod rooms;

/// The services of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Services {
    /// Every service.
    All,
    /// Those for clients: chat, rooms, and health, which clients of gRPC ask too.
    Clients,
    /// Those for operators: health and reflection.
    Operators,
}

/// The paths of `services`; no message may be longer than [`Context::max_grpc_bytes`].
pub(crate) fn routes(context: &Arc<Context>, services: Services) -> Router {
    let health = HealthServer::new(health::Health::new(Arc::clone(context)))
        .max_decoding_message_size(SMALL_MESSAGE);
    let mut router = Router::new().route_service("/grpc.health.v1.Health/{*method}", health);
    if services != Services::Operators {
        router = router.merge(chat(context));
    }
    if services != Services::Clients && context.routes.reflection.is_on() {
        router = router.merge(reflection());
    }
    router
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(context),
            call::bound,
        ))
        .route_layer(GrpcWebLayer::new())
        .route_layer(middleware::from_fn(gate::check))
        .route_layer(middleware::from_fn_with_state(
            (Arc::clone(context), gate::SHARING),
            cors::check,
        ))
}

/// The paths of chat, in both versions.
fn chat(context: &Arc<Context>) -> Router {
    let largest = context.max_grpc_bytes;
    let chat = ChatServiceServer::new(v1::Chat).max_decoding_message_size(largest);
    let longest = context.rooms.settings().max_message_bytes();
    let rooms = RoomServiceServer::new(v2::Rooms::new(context)).max_decoding_message_size(longest);
    Router::new()
        .route_service("/chat.ChatService/{*method}", chat)
        .route_service("/chat.v2.ChatService/{*method}", rooms)
}

/// The paths of reflection, in both versions.
fn reflection() -> Router {
    let reflection = reflection::Reflection::new();
    let v1 =
        ServerReflectionServer::new(reflection.clone()).max_decoding_message_size(SMALL_MESSAGE);
    let v1alpha =
        ServerReflectionAlphaServer::new(reflection).max_decoding_message_size(SMALL_MESSAGE);
    Router::new()
        .route_service("/grpc.reflection.v1.ServerReflection/{*method}", v1)
        .route_service(
            "/grpc.reflection.v1alpha.ServerReflection/{*method}",
            v1alpha,
        )
}

/// Longest message that health and reflection take, in bytes: they are asked for names.
const SMALL_MESSAGE: usize = 16 * 1024;
