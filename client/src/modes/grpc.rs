//! The chat service's client: one call for each text, and the reply to each.

use std::time::Instant;

use super::{Failure, show_tls};
use crate::connect::Settings;
use crate::duration::show_duration;
use crate::exit::ExitStatus;
use crate::grpc;
use crate::interrupt::Interrupts;
use crate::output::Output;

/// Calls `SendMessage` with each text and prints `Resposta do servidor: ` with each reply.
///
/// # Errors
/// No connection, a call that was answered with an error, or an interrupt.
pub(crate) async fn run(
    settings: &Settings,
    sender: &str,
    texts: &[String],
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    let mut interrupts = Interrupts::new()?;
    tokio::select! {
        result = calls(settings, sender, texts, output) => result,
        () = interrupts.recv() => Err(Failure::Interrupted),
    }
}

async fn calls(
    settings: &Settings,
    sender: &str,
    texts: &[String],
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    let (mut chat, details) = grpc::open(settings).await?;
    let phases: Vec<String> = details
        .timings
        .iter()
        .map(|(phase, took)| format!("{} {}", phase.name(), show_duration(*took)))
        .collect();
    let address = details
        .address
        .map_or_else(String::new, |address| format!(" ({address})"));
    output.detail(&format!(
        "connected to {}{address} over HTTP/2: {}",
        details.url,
        phases.join(", ")
    ));
    show_tls(details.tls.as_ref(), output);
    for text in texts {
        let before = details.meter.bytes();
        let started = Instant::now();
        let reply = chat.send(sender, text).await?;
        let after = details.meter.bytes();
        output.detail(&format!(
            "SendMessage answered after {} ({} B sent, {} B received)",
            show_duration(started.elapsed()),
            after.0 - before.0,
            after.1 - before.1
        ));
        output.line(&format!("Resposta do servidor: {reply}"))?;
    }
    Ok(ExitStatus::Normal)
}
