//! The table of what each attack cost and did.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use crate::attack::Form;
use crate::honest::PhaseOutcome;

/// The result of one row.
#[derive(Debug)]
pub(crate) struct Report {
    /// The row's name.
    pub(crate) name: &'static str,
    /// Its threats.
    pub(crate) threats: &'static str,
    /// The attack in a few words.
    pub(crate) what: &'static str,
    /// Bytes that the attackers sent.
    pub(crate) sent: u64,
    /// Connections that they opened.
    pub(crate) connections: u64,
    /// Resident memory before the attack.
    pub(crate) before: u64,
    /// Most resident memory during it.
    pub(crate) peak: u64,
    /// Processor time of the server during it, beyond what honest clients cost.
    pub(crate) server_cpu: Duration,
    /// Processor time of the attackers.
    pub(crate) attacker_cpu: Duration,
    /// Its duration.
    pub(crate) took: Duration,
    /// Honest traffic before it.
    pub(crate) quiet: PhaseOutcome,
    /// Honest traffic beside it.
    pub(crate) beside: PhaseOutcome,
    /// The observation, or the fault.
    pub(crate) outcome: String,
    /// Conditions that do not hold.
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// Bytes of memory that the server took.
    pub(crate) fn growth(&self) -> u64 {
        self.peak.saturating_sub(self.before)
    }

    /// Memory taken for each byte that the attackers spent. A connection counts as 16 KiB beside what it sends, about
    /// what it costs the attackers' own system; 1 MiB is added for the allocator's grain.
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    pub(crate) fn memory_amplification(&self) -> f64 {
        let spent = self.sent + self.connections * (16 << 10) + (1 << 20);
        self.growth() as f64 / spent as f64
    }

    /// Processor time of the server for each second of the attackers'; less than 100 ms of theirs counts as 100 ms, since
    /// the system counts in steps of 10 ms.
    pub(crate) fn cpu_amplification(&self) -> f64 {
        let spent = self.attacker_cpu.max(Duration::from_millis(100));
        self.server_cpu.as_secs_f64() / spent.as_secs_f64()
    }

    /// Reports whether the honest clients' 99th percentile stayed within five times the quiet one.
    pub(crate) fn is_within_five(&self) -> bool {
        self.beside.p99 <= self.quiet.p99 * 5
    }
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Nobody may be reading any more; the exit code still tells.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The first lines of the table, as Markdown.
pub(crate) const HEAD: &str = "\
| row | threat | sent | RSS before → peak | memory × | CPU server / attacker | CPU × | honest sent / lost | p50, p99 quiet | p50, p99 beside | outcome | |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|";

/// A line of the table, as Markdown.
pub(crate) fn line(report: &Report) -> String {
    let verdict = if report.faults.is_empty() {
        "ok"
    } else {
        "**FAIL**"
    };
    let five = if report.is_within_five() {
        ""
    } else {
        " (> 5 ×)"
    };
    format!(
        "| {} | {} | {} in {} | {} → {} | {:.1} | {:.2} / {:.2} s | {:.1} | {} / {} | {} | {}{five} | {} ({:.1} s) | {verdict} |",
        report.name,
        report.threats,
        bytes(report.sent),
        report.connections,
        bytes(report.before),
        bytes(report.peak),
        report.memory_amplification(),
        report.server_cpu.as_secs_f64(),
        report.attacker_cpu.as_secs_f64(),
        report.cpu_amplification(),
        report.beside.sent,
        report.beside.lost,
        times(&report.quiet),
        times(&report.beside),
        report.outcome.replace('\n', " ").replace('|', "/"),
        report.took.as_secs_f64(),
    )
}

/// The whole report.
pub(crate) fn document(reports: &[Report], form: Form, more: &[String]) -> String {
    let mut text = format!(
        "# Attack suite, {} form\n\n{}\n\n{EXPLANATION}\n{HEAD}\n",
        form.of("short", "long"),
        circumstances()
    );
    for report in reports {
        text.push_str(&line(report));
        text.push('\n');
    }
    text.push_str("\n## What the attackers do\n");
    for report in reports {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "- `{}` ({}): {}",
            report.name, report.threats, report.what
        );
    }
    for line in more {
        let _ = write!(text, "\n{line}\n");
    }
    text
}

/// A report without a table.
pub(crate) fn prose(title: &str, lines: &[String]) -> String {
    format!(
        "# {title}\n\n{}\n\n- {}\n",
        circumstances(),
        lines.join("\n- ")
    )
}

/// Date, machine and commit.
fn circumstances() -> String {
    let date = time::OffsetDateTime::now_utc();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(
            || "unknown".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "{} UTC, {cores} cores of {model} shared by server, attackers and honest clients (load average {load} at the end), commit {commit}.",
        date.date()
    )
}

/// Bytes with a unit.
fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{} KiB", count >> 10),
        _ => format!("{} MiB", count >> 20),
    }
}

/// Median and 99th percentile in milliseconds.
fn times(traffic: &PhaseOutcome) -> String {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        "{:.1}, {:.1} ms",
        milliseconds(traffic.p50),
        milliseconds(traffic.p99)
    )
}

const EXPLANATION: &str = "\
*sent*: bytes that the attackers' TCP took, TLS included, and in how many connections. *RSS*: resident memory of the server's process, the peak by
`VmHWM`, reset before each attack. *memory ×*: growth for each byte sent, where a connection counts as 16 KiB more and 1 MiB is added for the grain
of the allocator. *CPU*: what the server took beyond the rate of the quiet time before it, and what the attackers' thread took. *CPU ×*: one
divided by the other, the attackers' at least 100 ms. *honest*: 100 clients in a thread of their own, five messages a second each: half echo short
messages, three of ten compressed ones, two of ten talk in rooms. A time counts from when the message was due, so a stall is seen by all that
wait in it. A row fails if an honest message or connection is lost, the honest 99th percentile is beyond a second (and
ten times the quiet one, which tells of a machine that others use too), the outcome is another one,
memory grows beyond the row's bound, memory × is beyond 20 or CPU × beyond 10, or if the canary behind it does not sing: echo within a second on
a fresh connection, memory within 10 % + 8 MiB (and what histories and remembered rooms may keep) and descriptors as before within 10 s, no panic in the log. The quiet times of a row
last only seconds: *> 5 ×* is told, and fails with `--strict` alone.
";
