//! Messages as the log shows them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use tungstenite_deflate::tungstenite::Message;
use values::escape::Escaped;

/// Displays a message for the log: text escaped and cut at [`set_max_bytes`], binary data as its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a>(pub(crate) &'a Message);

/// Sets the maximum of bytes of one payload in the log.
pub(super) fn set_max_bytes(bytes: usize) {
    MAX_BYTES.store(bytes, Ordering::Relaxed);
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Text(text) => Escaped::new(text.as_str())
                .max_bytes(MAX_BYTES.load(Ordering::Relaxed))
                .fmt(formatter),
            message => write!(formatter, "({} bytes)", message.len()),
        }
    }
}

static MAX_BYTES: AtomicUsize = AtomicUsize::new(1024);
