//! Problems: a code and values for programs, a sentence for people.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::command::{CommandError, MAX_COMMAND_BYTES};
use crate::orders::Refusal;
use crate::simulation::TAKEOFF_CHARGE;

/// Description of a command that was not obeyed.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// For people; it may change.
    pub(crate) message: String,
    /// The values in the sentence, so that a program can say it in another language.
    #[serde(skip_serializing_if = "Map::is_empty")]
    values: Map<String, Value>,
}

impl Problem {
    fn new(code: &'static str, message: String, values: Value) -> Self {
        let values = match values {
            Value::Object(values) => values,
            _ => Map::new(),
        };
        Self {
            code,
            message,
            values,
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let values = match refusal {
            Refusal::OnGround | Refusal::InAir | Refusal::Landed | Refusal::Busy { .. } => {
                Value::Null
            }
            Refusal::OutOfBounds { bound } => json!({
                "argument": bound.name,
                "given": bound.value,
                "min": bound.min,
                "max": bound.max,
            }),
            Refusal::Battery { percent } => json!({ "percent": percent, "needed": TAKEOFF_CHARGE }),
            Refusal::Reserve { percent } => json!({ "percent": percent }),
        };
        Self::new(refusal.code(), refusal.to_string(), values)
    }
}

impl From<&CommandError> for Problem {
    fn from(error: &CommandError) -> Self {
        let values = match error {
            CommandError::Empty | CommandError::NotAnObject(_) => Value::Null,
            CommandError::TooLong { bytes } => json!({ "given": bytes, "max": MAX_COMMAND_BYTES }),
            CommandError::Unknown { name } => json!({ "name": name }),
            CommandError::ArgumentCount {
                name,
                wanted,
                given,
            } => json!({ "name": name, "wanted": wanted.len(), "given": given }),
            CommandError::NotANumber { argument, given } => {
                json!({ "argument": argument, "given": given })
            }
            CommandError::NotOnOff { given } => json!({ "argument": "telemetry", "given": given }),
            CommandError::OutOfRange {
                argument,
                given,
                min,
                max,
            } => json!({ "argument": argument, "given": given, "min": min, "max": max }),
        };
        Self::new(error.code(), error.to_string(), values)
    }
}
