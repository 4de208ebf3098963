//! Hours of honest work with a fault now and then: memory must not grow, nothing may be lost or come twice.

mod faults;
mod member;
mod order;
mod slope;
mod tally;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::args::Args;
use crate::canary::{self, Before};
use crate::dial::Dialler;
use crate::meter::Meter;
use crate::process::Process;
use crate::report::{self, say};
use crate::target::Target;

use member::Crew;
use order::{DELIVERIES, MEMBERS, Order, ROOMS};
use slope::Line;
use tally::Tally;

/// Reports whether everything held for `time`.
pub(crate) async fn run(args: &Args, time: Duration) -> Result<bool> {
    let target = Target::start(&args.server, &[], None)?;
    let dial = Dialler::new(target.address(), &target.authority(), Meter::default())?;
    let crew = Crew::start(dial.clone())?;
    crew.all_joined().await?;
    let before = Before::look(&target)?;
    say(&format!(
        "{MEMBERS} members in {ROOMS} rooms are there, the server has {} MiB; {} s with a fault every {}",
        before.resident >> 20,
        time.as_secs(),
        args.fault_every
    ));
    let mut watcher = Watcher::new(target.process());
    let begun = Instant::now();
    let mut faults = faults::Faults::new(&target, &crew.orders)?;
    let every = args.fault_every.0;
    let mut due = every;
    while begun.elapsed() < time {
        if begun.elapsed() >= due && begun.elapsed() + every / 2 < time {
            let line = watcher.while_watching(faults.next()).await?;
            say(&format!(
                "{:5} s  {line}; {} MiB",
                begun.elapsed().as_secs(),
                target.process().resident()? >> 20
            ));
            due += every;
        }
        sleep(Duration::from_millis(250)).await;
        watcher.look()?;
    }
    let worked = begun.elapsed();
    let faults = faults.wrong();
    crew.orders.send_replace(Order::Quiet);
    crew.settled().await;
    let found = crew.stop()?;
    finish(
        args,
        target,
        &dial,
        Ended {
            before,
            worked,
            line: watcher.line(worked / 3),
            found,
            faults,
        },
    )
    .await
}

/// Findings at the end.
struct Ended {
    before: Before,
    worked: Duration,
    line: Line,
    found: Tally,
    faults: Vec<String>,
}

/// Tells what came of it.
async fn finish(args: &Args, mut target: Target, dial: &Dialler, ended: Ended) -> Result<bool> {
    let Ended {
        before,
        worked,
        line,
        found,
        mut faults,
    } = ended;
    let seconds = worked.as_secs_f64();
    let wanted = seconds * f64::from(u32::try_from(ROOMS * DELIVERIES)?);
    let growth = line.slope * seconds;
    let allowed = line.middle / 10.0 + f64::from(8_u32 << 20);
    let mut lines = vec![
        found.sentence(seconds),
        format!(
            "memory: {:.1} MiB in the middle, {:+.2} MiB an hour by least squares over the last two thirds",
            line.middle / MEBIBYTE,
            line.slope * 3_600.0 / MEBIBYTE
        ),
    ];
    if found.lost > 0 || found.doubled > 0 || found.gaps > 0 || found.unexpected > 0 {
        faults.push(format!(
            "messages or connections were lost: {}",
            found.notes.join("; ")
        ));
    }
    if found.deliveries() < wanted * 0.9 {
        faults.push(format!(
            "{:.0} deliveries, wanted {wanted:.0}",
            found.deliveries()
        ));
    }
    // In a minute each fault comes for the first time, and the buffers that it needs are no leak.
    if worked < LONG {
        if line.middle > decimal(before.resident) + FIRST_TIMES {
            faults.push(format!(
                "{:.1} MiB in the middle, at most {:.1}",
                line.middle / MEBIBYTE,
                (decimal(before.resident) + FIRST_TIMES) / MEBIBYTE
            ));
        }
    } else if growth > allowed {
        faults.push(format!(
            "memory would grow by {:.1} MiB in that time, at most {:.1}",
            growth / MEBIBYTE,
            allowed / MEBIBYTE
        ));
    }
    // The members are gone, so fewer descriptors than with them are wanted.
    let sung = canary::sings(
        &mut target,
        dial,
        Before {
            resident: before.resident.max(middle(line.middle)),
            descriptors: before.descriptors - MEMBERS + 4,
        },
    );
    faults.extend(sung.await.err().map(|error| format!("canary: {error:#}")));
    faults.extend(target.stop().err().map(|error| format!("stop: {error:#}")));
    lines.extend(faults.iter().map(|fault| format!("FAIL  {fault}")));
    lines.push(if faults.is_empty() {
        "soak held".to_owned()
    } else {
        "soak failed".to_owned()
    });
    for line in &lines {
        say(line);
    }
    if let Some(file) = &args.report {
        std::fs::write(file, report::prose("Soak", &lines))?;
    }
    ensure!(worked.as_secs() > 0, "it took no time");
    Ok(faults.is_empty())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of memory, far below 2^52"
)]
fn middle(bytes: f64) -> u64 {
    bytes as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of memory, far below 2^52"
)]
fn decimal(bytes: u64) -> f64 {
    bytes as f64
}

/// Looks at the server's memory once a second.
struct Watcher {
    process: Process,
    begun: Instant,
    samples: Vec<(f64, f64)>,
}

impl Watcher {
    fn new(process: Process) -> Self {
        Self {
            process,
            begun: Instant::now(),
            samples: Vec::new(),
        }
    }

    /// Takes a sample if it is time for one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of memory, far below 2^52"
    )]
    fn look(&mut self) -> Result<()> {
        let now = self.begun.elapsed().as_secs_f64();
        if self
            .samples
            .last()
            .is_none_or(|(last, _)| now >= last + 1.0)
        {
            self.samples.push((now, self.process.resident()? as f64));
        }
        Ok(())
    }

    /// Waits for `work` and goes on looking.
    async fn while_watching<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = work.as_mut() => return Ok(done),
                () = sleep(Duration::from_millis(500)) => self.look()?,
            }
        }
    }

    /// The line through what was seen after `start`.
    fn line(&self, start: Duration) -> Line {
        let late: Vec<_> = self
            .samples
            .iter()
            .copied()
            .filter(|(at, _)| *at >= start.as_secs_f64())
            .collect();
        Line::through(&late)
    }
}

const MEBIBYTE: f64 = 1_048_576.0;
/// Time after which memory is judged by its growth.
const LONG: Duration = Duration::from_secs(600);
/// Bytes that the server may take when the faults come for the first time.
const FIRST_TIMES: f64 = 32.0 * MEBIBYTE;
