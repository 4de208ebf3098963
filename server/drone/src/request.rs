//! A message of a connection, as far as it was understood.

use serde_json::Value;

use crate::command::{Command, CommandError};

/// A message as far as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The `id` that a JSON command carried, to be given back; `null` without one.
    pub id: Value,
    /// The command, or why there is none.
    pub command: Result<Command, CommandError>,
}

impl Request {
    /// A message without an `id`.
    pub(crate) fn without_id(command: Result<Command, CommandError>) -> Self {
        Self {
            id: Value::Null,
            command,
        }
    }
}
