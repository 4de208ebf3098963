//! Commands, answers and telemetry as JSON objects, under the subprotocol `drone.v1.json`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::command::{COMMANDS, Command, CommandError, arguments_of, excerpt};
use crate::orders::Outcome;
use crate::problem::Problem;
use crate::request::Request;
use crate::state::DroneState;

/// Longest `id` of a JSON command, in characters; it comes back in the answer.
const MAX_ID_LENGTH: usize = 64;

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
    state: DroneState,
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
    state: DroneState,
}

/// The answer to a command that was obeyed.
pub(crate) fn answer(
    request: &Request,
    outcome: &Outcome,
    state: DroneState,
    members: usize,
) -> String {
    let command = request.command.as_ref().ok();
    written(&Answer {
        ok: true,
        understood: command.map(Command::to_string),
        message: Some(outcome.text.clone()),
        replaced: outcome.replaced,
        commands: matches!(command, Some(Command::Help)).then(help),
        ..Answer::new(&request.id, state, members)
    })
}

/// The answer to what was refused, or is no command.
pub(crate) fn problem(
    request: &Request,
    problem: Problem,
    state: DroneState,
    members: usize,
) -> String {
    written(&Answer {
        understood: request.command.as_ref().ok().map(Command::to_string),
        error: Some(problem),
        ..Answer::new(&request.id, state, members)
    })
}

/// The state, sent without being asked.
pub(crate) fn telemetry(state: DroneState, members: usize) -> String {
    written(&Telemetry {
        r#type: "telemetry",
        members,
        state,
    })
}

impl<'a> Answer<'a> {
    /// An answer that says no more than the state.
    fn new(id: &'a Value, state: DroneState, members: usize) -> Self {
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
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads one object.
pub(crate) fn read(message: &str) -> Request {
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
    Request::without_id(Err(CommandError::NotAnObject(why)))
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
            given: value.as_ref().map_or("nothing".to_owned(), shown),
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

fn shown(value: &Value) -> String {
    excerpt(&value.to_string())
}
