//! The four parameters of permessage-deflate as they stand in a header (RFC 7692 §7.1).

use std::fmt;

use crate::extensions::{Extension, Parameter};

/// The parameters of one offer or response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: Option<ClientWindow>,
}

/// Value of `client_max_window_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientWindow {
    /// Without a value, which only an offer may have: the client can keep to any window (§7.1.2.2).
    Any,
    /// So many bits.
    Bits(u8),
}

/// A parameter that permessage-deflate does not have, or not like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Not one of the four.
    #[error("permessage-deflate has no parameter {name:?} (RFC 7692 §7.1)")]
    Unknown {
        /// Its name, cut at 64 characters.
        name: String,
    },
    /// The same parameter twice.
    #[error("permessage-deflate has {parameter} twice, at most once allowed (RFC 7692 §7.1)")]
    Repeated {
        /// Name of the parameter.
        parameter: &'static str,
    },
    /// The value is not what the parameter takes.
    #[error(
        "permessage-deflate has {parameter} with value {seen:?}, allowed is {allowed} (RFC 7692 §7.1)"
    )]
    Value {
        /// Name of the parameter.
        parameter: &'static str,
        /// Its value, cut at 64 characters; `None` if it had none.
        seen: Option<String>,
        /// Values allowed for it.
        allowed: &'static str,
    },
}

/// Side whose parameters are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Client,
    Server,
}

impl Parameters {
    /// Reads an offer. A window may be quoted, here as in a response: both forms mean the same (RFC 6455 §9.1).
    pub(super) fn of_offer(extension: &Extension<'_>) -> Result<Self, ParameterError> {
        Self::read(extension, Speaker::Client)
    }

    /// Reads a response, in which `client_max_window_bits` must have a value (§7.1.2.2).
    pub(super) fn of_response(extension: &Extension<'_>) -> Result<Self, ParameterError> {
        Self::read(extension, Speaker::Server)
    }

    fn read(extension: &Extension<'_>, speaker: Speaker) -> Result<Self, ParameterError> {
        let mut read = Self::default();
        for parameter in &extension.parameters {
            let (name, repeated) = match parameter.name {
                SERVER_FLAG => (
                    SERVER_FLAG,
                    set_flag(SERVER_FLAG, parameter, &mut read.server_no_context_takeover)?,
                ),
                CLIENT_FLAG => (
                    CLIENT_FLAG,
                    set_flag(CLIENT_FLAG, parameter, &mut read.client_no_context_takeover)?,
                ),
                SERVER_WINDOW => {
                    let bits = window_bits(SERVER_WINDOW, parameter)?;
                    (
                        SERVER_WINDOW,
                        read.server_max_window_bits.replace(bits).is_some(),
                    )
                }
                CLIENT_WINDOW => {
                    let window = if parameter.value.is_none() && speaker == Speaker::Client {
                        ClientWindow::Any
                    } else {
                        ClientWindow::Bits(window_bits(CLIENT_WINDOW, parameter)?)
                    };
                    (
                        CLIENT_WINDOW,
                        read.client_max_window_bits.replace(window).is_some(),
                    )
                }
                name => return Err(ParameterError::Unknown { name: cut(name) }),
            };
            if repeated {
                return Err(ParameterError::Repeated { parameter: name });
            }
        }
        Ok(read)
    }
}

/// Sets a parameter that takes no value, and tells whether it was set already.
fn set_flag(
    name: &'static str,
    parameter: &Parameter<'_>,
    flag: &mut bool,
) -> Result<bool, ParameterError> {
    match parameter.value {
        None => Ok(std::mem::replace(flag, true)),
        Some(_) => Err(value_error(name, parameter, "none")),
    }
}

/// A decimal number from 8 to 15 without leading zeros (§7.1.2).
fn window_bits(name: &'static str, parameter: &Parameter<'_>) -> Result<u8, ParameterError> {
    let value = parameter.value.as_deref();
    let found = value.and_then(|value| WINDOWS.iter().find(|(text, _)| *text == value));
    found
        .map(|&(_, bits)| bits)
        .ok_or_else(|| value_error(name, parameter, "a number from 8 to 15"))
}

fn value_error(name: &'static str, seen: &Parameter<'_>, allowed: &'static str) -> ParameterError {
    ParameterError::Value {
        parameter: name,
        seen: seen.value.as_deref().map(cut),
        allowed,
    }
}

/// So much of a peer's text as an error message may repeat.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

impl fmt::Display for Parameters {
    /// As they stand in a header after the extension's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.server_no_context_takeover {
            write!(f, "; {SERVER_FLAG}")?;
        }
        if self.client_no_context_takeover {
            write!(f, "; {CLIENT_FLAG}")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_WINDOW}={bits}")?;
        }
        match self.client_max_window_bits {
            Some(ClientWindow::Bits(bits)) => write!(f, "; {CLIENT_WINDOW}={bits}"),
            Some(ClientWindow::Any) => write!(f, "; {CLIENT_WINDOW}"),
            None => Ok(()),
        }
    }
}

const SERVER_FLAG: &str = "server_no_context_takeover";
const CLIENT_FLAG: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";
/// All values a window may have, as they are written.
const WINDOWS: [(&str, u8); 8] = [
    ("8", 8),
    ("9", 9),
    ("10", 10),
    ("11", 11),
    ("12", 12),
    ("13", 13),
    ("14", 14),
    ("15", 15),
];
