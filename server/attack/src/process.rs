//! Figures of the system about a process: memory, processor time, descriptors.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process of this machine, looked at through `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    /// The process with this id.
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Most resident memory since [`forget_peak`](Self::forget_peak), in bytes.
    pub(crate) fn peak(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak begin anew.
    pub(crate) fn forget_peak(self) -> Result<()> {
        fs::write(self.file("clear_refs"), "5").context("cannot reset the peak of memory")
    }

    /// Processor time of all its threads, also of those that have ended. In steps of 10 ms.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let stat = fs::read_to_string(self.file("stat"))?;
        // The name in parentheses may hold anything; fields 14 and 15 of proc(5) stand after it.
        let (_, fields) = stat
            .rsplit_once(')')
            .context("/proc/PID/stat has no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Descriptors that it holds.
    pub(crate) fn descriptors(self) -> Result<usize> {
        Ok(fs::read_dir(self.file("fd"))?.count())
    }

    fn status(self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes
            .with_context(|| format!("/proc/{}/status has no {field}", self.0))?
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn file(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0)
    }
}

/// Processor time of the thread that asks.
pub(crate) fn own_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_look_at_itself() {
        let own = Process::new(std::process::id());
        assert!(own.resident().unwrap() > 1 << 20);
        assert!(own.peak().unwrap() >= own.resident().unwrap() / 2);
        assert!(own.descriptors().unwrap() >= 3);
        let (before, cpu) = (own_cpu(), own.cpu().unwrap());
        let mut sum = 0_u64;
        while own_cpu() < before + Duration::from_millis(50) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own.cpu().unwrap() >= cpu + Duration::from_millis(20));
    }
}
