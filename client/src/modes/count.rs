//! A number of messages made from a template, one each interval, and the reply to each.

use tokio::time::{Instant, sleep_until};
use tungstenite_deflate::tungstenite::Message;

use super::{Failure, announce, close, finish, next_data, send};
use crate::args::ExchangeArgs;
use crate::connect::{Connection, Settings};
use crate::exit::ExitStatus;
use crate::interrupt::Interrupts;
use crate::moment::after;
use crate::output::Output;

/// Address dialled when none is given: the acknowledging route.
pub(crate) const DEFAULT_URL: &str = "wss://localhost:8443/ack";

/// Sends `count` messages and prints `Resposta do servidor: ` with each reply.
///
/// # Errors
/// The connection ended first, a reply did not come in time, or an interrupt.
pub(crate) async fn run(
    settings: &Settings,
    mut connection: Connection,
    args: &ExchangeArgs,
    count: u64,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    announce(&connection.details, output);
    let mut interrupts = Interrupts::new()?;
    let mut due = Instant::now();
    for number in 1..=count {
        tokio::select! {
            () = sleep_until(due) => {}
            () = interrupts.recv() => {
                close(&mut connection, None, &settings.timeouts).await?;
                return Err(Failure::Interrupted);
            }
        }
        // From the planned moment, not from the reply: the interval does not grow by the round trip.
        due = after(due, args.interval);
        let text = args.template.replace("{n}", &number.to_string());
        let message = if args.binary {
            Message::binary(text.into_bytes())
        } else {
            Message::text(text)
        };
        send(&mut connection, message).await?;
        let reply = next_data(&mut connection, &settings.timeouts).await?;
        let shown = String::from_utf8_lossy(&reply.into_data()).into_owned();
        output.line(&format!("Resposta do servidor: {shown}"))?;
    }
    let ending = close(&mut connection, None, &settings.timeouts).await?;
    Ok(finish(&ending, output))
}
