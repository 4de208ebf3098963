//! Measures an echo route: connection and message latency, throughput, bytes on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::Message;

use super::Failure;
use crate::args::BenchArgs;
use crate::connect::{Connection, Settings, connect};
use crate::exit::ExitStatus;
use crate::interrupt::Interrupts;
use crate::output::Output;

mod html;
mod report;
mod worker;

use report::Report;
use worker::{Work, Worker};

/// Connections opened at the same time at the start.
const DIALLING_AT_ONCE: usize = 64;

/// Caches, windows and schedulers settle within this.
const WARM_UP: Duration = Duration::from_millis(500);

/// Latencies up to a minute, in microseconds, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    let mut histogram =
        Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are valid");
    histogram.auto(true);
    histogram
}

/// Runs the benchmark and prints its result.
///
/// # Errors
/// No connection came about, or a file cannot be read or written.
pub(crate) async fn run(
    settings: &Settings,
    args: &BenchArgs,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    let payload = payload(args)?;
    let mut interrupts = Interrupts::new()?;
    let mut errors = BTreeMap::new();
    let mut connect_latency = histogram();
    let connections = tokio::select! {
        connections = open_all(settings, args, &mut connect_latency, &mut errors) => connections?,
        () = interrupts.recv() => return Err(Failure::Interrupted),
    };
    let agreed = connections
        .first()
        .and_then(|connection| connection.details.agreed);
    let warm_up = args.warm_up.unwrap_or(if args.count.is_some() {
        Duration::ZERO
    } else {
        WARM_UP
    });
    let start = Instant::now() + Duration::from_millis(20);
    let work = Arc::new(Work {
        payload: payload.clone(),
        in_flight: args.in_flight as usize,
        interval: args
            .rate
            .map(|rate| Duration::from_secs_f64(connections.len() as f64 / rate as f64)),
        measure_from: start + warm_up,
        end: start + warm_up + args.duration,
        left: args.count.map(AtomicU64::new),
        done: AtomicU64::new(0),
    });
    let mut report = Report::new(
        settings,
        args,
        &payload,
        agreed,
        connections.len(),
        &connect_latency,
        errors,
    );
    let mut tasks = JoinSet::new();
    let count = connections.len();
    for (index, connection) in connections.into_iter().enumerate() {
        let offset = work
            .interval
            .unwrap_or_default()
            .mul_f64(index as f64 / count as f64);
        tasks.spawn(Worker::new(connection, Arc::clone(&work)).run(start + offset));
    }
    let progress = show_progress(&work, warm_up + args.duration);
    let collect = async {
        while let Some(result) = tasks.join_next().await {
            match result {
                Ok(result) => report.add(result),
                Err(error) => report.count_error(&error.to_string()),
            }
        }
    };
    let interrupted = tokio::select! {
        () = collect => false,
        () = interrupts.recv() => true,
    };
    progress.abort();
    if interrupted {
        return Err(Failure::Interrupted);
    }
    report.finish(work.measure_from);
    if let Some(path) = &args.html {
        std::fs::write(path, html::page(&report))
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    }
    if args.json {
        output.line(&serde_json::to_string(&report).map_err(std::io::Error::other)?)?;
    } else {
        for line in report.table().lines() {
            output.line(line)?;
        }
    }
    Ok(if report.messages == 0 {
        ExitStatus::RepliesMissing
    } else {
        ExitStatus::Normal
    })
}

fn payload(args: &BenchArgs) -> Result<Message, Failure> {
    let bytes = match &args.payload {
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None if args.binary => {
            let mut bytes = vec![0; args.size];
            rand::rng().fill(&mut bytes[..]);
            bytes
        }
        None => json_like(args.size).into_bytes(),
    };
    if args.binary {
        return Ok(Message::binary(bytes));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Usage("the payload is not UTF-8; send it with --binary".into()))?;
    Ok(Message::text(text))
}

/// Text as services send it: records with few keys and changing numbers, cut to `size` bytes.
fn json_like(size: usize) -> String {
    let mut text = String::with_capacity(size + 96);
    while text.len() < size {
        let (id, price) = (
            rand::random_range(0..1_000_000),
            rand::random_range(0..100_000),
        );
        let record = format!(
            "{{\"id\":{id},\"symbol\":\"ABC\",\"price\":{price},\"currency\":\"EUR\",\"ok\":true}},"
        );
        text.push_str(&record);
    }
    text.truncate(size);
    text
}

async fn open_all(
    settings: &Settings,
    args: &BenchArgs,
    latency: &mut Histogram<u64>,
    errors: &mut BTreeMap<String, u64>,
) -> Result<Vec<Connection>, Failure> {
    let wanted = args.connections as usize;
    let settings = Arc::new(settings.clone());
    let mut dialling = JoinSet::new();
    let mut open = Vec::with_capacity(wanted);
    let mut started = 0;
    let mut last_error = None;
    while open.len() < wanted {
        while started < wanted && dialling.len() < DIALLING_AT_ONCE {
            started += 1;
            let settings = Arc::clone(&settings);
            dialling.spawn(async move {
                let start = Instant::now();
                (connect(&settings).await, start.elapsed())
            });
        }
        match dialling.join_next().await {
            None => break,
            Some(Ok((Ok(connection), took))) => {
                latency.saturating_record(micros(took));
                open.push(connection);
            }
            Some(Ok((Err(error), _))) => {
                *errors
                    .entry(format!("connect: {:?}", error.status()))
                    .or_default() += 1;
                last_error = Some(error);
            }
            Some(Err(error)) => *errors.entry(error.to_string()).or_default() += 1,
        }
    }
    match (open.is_empty(), last_error) {
        (true, Some(error)) => Err(error.into()),
        _ => Ok(open),
    }
}

/// Microseconds, at least 1.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}

fn show_progress(work: &Arc<Work>, whole: Duration) -> tokio::task::JoinHandle<()> {
    let work = Arc::clone(work);
    let seconds = whole.as_secs_f64();
    tokio::spawn(async move {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new((seconds * 10.0) as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let done = work.done.load(Ordering::Relaxed);
            bar.inc(1);
            bar.set_message(format!("{done} messages, {}/s", (done - before) * 10));
            before = done;
        }
    })
}
