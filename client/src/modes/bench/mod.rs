//! Measures an echo route or the chat service: connection and message latency, throughput, bytes on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::Message;

use super::Failure;
use crate::args::{BenchArgs, LoadArgs};
use crate::connect::{Settings, connect};
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use crate::grpc;
use crate::interrupt::Interrupts;
use crate::moment::after;
use crate::output::Output;
use crate::phase::Phase;
use crate::sensitive::shown_target;
use crate::tally::agreed_text;

mod compare;
mod link;
mod load;
mod open_links;
mod report;
mod waiting;
mod worker;

pub(crate) use compare::compare;
use link::{GrpcLink, Link, WebSocketLink};
use load::Work;
use open_links::{OpenLinks, histogram, micros};
use report::Report;
use waiting::Waiting;
use worker::{Measured, Worker};

/// Connections opened at the same time at the start.
const DIALLING_AT_ONCE: usize = 64;

/// Quantity that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages of an echo route.
    WebSocket,
    /// Calls of `chat.ChatService/SendMessage`.
    Grpc,
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
    let kind = if args.grpc {
        Kind::Grpc
    } else {
        Kind::WebSocket
    };
    let payload = load::payload(&args.load, args.binary)?;
    let report = measure(kind, settings, &args.load, &payload).await?;
    if args.load.json {
        output.line(&serde_json::to_string(&report).map_err(std::io::Error::other)?)?;
    } else {
        for line in report.table().lines() {
            output.line(line)?;
        }
    }
    Ok(report.status())
}

/// Opens the connections and measures.
async fn measure(
    kind: Kind,
    settings: &Settings,
    args: &LoadArgs,
    payload: &Message,
) -> Result<Report, Failure> {
    let mut interrupts = Interrupts::new()?;
    let opened = tokio::select! {
        opened = open_all(kind, settings, args) => opened?,
        () = interrupts.recv() => return Err(Failure::Interrupted),
    };
    // All tasks are there before the first one sends.
    let start = Instant::now() + Duration::from_millis(20);
    let patience = settings
        .timeouts
        .get(Phase::Reply)
        .unwrap_or(Duration::from_secs(365 * 24 * 3600));
    let count = opened.links.len();
    let work = Arc::new(Work::new(args, payload.clone(), count, start, patience));
    let mut report = Report::new(args, payload, &opened);
    let mut tasks = JoinSet::new();
    for (index, waiting) in opened.links.into_iter().enumerate() {
        // With a rate, connections start spread over the interval rather than all at once.
        let offset = work
            .interval
            .unwrap_or_default()
            .mul_f64(index as f64 / count as f64);
        let work = Arc::clone(&work);
        tasks.spawn(async move {
            match waiting.call().await {
                Ok(link) => Worker::new(link, work).run(after(start, offset)).await,
                Err(error) => Measured::failed(error),
            }
        });
    }
    let progress = show_progress(&work, args);
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
    Ok(report)
}

/// Opens them, some at a time. Those that fail are counted; it is an error only when all do.
async fn open_all(kind: Kind, settings: &Settings, args: &LoadArgs) -> Result<OpenLinks, Failure> {
    let wanted = args.connections as usize;
    let settings = Arc::new(settings.clone());
    let mut dialling = JoinSet::new();
    let mut opened = OpenLinks {
        url: shown_target(&settings.target.to_string()).into_owned(),
        protocol: if settings.http2 { "HTTP/2" } else { "HTTP/1.1" },
        compression: String::new(),
        links: Vec::with_capacity(wanted),
        latency: histogram(),
        errors: BTreeMap::new(),
    };
    if kind == Kind::Grpc {
        opened.protocol = "gRPC, HTTP/2";
    }
    let mut started = 0;
    let mut last_error = None;
    loop {
        while started < wanted && dialling.len() < DIALLING_AT_ONCE {
            started += 1;
            dialling.spawn(open_one(kind, Arc::clone(&settings)));
        }
        match dialling.join_next().await {
            None => break,
            Some(Ok(Ok(one))) => {
                opened.latency.saturating_record(micros(one.took));
                opened.url = one.url;
                opened.compression = one.compression;
                opened.links.push(Waiting::new(one.link));
            }
            Some(Ok(Err(error))) => {
                *opened.errors.entry(error.kind()).or_default() += 1;
                last_error = Some(error);
            }
            Some(Err(error)) => *opened.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    match (opened.links.is_empty(), last_error) {
        (true, Some(error)) => Err(error.into()),
        _ => Ok(opened),
    }
}

/// One connection that was opened.
struct OpenLink {
    link: Link,
    url: String,
    compression: String,
    took: Duration,
}

async fn open_one(kind: Kind, settings: Arc<Settings>) -> Result<OpenLink, ConnectError> {
    let start = Instant::now();
    match kind {
        Kind::WebSocket => {
            let connection = connect(&settings).await?;
            Ok(OpenLink {
                url: shown_target(&connection.details.target.to_string()).into_owned(),
                compression: agreed_text(connection.details.agreed),
                link: Link::WebSocket(Box::new(WebSocketLink::new(connection))),
                took: start.elapsed(),
            })
        }
        Kind::Grpc => {
            let (chat, details) = grpc::open(&settings).await?;
            Ok(OpenLink {
                url: details.url.clone(),
                compression: agreed_text(None),
                link: Link::Grpc(Box::new(GrpcLink::new(chat, details))),
                took: start.elapsed(),
            })
        }
    }
}

fn show_progress(work: &Arc<Work>, args: &LoadArgs) -> tokio::task::JoinHandle<()> {
    let work = Arc::clone(work);
    let (whole, count) = (load::whole(args), args.count);
    tokio::spawn(async move {
        let started = Instant::now();
        let length = whole.map_or(count.unwrap_or_default(), |whole| {
            (whole.as_secs_f64() * 10.0) as u64
        });
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let done = work.done.load(Ordering::Relaxed);
            bar.set_position(if whole.is_some() {
                (started.elapsed().as_secs_f64() * 10.0) as u64
            } else {
                done
            });
            bar.set_message(format!("{done} messages, {}/s", (done - before) * 10));
            before = done;
        }
    })
}
