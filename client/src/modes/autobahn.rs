//! The client under test of an Autobahn fuzzing server: echoes each case until the server closes it.

use futures_util::{SinkExt as _, StreamExt as _};
use tungstenite_deflate::DeflateConfig;
use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::tungstenite::Message;

use super::{Failure, next_data};
use crate::connect::{Settings, connect, default_options};
use crate::exit::ExitStatus;
use crate::output::Output;
use crate::target::Target;

/// Largest message of the suite is 16 MiB (9.*).
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Returns a configuration in which all cases of 12.* and 13.* run: all messages compressed, contexts kept, windows of
/// the server's choice.
fn freest() -> DeflateConfig {
    DeflateConfig::default()
        .threshold(0)
        .server_no_context_takeover(false)
        .client_no_context_takeover(false)
        .client_max_window_bits(WindowBits::MAX)
}

/// Runs all cases and asks for the reports. Unless compression `has_choices` of the user's, it offers everything.
///
/// # Errors
/// The fuzzing server cannot be reached. What a case does to its connection is the server's to judge.
pub(crate) async fn run(
    settings: &Settings,
    agent: &str,
    has_choices: bool,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    let mut settings = settings.clone();
    let options = default_options(MAX_MESSAGE_BYTES);
    let deflate = if has_choices {
        settings.options.deflate.take()
    } else {
        Some(freest())
    };
    settings.options = options.deflate(deflate);
    let base = settings.target.clone();
    let at = |path: String| Settings {
        target: Target {
            path,
            ..base.clone()
        },
        ..settings.clone()
    };
    let mut connection = connect(&at("/getCaseCount".into())).await?;
    let count = next_data(&mut connection, &settings.timeouts).await?;
    let count: u32 = count
        .to_text()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Failure::Usage(
                "the answer to /getCaseCount is not a number: is this a fuzzing server?".into(),
            )
        })?;
    for case in 1..=count {
        output.detail(&format!("case {case} of {count}"));
        let mut connection = connect(&at(format!("/runCase?case={case}&agent={agent}"))).await?;
        // To the end, past an error too: the fuzzing server judges the Close that the engine still writes.
        while let Some(message) = connection.stream.next().await {
            if let Ok(data @ (Message::Text(_) | Message::Binary(_))) = message {
                let _ = connection.stream.send(data).await;
            }
        }
    }
    let mut connection = connect(&at(format!("/updateReports?agent={agent}"))).await?;
    while connection.stream.next().await.is_some() {}
    output.talk(&format!("{count} cases done"));
    Ok(ExitStatus::Normal)
}
