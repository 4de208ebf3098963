//! The two ways to talk to a drone: lines of text, and JSON objects under the subprotocol `drone.v1.json`.
//!
//! One message is one command and gets one answer. In text the answer begins with `ok ` or `error `, telemetry with
//! `telemetry `, and telemetry comes only after `telemetry on`, so that a plain client reads one line for each it wrote.
//! In JSON each object has a `type`, `answer` or `telemetry`, and telemetry comes unless `telemetry off` was said.

use std::fmt::Write as _;

use crate::command::{COMMANDS, Command, CommandError, MAX_COMMAND_BYTES};
use crate::json;
use crate::orders::{Outcome, Refusal};
use crate::problem::Problem;
use crate::request::Request;
use crate::state::DroneState;

/// The subprotocol under which messages are JSON objects.
pub const JSON_SUBPROTOCOL: &str = "drone.v1.json";

/// A spelling of commands, answers and telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Lines of text.
    Text,
    /// JSON objects.
    Json,
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

    /// Reports whether telemetry is sent before anybody asked for it.
    pub fn telemetry_by_default(self) -> bool {
        self == Self::Json
    }

    /// Reads one message.
    pub fn read(self, message: &str) -> Request {
        if message.len() > MAX_COMMAND_BYTES {
            return Request::without_id(Err(CommandError::TooLong {
                bytes: message.len(),
            }));
        }
        match self {
            Self::Text if message.trim_start().starts_with('{') => {
                let hint = format!(
                    "JSON needs the subprotocol `{JSON_SUBPROTOCOL}`; this connection reads lines of text"
                );
                Request::without_id(Err(CommandError::NotAnObject(hint)))
            }
            Self::Text => Request::without_id(Command::from_line(message)),
            Self::Json => json::read(message),
        }
    }

    /// The one answer to a command that was understood.
    pub fn answer(
        self,
        request: &Request,
        came: &Result<Outcome, Refusal>,
        state: DroneState,
        members: usize,
    ) -> String {
        match came {
            Ok(outcome) => match self {
                Self::Text => text_answer(request.command.as_ref().ok(), outcome, state),
                Self::Json => json::answer(request, outcome, state, members),
            },
            Err(refusal) => self.problem(request, refusal.into(), state, members),
        }
    }

    /// The one answer to a message that is no command.
    pub fn misunderstood(
        self,
        request: &Request,
        error: &CommandError,
        state: DroneState,
        members: usize,
    ) -> String {
        self.problem(request, error.into(), state, members)
    }

    /// The state, sent without being asked.
    pub fn telemetry(self, state: DroneState, members: usize) -> String {
        match self {
            Self::Text => format!("telemetry {state}"),
            Self::Json => json::telemetry(state, members),
        }
    }

    fn problem(
        self,
        request: &Request,
        problem: Problem,
        state: DroneState,
        members: usize,
    ) -> String {
        if self == Self::Json {
            return json::problem(request, problem, state, members);
        }
        let Problem { code, message, .. } = problem;
        match &request.command {
            Ok(command) => format!("error {code}: {command}: {message} [{state}]"),
            Err(_) => format!("error {code}: {message} [{state}]"),
        }
    }
}

fn text_answer(command: Option<&Command>, outcome: &Outcome, state: DroneState) -> String {
    let mut answer = String::from("ok ");
    if let Some(command) = command {
        let _ = write!(answer, "{command}: ");
    }
    answer.push_str(&outcome.text);
    if outcome.replaced {
        answer.push_str(", instead of the movement before");
    }
    if matches!(command, Some(Command::Help)) {
        for (command, arguments, text) in COMMANDS {
            let call = [&[*command], *arguments].concat().join(" ");
            let _ = write!(answer, "\n{call} - {text}");
        }
        return answer;
    }
    let _ = write!(answer, " [{state}]");
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::Value;

    use super::*;
    use crate::command::Axis;
    use crate::fleet::Fleet;

    /// The answer to `message` of a fresh drone that has taken off.
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
        #[rustfmt::skip]
        let cases = [
            ("forward 10", "ok forward 10: flying 10.0 m to (0.0, 10.0, 2.0) [flying x=0.00 y=0.00 z=2.00 "),
            (
                "STATUS",
                "ok status: the drone is hovering [hovering x=0.00 y=0.00 z=2.00 heading=0.0 speed=0.00 battery=",
            ),
            ("help", "ok help: commands listed\ntakeoff - climb to 2 m\nland - "),
            ("takeoff", "error in_air: takeoff: the drone is already in the air [hovering "),
            ("jump", "error unknown_command: unknown command `jump`; `help` lists the commands [hovering "),
            ("{\"command\":\"land\"}", "error malformed: JSON needs the subprotocol `drone.v1.json`"),
        ];
        for (message, start) in cases {
            let answer = answer(Dialect::Text, message);
            assert!(answer.starts_with(start), "{message:?}: {answer}");
        }
    }

    #[test]
    fn json_answers_say_what_was_understood_and_the_state() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"id":7,"command":"forward","distance":10}"#, true, "forward 10", ""),
            (r#"{"id":7,"command":"goto","x":1,"y":2.5,"z":3}"#, true, "goto 1 2.5 3", ""),
            (r#"{"id":7,"command":"rotate","angle":-90}"#, true, "rotate -90", ""),
            (r#"{"id":7,"command":"telemetry","on":false}"#, true, "telemetry off", ""),
            (r#"{"id":7,"command":"takeoff"}"#, false, "takeoff", "in_air"),
            (r#"{"id":7,"command":"up","distance":100}"#, false, "up 100", "out_of_bounds"),
            (r#"{"id":7,"command":"up","distance":1000}"#, false, "", "argument_range"),
            (r#"{"id":7,"command":"up"}"#, false, "", "argument_type"),
            (r#"{"id":7,"command":"up","distance":"1"}"#, false, "", "argument_type"),
            (r#"{"id":7,"command":"land","distance":1}"#, false, "", "malformed"),
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
    fn problems_carry_what_their_sentence_speaks_of() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"command":"speed","speed":99}"#, r#"{"argument":"speed","given":99.0,"max":15.0,"min":0.5}"#),
            (r#"{"command":"up","distance":100}"#, r#"{"argument":"altitude","given":102.0,"max":50.0,"min":0.5}"#),
            (r#"{"command":"jump"}"#, r#"{"name":"jump"}"#),
            (r#"{"command":"up"}"#, r#"{"argument":"distance","given":"nothing"}"#),
            (r#"{"command":"takeoff"}"#, "null"),
        ];
        for (message, values) in cases {
            let answer: Value = serde_json::from_str(&answer(Dialect::Json, message)).unwrap();
            assert_eq!(answer["error"]["values"].to_string(), values, "{message}");
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
                .telemetry(DroneState::default(), 1)
                .starts_with("telemetry grounded x=0.00")
        );
        let json = Dialect::Json.telemetry(DroneState::default(), 2);
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
