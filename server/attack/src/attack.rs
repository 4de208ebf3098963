//! The means of an attack.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::dial::Dialler;
use crate::target::Target;

/// The extent of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Small counts, short deadlines.
    Short,
    /// Full counts, the server's own deadlines.
    Long,
}

impl Form {
    /// `short` or `long`, as the form is.
    pub(crate) fn of<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }

    /// Maximum time of a row.
    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs(self.of(60, 400))
    }
}

/// The server, and a way to it whose cost is counted.
pub(crate) struct Attack<'a> {
    /// The server.
    pub(crate) target: &'a Target,
    /// Opens the attackers' connections.
    pub(crate) dial: Dialler,
    /// Opens an honest client's connection, which costs the attackers nothing.
    pub(crate) honest: Dialler,
    /// The extent.
    pub(crate) form: Form,
}

impl Attack<'_> {
    /// `short` or `long`, as the form is.
    pub(crate) fn of<T>(&self, short: T, long: T) -> T {
        self.form.of(short, long)
    }

    /// The same numbers each time.
    pub(crate) fn random() -> StdRng {
        StdRng::seed_from_u64(SEED)
    }
}

/// Of everything random in the suite.
const SEED: u64 = 0x5eed_0008;
