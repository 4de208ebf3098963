//! Runs rows one after the other: quiet time, attack, canary.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::args::Args;
use crate::attack::{Attack, Form};
use crate::canary::{self, Before};
use crate::cgroup::Cgroup;
use crate::dial::Dialler;
use crate::honest::{Honest, Phase};
use crate::meter::Meter;
use crate::process::own_cpu;
use crate::report::{self, Report, say};
use crate::row::Row;
use crate::rows;
use crate::soak;
use crate::target::Target;
use crate::token;

/// Runs what was asked for.
pub(crate) fn main(args: &Args) -> ExitCode {
    let all = rows::all();
    let wanted: Vec<&Row> = all
        .iter()
        .copied()
        .filter(|row| args.only.is_empty() || args.only.iter().any(|name| row.is(name)))
        .collect();
    if args.list {
        for row in wanted {
            say(&format!("{:20} {:12} {}", row.name, row.threats, row.what));
        }
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| !all.iter().any(|row| row.is(name)))
    {
        say(&format!(
            "attack: there is no row `{unknown}`; --list shows them"
        ));
        return ExitCode::from(2);
    }
    match run(args, &wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("attack: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Reports whether every row held.
fn run(args: &Args, rows: &[&Row]) -> Result<bool> {
    ensure!(
        args.server.is_file(),
        "there is no server at {}; build it (`cargo build --release -p server`) or name it with --server",
        args.server.display()
    );
    raise_descriptors()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(time) = args.soak {
        return runtime.block_on(soak::run(args, time.0));
    }
    let cgroup = Cgroup::new(args.memory_limit_mib());
    let cgroup = cgroup.inspect_err(|error| {
        say(&format!(
            "No memory cgroup ({error:#}): the server's resident memory is held against {} MiB instead.",
            args.memory_limit_mib()
        ));
    });
    let cgroup = cgroup.ok();
    let mut suite = Suite {
        args,
        form: if args.extent.long {
            Form::Long
        } else {
            Form::Short
        },
        cgroup: cgroup.as_ref(),
        kept: None,
    };
    say(report::HEAD);
    let mut reports = Vec::new();
    for row in rows {
        let report = runtime.block_on(suite.row(row))?;
        say(&report::line(&report));
        for fault in &report.faults {
            say(&format!("    {}: {fault}", report.name));
        }
        reports.push(report);
    }
    let mut more = Vec::new();
    if let Some(target) = suite.kept.take() {
        target.stop()?;
    }
    if let Some(cgroup) = &cgroup {
        let (peak, reached) = cgroup.account()?;
        let peak = peak.map_or_else(
            || "unknown".to_owned(),
            |peak| format!("{} MiB", peak >> 20),
        );
        more.push(format!(
            "Maximum memory of the server's cgroup: {peak} of {} MiB; the limit was reached {reached} times (the kernel then takes back page cache).",
            args.memory_limit_mib()
        ));
    }
    let within = reports.iter().filter(|report| report.is_within_five());
    more.push(format!(
        "Honest p99 within five times the quiet one in {} of {} rows.",
        within.count(),
        reports.len()
    ));
    let failed = reports
        .iter()
        .filter(|report| !report.faults.is_empty())
        .count();
    more.push(format!("{} rows, {failed} failed.", reports.len()));
    for line in &more {
        say(line);
    }
    if let Some(file) = &args.report {
        let text = report::document(&reports, suite.form, &more);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(failed == 0)
}

/// State that all rows share.
struct Suite<'a> {
    args: &'a Args,
    form: Form,
    cgroup: Option<&'a Cgroup>,
    /// The server of the row before, where one is to survive many.
    kept: Option<Target>,
}

impl Suite<'_> {
    /// The flags for `row`, with those that are advised unless it has its own.
    fn flags(&self, row: &Row) -> Vec<String> {
        let flags = row.flags(self.form).split_whitespace();
        let mut flags: Vec<String> = flags.map(str::to_owned).collect();
        if self.args.advised {
            let share = format!("{}MiB", self.args.memory_limit_mib() / 5);
            for flag in ["--max-buffered-bytes", "--rooms-history-memory"] {
                if !flags.iter().any(|given| given == flag) {
                    flags.extend([flag.to_owned(), share.clone()]);
                }
            }
        }
        flags
    }

    /// A server for `row`.
    fn target(&mut self, row: &Row) -> Result<Target> {
        let flags = self.flags(row);
        if let Some(mut kept) = self.kept.take() {
            if kept.flags() == flags && kept.ended().is_none() {
                return Ok(kept);
            }
            if kept.ended().is_none() {
                kept.stop()?;
            }
        }
        Target::start(&self.args.server, &flags, self.cgroup)
    }

    /// One row from its quiet time to its canary.
    async fn row(&mut self, row: &Row) -> Result<Report> {
        let mut target = self.target(row)?;
        let meter = Meter::default();
        let honest_dial = Dialler::new(target.address(), &target.authority(), Meter::default())?;
        let wants_tokens = row.flags(self.form).contains(token::PLACEHOLDER);
        let mut honest = Honest::start(honest_dial.clone(), CLIENTS, wants_tokens).await?;
        canary::echoes(&honest_dial).await?;
        let process = target.process();
        let quiet = Duration::from_millis(self.form.of(1_200, 5_000));
        let cpu = process.cpu()?;
        sleep(quiet).await;
        let quiet_cpu = process.cpu()?.saturating_sub(cpu).as_secs_f64() / quiet.as_secs_f64();
        let mut before = Before::look(&target)?;
        process.forget_peak()?;

        honest.enter(Phase::Attack);
        let (cpu, own, begun) = (process.cpu()?, own_cpu(), Instant::now());
        let attack = Attack {
            target: &target,
            dial: Dialler::new(target.address(), &target.authority(), meter.clone())?,
            honest: honest_dial.clone(),
            form: self.form,
        };
        let limit = self.form.limit();
        let result = timeout(limit, (row.run)(&attack))
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("not done within {limit:?}")));
        let took = begun.elapsed();
        let attacker_cpu = own_cpu().saturating_sub(own);
        // A server that is gone has neither; the canary tells of it.
        let spent = process.cpu().unwrap_or(cpu).saturating_sub(cpu);
        let server_cpu =
            spent.saturating_sub(Duration::from_secs_f64(quiet_cpu * took.as_secs_f64()));
        let peak = process.peak().unwrap_or(before.resident);
        honest.enter(Phase::After);

        let resident = before.resident;
        before.resident += row.kept(self.form);
        let sung = canary::sings(&mut target, &honest_dial, before).await;
        let stopped = honest.stop();
        let mut report = Report {
            name: row.name,
            threats: row.threats,
            what: row.what,
            sent: meter.bytes(),
            connections: meter.connections(),
            before: resident,
            peak,
            server_cpu,
            attacker_cpu,
            took,
            quiet: honest.traffic(Phase::Quiet),
            beside: honest.traffic(Phase::Attack),
            outcome: String::new(),
            faults: Vec::new(),
        };
        match result {
            Ok(outcome) => report.outcome = outcome,
            Err(error) => report.faults.push(format!("outcome: {error:#}")),
        }
        report
            .faults
            .extend(sung.err().map(|error| format!("canary: {error:#}")));
        report
            .faults
            .extend(stopped.err().map(|error| format!("{error:#}")));
        self.judge(row, &honest, &mut report);
        if self.cgroup.is_some() && report.faults.is_empty() {
            self.kept = Some(target);
        } else if report.faults.is_empty() {
            report
                .faults
                .extend(target.stop().err().map(|error| format!("stop: {error:#}")));
        }
        Ok(report)
    }

    /// Holds the figures against the bounds.
    fn judge(&self, row: &Row, honest: &Honest, report: &mut Report) {
        let mut faults = Vec::new();
        let lost = report.beside.lost + report.quiet.lost + honest.traffic(Phase::After).lost;
        let seen = honest.faults();
        if lost > 0 || !seen.is_empty() {
            faults.push(format!("{lost} honest messages lost: {}", seen.join("; ")));
        }
        let (quiet, beside) = (report.quiet.p99, report.beside.p99);
        // Where the quiet figure is bad already, others are using the machine.
        if beside > SLOWEST.max(quiet * 10) {
            faults.push(format!("honest p99 {beside:?}, at most {SLOWEST:?}"));
        }
        let growth = report.growth() >> 20;
        if growth > row.growth {
            faults.push(format!(
                "memory grew by {growth} MiB, at most {}",
                row.growth
            ));
        }
        let limit = self.args.memory_limit_mib();
        if self.cgroup.is_none() && report.peak >> 20 >= limit {
            let peak = report.peak >> 20;
            faults.push(format!("{peak} MiB resident, at most {limit}"));
        }
        let (memory, cpu) = (report.memory_amplification(), report.cpu_amplification());
        if memory > 20.0 {
            faults.push(format!("memory × {memory:.1}, at most 20"));
        }
        if cpu > row.cpu {
            faults.push(format!("CPU × {cpu:.1}, at most {:.0}", row.cpu));
        }
        if self.args.strict && !report.is_within_five() {
            faults.push("honest p99 beyond five times the quiet one".to_owned());
        }
        report.faults.extend(faults);
    }
}

/// Lets this program hold as many descriptors as the system allows.
fn raise_descriptors() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of descriptors")
}

/// Honest clients' 99th percentile, unless the machine is so slow that ten times the quiet one is more.
const SLOWEST: Duration = Duration::from_secs(1);
/// Honest clients beside each attack.
const CLIENTS: usize = 100;
