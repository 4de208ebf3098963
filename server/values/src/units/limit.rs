//! Values that can be switched off.

use std::fmt;
use std::str::FromStr;

/// A value, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

/// Parses `off`, or what `parse` accepts.
///
/// # Errors
/// That of `parse`, with a word about `off`.
pub fn off_or<T, E: fmt::Display>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Limit<T>, String> {
    if text == "off" {
        return Ok(Limit(None));
    }
    match parse(text) {
        Ok(value) => Ok(Limit(Some(value))),
        Err(error) => Err(format!("{error}; `off` switches it off")),
    }
}

impl<T: FromStr<Err: fmt::Display>> FromStr for Limit<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        off_or(text, str::parse)
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(formatter),
            None => formatter.write_str("off"),
        }
    }
}
