//! Messages as the log shows them.

use std::fmt;

use tungstenite_deflate::tungstenite::Message;
use values::escape::Escaped;

/// Displays a message for the log: text escaped and bounded, binary data as its length.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Text(text) => Escaped::new(text.as_str()).fmt(formatter),
            message => write!(formatter, "({} bytes)", message.len()),
        }
    }
}
