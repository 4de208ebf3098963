//! The tutorial's chat service, `chat.ChatService`, word for word.

use tonic::{Request, Response, Status};
use tracing::info;
use values::escape::Escaped;

use super::proto::chat_service_server::ChatService;
use super::proto::{Message, Response as Reply};

/// Answers each message with its own words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat;

#[tonic::async_trait]
impl ChatService for Chat {
    async fn send_message(&self, request: Request<Message>) -> Result<Response<Reply>, Status> {
        let Message { sender, text } = request.into_inner();
        info!(sender = %Escaped::new(&sender), bytes = text.len(), "gRPC message");
        let reply = format!("Mensagem recebida: {text}");
        Ok(Response::new(Reply { reply }))
    }
}
