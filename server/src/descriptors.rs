//! File descriptors: as many as the system gives, and never more connections than they suffice for.

use tracing::warn;

/// `wanted` connections, or as many as there are descriptors for.
///
/// Raises the process's soft limit to its hard one first.
#[cfg(unix)]
pub(crate) fn connections(wanted: usize) -> usize {
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
    let possible = within(descriptors);
    if possible < wanted {
        warn!(
            descriptors,
            connections = possible,
            wanted,
            "fewer connections than wanted: the limit of open files (ulimit -n) is too low"
        );
    }
    wanted.min(possible)
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(crate) fn connections(wanted: usize) -> usize {
    wanted
}

/// How many of `descriptors` may be connections; the rest is for files, logs and the listener.
fn within(descriptors: usize) -> usize {
    descriptors
        .saturating_sub(RESERVED)
        .max(descriptors / 2)
        .max(1)
}

/// Descriptors that are not for connections.
const RESERVED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_other_things() {
        for (descriptors, connections) in [(20_000, 19_744), (1024, 768), (256, 128), (1, 1)] {
            assert_eq!(within(descriptors), connections, "{descriptors}");
        }
    }
}
