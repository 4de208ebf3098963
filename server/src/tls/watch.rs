//! Notices that the files of the certificates have changed, or that what they hold comes to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::reminder::Reminder;
use super::{Tls, pairs};

/// Properties of a file that differ when it is replaced; `None` while they cannot be read.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Tls {
    /// Reloads whenever a file has changed and then stayed the same for one more look, so that a file which is being
    /// written is not read half; warns of certificates that come near their end. Runs until it is dropped.
    pub(crate) async fn watch(self: Arc<Self>, interval: Duration) {
        let mut timer = tokio::time::interval(interval.max(SHORTEST_INTERVAL));
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut loaded = self.stamps();
        let mut previous = loaded.clone();
        let mut reminder = Reminder::new(&self.options);
        loop {
            timer.tick().await;
            let now = self.stamps();
            if now != loaded && now == previous {
                debug!("files of the certificates have changed");
                self.reload();
                loaded.clone_from(&now);
            }
            if now == loaded {
                reminder.remind(&self.options, &self.metrics);
            }
            previous = now;
        }
    }

    /// The present state of every file that [`Tls::reload`] reads.
    fn stamps(&self) -> Vec<Stamp> {
        let pairs = pairs::paths(&self.options).unwrap_or_default();
        let files = pairs
            .iter()
            .flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()]);
        files
            .chain(self.options.client_ca.as_deref())
            .map(stamp)
            .collect()
    }
}

/// The present state of one file, links followed: renewers such as certbot swap a link.
fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), inode(&metadata)))
}

/// The file's number, which changes when another file is renamed onto its name.
#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Without such a number, time and size must do.
#[cfg(not(unix))]
fn inode(_metadata: &std::fs::Metadata) -> u64 {
    0
}

/// Looking more often than this costs more than it brings.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
