//! A memory cgroup around the server, of either version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A cgroup that is removed when dropped; its processes must have ended by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
    version: Version,
}

/// Names of the files of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// A cgroup whose processes may have so many MiB together, page cache included.
    ///
    /// # Errors
    /// The system has no such controller, or this user may not use it.
    pub(crate) fn new(mebibytes: u64) -> Result<Self> {
        let (parent, version) = if Path::new(ONE).is_dir() {
            (ONE, Version::One)
        } else {
            // It may be on already, or this cgroup may not be ours; then there is no file for the limit.
            let _ = fs::write(Path::new(TWO).join("cgroup.subtree_control"), "+memory");
            (TWO, Version::Two)
        };
        let directory = Path::new(parent).join(format!("attack-{}", std::process::id()));
        fs::create_dir(&directory)
            .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
        let cgroup = Self { directory, version };
        let limit = cgroup.file("memory.limit_in_bytes", "memory.max");
        // Not `fs::write`: that would make the file where there is no controller.
        fs::OpenOptions::new()
            .write(true)
            .open(&limit)
            .and_then(|mut file| {
                let bytes = (mebibytes << 20).to_string();
                std::io::Write::write_all(&mut file, bytes.as_bytes())
            })
            .with_context(|| format!("cannot limit memory by {}", limit.display()))?;
        Ok(cgroup)
    }

    /// `program`, to be started within the cgroup.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        // Being in the cgroup before its first page, the program cannot have memory that is not counted.
        command.args([
            "-c",
            "echo $$ >\"$0\"; program=$1; shift; exec \"$program\" \"$@\"",
        ]);
        command.arg(self.directory.join("cgroup.procs"));
        command.arg(program);
        command
    }

    /// The maximum that was taken so far in bytes, if the system keeps it, and how often the limit was reached.
    ///
    /// # Errors
    /// The system does not say how often.
    pub(crate) fn account(&self) -> Result<(Option<u64>, u64)> {
        let peak = fs::read_to_string(self.file("memory.max_usage_in_bytes", "memory.peak"));
        let peak = peak.ok().and_then(|text| text.trim().parse().ok());
        let reached = fs::read_to_string(self.file("memory.failcnt", "memory.events"))?;
        let reached = match self.version {
            Version::One => Some(reached.as_str()),
            Version::Two => reached.lines().find_map(|line| line.strip_prefix("max ")),
        };
        let reached = reached.context("memory.events has no line `max`")?;
        Ok((peak, reached.trim().parse()?))
    }

    fn file(&self, one: &str, two: &str) -> PathBuf {
        self.directory.join(match self.version {
            Version::One => one,
            Version::Two => two,
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel takes a moment after the last process has ended.
        for _ in 0..50 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// The memory controller of version 1, where there is one.
const ONE: &str = "/sys/fs/cgroup/memory";
/// All controllers of version 2.
const TWO: &str = "/sys/fs/cgroup";
