//! The telemetry of a drone that several connections share: written and compressed once for all.

use std::sync::{Arc, Mutex};

use drone::{Dialect, Report};
use tungstenite_deflate::{PreparedMessage, SharedContext};
use values::sync::lock;

/// The latest report in each dialect.
#[derive(Debug)]
pub(super) struct Telemetry {
    text: Stream,
    json: Stream,
}

/// Reports in one dialect.
#[derive(Debug)]
struct Stream {
    context: SharedContext,
    latest: Mutex<Option<(Report, Arc<PreparedMessage>)>>,
}

impl Telemetry {
    /// Nothing reported yet; `make` makes a context for each dialect.
    pub(super) fn new(make: impl Fn() -> SharedContext) -> Self {
        Self {
            text: Stream::new(make()),
            json: Stream::new(make()),
        }
    }

    /// The message of `report`, the same for all who ask while it is the latest.
    pub(super) fn message(&self, dialect: Dialect, report: Report) -> Arc<PreparedMessage> {
        let Stream { context, latest } = match dialect {
            Dialect::Text => &self.text,
            Dialect::Json => &self.json,
        };
        let mut latest = lock(latest);
        match &*latest {
            Some((known, message)) if *known == report => Arc::clone(message),
            _ => {
                let text = dialect.telemetry(report.state, report.members);
                let message = Arc::new(context.text(text));
                *latest = Some((report, Arc::clone(&message)));
                message
            }
        }
    }
}

impl Stream {
    fn new(context: SharedContext) -> Self {
        Self {
            context,
            latest: Mutex::default(),
        }
    }
}
