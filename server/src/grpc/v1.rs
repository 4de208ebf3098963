//! The tutorial's chat service, `chat.ChatService`, word for word.

use tonic::{Request, Response, Status};
use values::escape::Escaped;

use super::proto::chat_service_server::ChatService;
use crate::log::limited;

use super::proto::{Message, Response as Reply};

/// Answers each message with its own words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat;

#[tonic::async_trait]
impl ChatService for Chat {
    async fn send_message(&self, request: Request<Message>) -> Result<Response<Reply>, Status> {
        let Message { sender, text } = request.into_inner();
        limited!(MESSAGES, INFO, sender = %Escaped::new(&sender).max_bytes(MAX_SENDER_BYTES), bytes = text.len(), "gRPC message");
        let reply = format!("Mensagem recebida: {text}");
        Ok(Response::new(Reply { reply }))
    }
}

/// Maximum of bytes of a sender's name in the log.
const MAX_SENDER_BYTES: usize = 64;
