//! The chat service over gRPC, on the same port by ALPN and, if wanted, on a plain-text one.

use axum::Router;
use http::StatusCode;
use tonic::{Request, Response, Status};
use tracing::info;

use crate::log::Escaped;
use proto::Message;
use proto::chat_service_server::{ChatService, ChatServiceServer};

/// What the service's description, `proto/chat.proto`, becomes in Rust.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "made by tonic"
)]
pub mod proto {
    tonic::include_proto!("chat");
}

/// Answers each message with its own words.
#[derive(Clone, Copy, Debug)]
struct Chat;

#[tonic::async_trait]
impl ChatService for Chat {
    async fn send_message(
        &self,
        request: Request<Message>,
    ) -> Result<Response<proto::Response>, Status> {
        let Message { sender, text } = request.into_inner();
        info!(sender = %Escaped(&sender), bytes = text.len(), "gRPC message");
        let reply = format!("Mensagem recebida: {text}");
        Ok(Response::new(proto::Response { reply }))
    }
}

/// The service's paths; no message may be longer than `max_message_bytes`.
pub(crate) fn routes(max_message_bytes: usize) -> Router {
    let chat = ChatServiceServer::new(Chat).max_decoding_message_size(max_message_bytes);
    Router::new().route_service("/chat.ChatService/{*method}", chat)
}

/// The router of the plain-text port: the service and nothing else.
pub(crate) fn plain(max_message_bytes: usize) -> Router {
    let nothing = || async { (StatusCode::NOT_FOUND, "only gRPC is served here\n") };
    routes(max_message_bytes).fallback(nothing)
}
