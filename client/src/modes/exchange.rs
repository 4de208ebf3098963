//! The exchange shown without arguments: one message, one reply, the closing handshake, each step on standard output.

use tungstenite_deflate::tungstenite::Message;

use super::{Failure, close, next_data, send};
use crate::connect::{Settings, connect};
use crate::exit::ExitStatus;
use crate::output::Output;
use crate::sensitive::shown_target;

/// Address dialled when none is given.
pub(crate) const DEFAULT_URL: &str = "wss://localhost:8443/ws";

/// The message sent.
const GREETING: &str = "Olá, servidor WebSocket!";

/// Makes the exchange.
///
/// # Errors
/// No connection, no reply, an abnormal end.
pub(crate) async fn run(
    settings: &Settings,
    shows_handshake: bool,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    output.line(&format!(
        "Conectando a {}",
        shown_target(&settings.target.to_string())
    ))?;
    let mut connection = connect(settings).await?;
    if shows_handshake {
        super::show_handshake(
            &connection.details.request,
            Some(&connection.details.response),
            output,
        );
    }
    super::announce(&connection.details, output);
    send(&mut connection, Message::text(GREETING)).await?;
    output.line(&format!("Mensagem enviada para o servidor: {GREETING}"))?;
    let reply = next_data(&mut connection, &settings.timeouts).await?;
    output.line(&format!(
        "Mensagem recebida do servidor: {}",
        reply.to_text().unwrap_or("(binary)")
    ))?;
    let ending = close(&mut connection, None, &settings.timeouts).await?;
    if ending.status() == ExitStatus::Normal {
        output.line("Conexão WebSocket encerrada!")?;
    }
    Ok(super::finish(&ending, output))
}
