//! Lines for people where there is no log.

use std::io::Write;

/// One line on standard error, for what happens before there is a log.
pub(super) fn complain(message: &impl std::fmt::Display) {
    // If even this cannot be written, the exit code must do.
    let _ = writeln!(std::io::stderr(), "server: {message}");
}
