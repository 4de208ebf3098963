//! File descriptors: as many as the system gives, and never more connections than they suffice for.

use std::fs::File;
use std::io;

use futures_util::FutureExt;
use tracing::warn;

use crate::listening::Listening;

/// The number of connections that may be held, and of those exceeding it that may be refused at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) connections: usize,
    pub(crate) refusals: usize,
}

/// Returns the `wanted` capacity, or as much of it as there are descriptors for.
///
/// Raises the process's soft limit to its hard one first.
#[cfg(unix)]
pub(crate) fn capacity(wanted: Capacity) -> Capacity {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(descriptors) = descriptors.and_then(|limit| usize::try_from(limit).ok()) else {
        return wanted;
    };
    let capacity = within(descriptors, wanted);
    if capacity.connections < wanted.connections {
        warn!(
            descriptors,
            connections = capacity.connections,
            wanted = wanted.connections,
            "fewer connections than wanted: the limit of open files (ulimit -n) is too low"
        );
    }
    capacity
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(crate) fn capacity(wanted: Capacity) -> Capacity {
    wanted
}

/// A descriptor that is kept for the moment when there is no other (R2).
///
/// Without it, clients that wait to be accepted when descriptors have run out would be left waiting; with it they are
/// accepted and closed one by one.
#[derive(Debug)]
pub(crate) struct Spare {
    held: Option<File>,
}

impl Spare {
    /// Keeps a descriptor, if there is one.
    pub(crate) fn new() -> Self {
        Self {
            held: File::open(NOTHING).ok(),
        }
    }

    /// Closes the clients that wait at `listener`, if `error` says that they could not be accepted for want of a
    /// descriptor; how many were closed.
    pub(crate) fn shed(&mut self, error: &io::Error, listener: &Listening) -> u64 {
        let mut shed = 0;
        if is_out_of_descriptors(error) && self.held.take().is_some() {
            while shed < SHED_AT_ONCE && matches!(listener.accept().now_or_never(), Some(Ok(_))) {
                shed += 1;
            }
        }
        self.held = self.held.take().or_else(|| File::open(NOTHING).ok());
        shed
    }
}

/// `EMFILE` (this process) or `ENFILE` (the whole system).
fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Clients closed in a row before the accept loop waits again.
const SHED_AT_ONCE: u64 = 64;
/// A file that can always be opened.
const NOTHING: &str = "/dev/null";

/// Returns the part of `wanted` that so many `descriptors` allow; the rest is for files, logs and the listener.
fn within(descriptors: usize, wanted: Capacity) -> Capacity {
    let possible = descriptors.saturating_sub(RESERVED).max(descriptors / 2);
    let refusals = wanted.refusals.min(possible / 8);
    Capacity {
        connections: wanted.connections.min((possible - refusals).max(1)),
        refusals,
    }
}

/// Descriptors that are not for connections.
const RESERVED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_other_things() {
        let wanted = Capacity {
            connections: usize::MAX,
            refusals: 64,
        };
        for (descriptors, connections, refusals) in [
            (20_000, 19_680, 64),
            (1024, 704, 64),
            (256, 112, 16),
            (20, 9, 1),
            (1, 1, 0),
        ] {
            let capacity = Capacity {
                connections,
                refusals,
            };
            assert_eq!(within(descriptors, wanted), capacity, "{descriptors}");
        }
        let few = Capacity {
            connections: 3,
            refusals: 2,
        };
        assert_eq!(within(20_000, few), few);
    }
}
