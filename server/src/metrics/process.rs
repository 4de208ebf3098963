//! The series of the process and of the program, under the names that every exporter uses.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::resident::resident_bytes;

/// The labels of the program.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

/// Shows what the process takes when it is asked.
#[derive(Debug)]
struct Process {
    /// Seconds since 1970.
    started: f64,
}

/// Registers the series of the process in `root`.
pub(super) fn register_process(root: &mut Registry) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    root.register_collector(Box::new(Process {
        started: since.unwrap_or_default().as_secs_f64(),
    }));
}

/// Registers what is known of the program.
pub(super) fn register_build(registry: &mut Registry) {
    let build: Family<Build, Gauge> = Family::default();
    build
        .get_or_create(&Build {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        })
        .set(1);
    registry.register("build_info", "1, with the version of the program", build);
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        gauge(
            "process_start_time_seconds",
            "Time at which the process began, in seconds since 1970",
            Some(self.started),
        )?;
        gauge(
            "process_resident_memory_bytes",
            "Resident memory of the process",
            resident_bytes().map(float),
        )?;
        gauge(
            "process_open_fds",
            "Open file descriptors",
            open_descriptors(),
        )?;
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors",
            max_descriptors(),
        )?;
        let Some(seconds) = cpu_seconds() else {
            return Ok(());
        };
        let metric = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Time that the process has spent on processors",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(seconds).encode(metric)
    }
}

/// A number as metrics take it; exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "bytes and descriptors are far below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(target_os = "linux")]
fn open_descriptors() -> Option<f64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // The one that reads the directory is not counted.
    u64::try_from(entries.count())
        .ok()
        .map(|count| float(count.saturating_sub(1)))
}

#[cfg(not(target_os = "linux"))]
fn open_descriptors() -> Option<f64> {
    None
}

#[cfg(unix)]
fn max_descriptors() -> Option<f64> {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.map(float)
}

#[cfg(not(unix))]
fn max_descriptors() -> Option<f64> {
    None
}

#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time)
        .ok()
        .map(|time| time.as_secs_f64())
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}
