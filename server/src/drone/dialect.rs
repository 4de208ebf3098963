//! The two ways to talk to a drone: lines of text, and JSON objects under the subprotocol `drone.v1.json`.
//!
//! One message is one command and gets one answer. In text the answer begins with `ok ` or `error `, telemetry with
//! `telemetry `, and telemetry comes only after `telemetry on`, so that a plain client reads one line for each it wrote.
//! In JSON each object has a `type`, `answer` or `telemetry`, and telemetry comes unless `telemetry off` was said.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::command::{COMMANDS, Command, CommandError, MAX_COMMAND_BYTES, arguments_of, excerpt};
use super::orders::{Outcome, Refusal};
use super::state::State;

/// The subprotocol under which messages are JSON objects.
pub const JSON_SUBPROTOCOL: &str = "drone.v1.json";

/// Longest `id` of a JSON command, in characters; it comes back in the answer.
const MAX_ID_LENGTH: usize = 64;

/// How a connection spells commands, answers and telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Lines of text.
    Text,
    /// JSON objects.
    Json,
}

/// A message as far as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The `id` that a JSON command carried, to be given back; `null` without one.
    pub id: Value,
    /// The command, or why there is none.
    pub command: Result<Command, CommandError>,
}

/// An answer in JSON.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Value::is_null")]
    id: &'a Value,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    understood: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replaced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commands: Option<Vec<CommandHelp>>,
    members: usize,
    state: State,
}

/// What went wrong, for programs and for people.
#[derive(Debug, Serialize)]
struct Problem {
    code: &'static str,
    message: String,
}

/// One command of the list that `help` gives.
#[derive(Debug, Serialize)]
struct CommandHelp {
    command: &'static str,
    arguments: &'static [&'static str],
    text: &'static str,
}

/// Telemetry in JSON.
#[derive(Debug, Serialize)]
struct Telemetry {
    r#type: &'static str,
    members: usize,
    state: State,
}

impl Dialect {
    /// The dialect that a connection speaks, by the subprotocol that was agreed.
    pub fn of_subprotocol(subprotocol: Option<&str>) -> Self {
        if subprotocol == Some(JSON_SUBPROTOCOL) {
            Self::Json
        } else {
            Self::Text
        }
    }

    /// Whether telemetry is sent before anybody asked for it.
    pub fn telemetry_by_default(self) -> bool {
        self == Self::Json
    }

    /// Reads one message.
    pub fn read(self, message: &str) -> Request {
        if message.len() > MAX_COMMAND_BYTES {
            return Request {
                id: Value::Null,
                command: Err(CommandError::TooLong {
                    bytes: message.len(),
                }),
            };
        }
        match self {
            Self::Text if message.trim_start().starts_with('{') => {
                let hint = format!(
                    "JSON needs the subprotocol `{JSON_SUBPROTOCOL}`; this connection reads lines of text"
                );
                Request {
                    id: Value::Null,
                    command: Err(CommandError::NotAnObject(hint)),
                }
            }
            Self::Text => Request {
                id: Value::Null,
                command: Command::from_line(message),
            },
            Self::Json => read_json(message),
        }
    }

    /// The one answer to a command that was understood.
    pub fn answer(
        self,
        request: &Request,
        came: &Result<Outcome, Refusal>,
        state: State,
        members: usize,
    ) -> String {
        let command = request.command.as_ref().ok();
        match came {
            Ok(outcome) => match self {
                Self::Text => text_answer(command, outcome, state),
                Self::Json => json(&Answer {
                    ok: true,
                    understood: command.map(Command::to_string),
                    message: Some(outcome.text.clone()),
                    replaced: outcome.replaced,
                    commands: matches!(command, Some(Command::Help)).then(help),
                    ..Answer::new(&request.id, state, members)
                }),
            },
            Err(refusal) => {
                self.problem(request, refusal.code(), refusal.to_string(), state, members)
            }
        }
    }

    /// The one answer to a message that is no command.
    pub fn misunderstood(
        self,
        request: &Request,
        error: &CommandError,
        state: State,
        members: usize,
    ) -> String {
        self.problem(request, error.code(), error.to_string(), state, members)
    }

    /// The state, sent without being asked.
    pub fn telemetry(self, state: State, members: usize) -> String {
        match self {
            Self::Text => format!("telemetry {state}"),
            Self::Json => json(&Telemetry {
                r#type: "telemetry",
                members,
                state,
            }),
        }
    }

    fn problem(
        self,
        request: &Request,
        code: &'static str,
        message: String,
        state: State,
        members: usize,
    ) -> String {
        let understood = request.command.as_ref().ok().map(Command::to_string);
        match self {
            Self::Text => match understood {
                Some(command) => format!("error {code}: {command}: {message} [{state}]"),
                None => format!("error {code}: {message} [{state}]"),
            },
            Self::Json => json(&Answer {
                understood,
                error: Some(Problem { code, message }),
                ..Answer::new(&request.id, state, members)
            }),
        }
    }
}

impl<'a> Answer<'a> {
    /// An answer that says no more than the state.
    fn new(id: &'a Value, state: State, members: usize) -> Self {
        Self {
            r#type: "answer",
            id,
            ok: false,
            understood: None,
            message: None,
            replaced: false,
            error: None,
            commands: None,
            members,
            state,
        }
    }
}

fn text_answer(command: Option<&Command>, outcome: &Outcome, state: State) -> String {
    let mut answer = String::from("ok ");
    if let Some(command) = command {
        let _ = write!(answer, "{command}: ");
    }
    answer.push_str(&outcome.text);
    if outcome.replaced {
        answer.push_str(", instead of the movement before");
    }
    if matches!(command, Some(Command::Help)) {
        for CommandHelp {
            command,
            arguments,
            text,
        } in help()
        {
            let _ = write!(
                answer,
                "\n{} - {text}",
                [&[command], arguments].concat().join(" ")
            );
        }
        return answer;
    }
    let _ = write!(answer, " [{state}]");
    answer
}

fn help() -> Vec<CommandHelp> {
    COMMANDS
        .iter()
        .map(|&(command, arguments, text)| CommandHelp {
            command,
            arguments,
            text,
        })
        .collect()
}

/// Writes JSON; numbers of a state are always finite, so nothing here can fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn read_json(message: &str) -> Request {
    let mut object = match serde_json::from_str(message) {
        Ok(Value::Object(object)) => object,
        Ok(_) => {
            return malformed(
                "a command is a JSON object such as {\"command\":\"takeoff\"}".to_owned(),
            );
        }
        Err(error) => return malformed(format!("not JSON: {error}")),
    };
    let id = object.remove("id").unwrap_or_default();
    let fits = match &id {
        Value::Null | Value::Number(_) => true,
        Value::String(id) => id.chars().count() <= MAX_ID_LENGTH,
        _ => false,
    };
    if !fits {
        return malformed(format!(
            "id must be a number or a string of at most {MAX_ID_LENGTH} characters"
        ));
    }
    Request {
        id,
        command: command_of(object),
    }
}

fn malformed(why: String) -> Request {
    Request {
        id: Value::Null,
        command: Err(CommandError::NotAnObject(why)),
    }
}

/// The command in an object whose `id` has been taken out.
fn command_of(mut object: Map<String, Value>) -> Result<Command, CommandError> {
    let Some(Value::String(name)) = object.remove("command") else {
        return Err(CommandError::NotAnObject(
            "the field `command` must be the name of a command".to_owned(),
        ));
    };
    let wanted = arguments_of(&name)?;
    if name == "telemetry" {
        return telemetry_of(object);
    }
    let mut numbers = Vec::with_capacity(wanted.len());
    for &argument in wanted {
        let value = object.remove(argument);
        let missing = || CommandError::NotANumber {
            argument,
            given: value.as_ref().map_or("nothing".to_owned(), told),
        };
        numbers.push(value.as_ref().and_then(Value::as_f64).ok_or_else(missing)?);
    }
    refuse_others(&object, &name)?;
    Command::from_numbers(&name, &numbers)
}

fn telemetry_of(mut object: Map<String, Value>) -> Result<Command, CommandError> {
    let Some(Value::Bool(on)) = object.remove("on") else {
        return Err(CommandError::NotAnObject(
            "`telemetry` takes the field `on`, true or false".to_owned(),
        ));
    };
    refuse_others(&object, "telemetry")?;
    Ok(Command::Telemetry(on))
}

/// A field that nobody reads is a mistake of whoever wrote it.
fn refuse_others(object: &Map<String, Value>, name: &str) -> Result<(), CommandError> {
    match object.keys().next() {
        Some(field) => Err(CommandError::NotAnObject(format!(
            "`{name}` has no field `{}`",
            excerpt(field)
        ))),
        None => Ok(()),
    }
}

fn told(value: &Value) -> String {
    excerpt(&value.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::command::Axis;
    use super::super::fleet::Fleet;
    use super::*;

    /// What a fresh drone that has taken off answers to `message`.
    fn answer(dialect: Dialect, message: &str) -> String {
        let now = Instant::now();
        let mut member = Fleet::default().private(now);
        member.command(Command::Takeoff, now).0.unwrap();
        let now = now + std::time::Duration::from_secs(5);
        let request = dialect.read(message);
        match &request.command {
            Ok(command) => {
                let (came, state) = member.command(*command, now);
                dialect.answer(&request, &came, state, member.members())
            }
            Err(error) => {
                dialect.misunderstood(&request, error, member.state(now), member.members())
            }
        }
    }

    #[test]
    fn text_answers_begin_with_ok_or_error() {
        let cases = [
            (
                "forward 10",
                "ok forward 10: flying 10.0 m to (0.0, 10.0, 2.0) [flying x=0.00 y=0.00 z=2.00 ",
            ),
            (
                "STATUS",
                "ok status: the drone is hovering [hovering x=0.00 y=0.00 z=2.00 heading=0.0 speed=0.00 battery=",
            ),
            (
                "help",
                "ok help: commands listed\ntakeoff - climb to 2 m\nland - ",
            ),
            (
                "takeoff",
                "error in_air: takeoff: the drone is already in the air [hovering ",
            ),
            (
                "jump",
                "error unknown_command: unknown command `jump`; `help` lists the commands [hovering ",
            ),
            (
                "{\"command\":\"land\"}",
                "error malformed: JSON needs the subprotocol `drone.v1.json`",
            ),
        ];
        for (message, start) in cases {
            let answer = answer(Dialect::Text, message);
            assert!(answer.starts_with(start), "{message:?}: {answer}");
        }
    }

    #[test]
    fn json_answers_say_what_was_understood_and_the_state() {
        let cases = [
            (
                r#"{"id":7,"command":"forward","distance":10}"#,
                true,
                "forward 10",
                "",
            ),
            (
                r#"{"id":7,"command":"goto","x":1,"y":2.5,"z":3}"#,
                true,
                "goto 1 2.5 3",
                "",
            ),
            (
                r#"{"id":7,"command":"rotate","angle":-90}"#,
                true,
                "rotate -90",
                "",
            ),
            (
                r#"{"id":7,"command":"telemetry","on":false}"#,
                true,
                "telemetry off",
                "",
            ),
            (
                r#"{"id":7,"command":"takeoff"}"#,
                false,
                "takeoff",
                "in_air",
            ),
            (
                r#"{"id":7,"command":"up","distance":100}"#,
                false,
                "up 100",
                "out_of_bounds",
            ),
            (
                r#"{"id":7,"command":"up","distance":1000}"#,
                false,
                "",
                "argument_range",
            ),
            (r#"{"id":7,"command":"up"}"#, false, "", "argument_type"),
            (
                r#"{"id":7,"command":"up","distance":"1"}"#,
                false,
                "",
                "argument_type",
            ),
            (
                r#"{"id":7,"command":"land","distance":1}"#,
                false,
                "",
                "malformed",
            ),
            (r#"{"id":7,"command":"jump"}"#, false, "", "unknown_command"),
            (r#"{"id":7,"command":1}"#, false, "", "malformed"),
        ];
        for (message, ok, understood, code) in cases {
            let answer: Value = serde_json::from_str(&answer(Dialect::Json, message)).unwrap();
            assert_eq!(answer["type"], "answer", "{message}");
            assert_eq!(answer["id"], 7, "{message}");
            assert_eq!(answer["ok"], ok, "{message}: {answer}");
            assert_eq!(
                answer["understood"].as_str().unwrap_or(""),
                understood,
                "{message}: {answer}"
            );
            assert_eq!(
                answer["error"]["code"].as_str().unwrap_or(""),
                code,
                "{message}: {answer}"
            );
            assert_eq!(answer["state"]["z"], 2.0, "{message}: {answer}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(400);
        let cases = [
            ("land", "not JSON"),
            ("[1]", "a command is a JSON object"),
            ("{", "not JSON"),
            (&deep, "not JSON"),
            (
                r#"{"id":[1],"command":"land"}"#,
                "id must be a number or a string",
            ),
            ("{}", "the field `command` must be"),
        ];
        for (message, text) in cases {
            let answer = answer(Dialect::Json, message);
            assert!(
                answer.contains(text) && answer.contains("\"malformed\""),
                "{message}: {answer}"
            );
        }
        assert!(answer(Dialect::Json, &" ".repeat(600)).contains("too_long"));
    }

    #[test]
    fn telemetry_is_told_apart_from_answers() {
        assert!(
            Dialect::Text
                .telemetry(State::default(), 1)
                .starts_with("telemetry grounded x=0.00")
        );
        let json = Dialect::Json.telemetry(State::default(), 2);
        assert!(
            json.starts_with(
                r#"{"type":"telemetry","members":2,"state":{"phase":"grounded","x":0.0"#
            ),
            "{json}"
        );
    }

    #[test]
    fn subprotocol_chooses_the_dialect() {
        assert_eq!(
            Dialect::of_subprotocol(Some("drone.v1.json")),
            Dialect::Json
        );
        assert_eq!(Dialect::of_subprotocol(Some("chat")), Dialect::Text);
        assert_eq!(Dialect::of_subprotocol(None), Dialect::Text);
        let line = Dialect::Text.read("left 2");
        assert_eq!(line.command, Ok(Command::Move(Axis::Left, 2.0)));
    }
}
