//! Sends the messages of a recording again, with their timing, and compares the answers.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};
use tungstenite_deflate::tungstenite::Message;

use super::{Failure, announce, close, end_of, finish, send};
use crate::close::Ending;
use crate::connect::{Connection, Settings};
use crate::exit::ExitStatus;
use crate::file::read_named;
use crate::moment::after;
use crate::output::Output;
use crate::phase::Phase;
use crate::record::{Direction, Record};
use crate::tally::counted;
use values::escape::escaped;

/// Longest recording: a year.
const MAX_ELAPSED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Most bytes of a recording: it is held in memory.
const MAX_RECORDING_BYTES: u64 = 1 << 30;

/// Content of a recording: data messages to send with their moments, and the answers in order.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    sent: VecDeque<(Duration, Message)>,
    received: Vec<Message>,
}

impl Recording {
    /// Reads a file that `record` or `--jsonl` wrote.
    ///
    /// # Errors
    /// Names the line that is not such a record; there is no message at all, so that nothing would be compared.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |line: usize, reason: String| {
            Failure::Usage(format!("{} line {line}: {reason}", path.display()))
        };
        let bytes = read_named(path, MAX_RECORDING_BYTES)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        let mut recording = Self::default();
        let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        for (index, line) in lines.split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let record: Record =
                serde_json::from_slice(line).map_err(|error| wrong(number, error.to_string()))?;
            let Some(message) = record.message().map_err(|reason| wrong(number, reason))? else {
                continue;
            };
            match record.direction {
                Direction::Sent => {
                    let at = Duration::try_from_secs_f64(record.elapsed)
                        .ok()
                        .filter(|at| *at <= MAX_ELAPSED)
                        .ok_or_else(|| {
                            let text = format!(
                                "`elapsed` is {}, not a number of seconds from 0 to {}",
                                record.elapsed,
                                MAX_ELAPSED.as_secs()
                            );
                            wrong(number, text)
                        })?;
                    recording.sent.push_back((at, message));
                }
                Direction::Received => recording.received.push(message),
            }
        }
        if recording.sent.is_empty() && recording.received.is_empty() {
            let text = format!(
                "{}: it has no message to send or to compare",
                path.display()
            );
            return Err(Failure::Usage(text));
        }
        Ok(recording)
    }
}

/// Replays `recording` and prints the difference of the answers as `- recorded` and `+ received`.
///
/// # Errors
/// The connection ended first, or the answers differ ([`Failure::Replies`]).
pub(crate) async fn run(
    settings: &Settings,
    mut connection: Connection,
    mut recording: Recording,
    speed: f64,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    announce(&connection.details, output);
    let start = Instant::now();
    let wanted = recording.received.len();
    let mut received = Vec::new();
    let patience = settings.timeouts.get(Phase::Reply);
    let mut last_event = start;
    let mut ended = None;
    while !(recording.sent.is_empty() && received.len() >= wanted) {
        let due = recording
            .sent
            .front()
            .map(|(at, _)| after(start, scaled(*at, speed)));
        let silence = if recording.sent.is_empty() {
            patience.map(|patience| after(last_event, patience))
        } else {
            None
        };
        tokio::select! {
            biased;
            () = wait(due) => {
                if let Some((_, message)) = recording.sent.pop_front() {
                    send(&mut connection, message).await?;
                    last_event = Instant::now();
                }
            }
            message = connection.stream.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    received.push(message);
                    last_event = Instant::now();
                }
                Some(Ok(Message::Close(frame))) => {
                    ended = Some(Ending::Closed(frame));
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    ended = Some(Ending::Failed(error));
                    break;
                }
                None => {
                    ended = Some(Ending::Lost);
                    break;
                }
            },
            () = wait(silence) => break,
        }
    }
    let ending = match ended {
        Some(ending) => end_of(&mut connection.stream, ending).await,
        None => close(&mut connection, None, &settings.timeouts).await?,
    };
    let status = finish(&ending, output);
    report(&recording.received, &received, start.elapsed(), output)?;
    Ok(status)
}

/// Prints the difference between the answers of the recording and those received.
///
/// # Errors
/// They differ, or cannot be printed.
fn report(
    recorded: &[Message],
    received: &[Message],
    took: Duration,
    output: &mut Output,
) -> Result<(), Failure> {
    let wanted = recorded.len();
    let differences = print_difference(recorded, received, output)?;
    if differences > 0 {
        return Err(Failure::Replies(format!(
            "{differences} of {} from the recording",
            if wanted == 1 {
                "1 answer differs".to_owned()
            } else {
                format!("{wanted} answers differ")
            }
        )));
    }
    output.talk(&format!(
        "{} as recorded, in {}",
        counted(wanted as u64, "answer"),
        crate::duration::show_duration(took)
    ));
    Ok(())
}

fn scaled(at: Duration, speed: f64) -> Duration {
    if speed == 0.0 {
        Duration::ZERO
    } else {
        Duration::try_from_secs_f64(at.as_secs_f64() / speed).unwrap_or(Duration::MAX)
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Prints a line for each answer that is missing, other or more than recorded; returns how many.
fn print_difference(
    recorded: &[Message],
    received: &[Message],
    output: &mut Output,
) -> Result<usize, Failure> {
    let mut differences = 0;
    for index in 0..recorded.len().max(received.len()) {
        let (old, new) = (recorded.get(index), received.get(index));
        if old == new {
            continue;
        }
        differences += 1;
        for (mark, message) in [("-", old), ("+", new)] {
            if let Some(message) = message {
                output.line(&format!("{mark} {} {}", index + 1, shown(message)))?;
            }
        }
    }
    Ok(differences)
}

fn shown(message: &Message) -> String {
    match message {
        Message::Text(text) => format!("text {}", escaped(text)),
        other => format!(
            "binary {}",
            crate::record::encode(&other.clone().into_data())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read(lines: &str) -> Result<Recording, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        Recording::read(file.path())
    }

    #[test]
    fn recordings_are_read_with_their_timing() {
        let recording = read(concat!(
            r#"{"time":"","elapsed":0.5,"direction":"sent","opcode":"text","bytes":1,"text":"a"}"#,
            "\n",
            r#"{"time":"","elapsed":0.6,"direction":"received","opcode":"binary","bytes":2,"base64":"AP8="}"#,
            "\n",
            r#"{"time":"","elapsed":0.7,"direction":"sent","opcode":"close","bytes":2,"code":1000}"#,
        ))
        .unwrap();
        assert_eq!(
            recording.sent,
            [(Duration::from_millis(500), Message::text("a"))]
        );
        assert_eq!(recording.received, [Message::binary(vec![0, 255])]);
    }

    #[test]
    fn other_files_are_refused_by_line() {
        for lines in [
            "x",
            "{}",
            r#"{"time":"","elapsed":-1,"direction":"sent","opcode":"text","bytes":1,"text":"a"}"#,
        ] {
            let error = read(lines).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{error}");
        }
    }
}
