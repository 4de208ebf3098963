//! A memory cgroup (version 1) around the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A cgroup that is removed when dropped; its processes must have ended by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// A cgroup whose processes may have so many MiB together, page cache included.
    ///
    /// # Errors
    /// The system has no such controller, or this user may not use it.
    pub(crate) fn new(mebibytes: u64) -> Result<Self> {
        let directory =
            Path::new("/sys/fs/cgroup/memory").join(format!("attack-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| {
            format!(
                "cannot make the cgroup {}; --memory-limit needs root and the memory controller of cgroups version 1",
                directory.display()
            )
        })?;
        let cgroup = Self { directory };
        fs::write(
            cgroup.directory.join("memory.limit_in_bytes"),
            (mebibytes << 20).to_string(),
        )
        .context("cannot limit the memory of the cgroup")?;
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

    /// The most that was taken so far, in bytes, and how often the limit was run into.
    pub(crate) fn account(&self) -> Result<(u64, u64)> {
        let read = |name: &str| -> Result<u64> {
            let text = fs::read_to_string(self.directory.join(name))?;
            Ok(text.trim().parse()?)
        };
        Ok((read("memory.max_usage_in_bytes")?, read("memory.failcnt")?))
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
