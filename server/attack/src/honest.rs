//! Honest clients: what they send must come back, and how long that takes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use http::header::AUTHORIZATION;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{Options, WebSocketStream};
use values::sync::lock;

use crate::dial::{self, Dialler, Tls};
use crate::token;

/// Phase of the attack in which a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the attack.
    Quiet,
    /// Beside it.
    Attack,
    /// After it.
    After,
}

/// The honest clients, in a thread of their own, so that no attacker's work delays them.
#[derive(Debug)]
pub(crate) struct Honest {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    ready: AtomicUsize,
    phase: AtomicUsize,
    stop: AtomicBool,
    figures: [Figures; 3],
    /// Causes of lost messages and connections, the first few.
    faults: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Figures {
    sent: AtomicU64,
    lost: AtomicU64,
    microseconds: Mutex<Histogram<u64>>,
}

/// The outcome of the messages of one phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhaseOutcome {
    /// Messages sent.
    pub(crate) sent: u64,
    /// Of those, not answered or answered wrongly.
    pub(crate) lost: u64,
    /// Median of the time until the answer.
    pub(crate) p50: Duration,
    /// 99th percentile of it.
    pub(crate) p99: Duration,
}

impl Honest {
    /// Connects `count` clients, and waits for all of them. Those in rooms show tokens if the server `wants_tokens`.
    ///
    /// # Errors
    /// One could not connect.
    pub(crate) async fn start(dial: Dialler, count: usize, wants_tokens: bool) -> Result<Self> {
        let shared = Arc::new(Shared {
            ready: AtomicUsize::new(0),
            phase: AtomicUsize::new(Phase::Quiet as usize),
            stop: AtomicBool::new(false),
            figures: [Figures::new(), Figures::new(), Figures::new()],
            faults: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(run_all(dial, count, wants_tokens, theirs))
        });
        let honest = Self {
            shared,
            thread: Some(thread),
        };
        let begun = Instant::now();
        while honest.shared.ready.load(Ordering::Acquire) < count {
            ensure!(
                begun.elapsed() < CONNECT && honest.faults().is_empty(),
                "honest clients cannot connect: {}",
                honest.faults().join("; ")
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(honest)
    }

    /// Counts messages sent from now on to `phase`.
    pub(crate) fn enter(&self, phase: Phase) {
        self.shared.phase.store(phase as usize, Ordering::Release);
    }

    /// Lets every client finish its message, and close.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => bail!("the honest clients' thread panicked"),
        }
    }

    /// The outcome of a phase; complete only after [`stop`](Self::stop).
    pub(crate) fn traffic(&self, phase: Phase) -> PhaseOutcome {
        let figures = &self.shared.figures[phase as usize];
        let times = lock(&figures.microseconds);
        PhaseOutcome {
            sent: figures.sent.load(Ordering::Acquire),
            lost: figures.lost.load(Ordering::Acquire),
            p50: Duration::from_micros(times.value_at_quantile(0.5)),
            p99: Duration::from_micros(times.value_at_quantile(0.99)),
        }
    }

    /// Returns the causes of lost messages.
    pub(crate) fn faults(&self) -> Vec<String> {
        lock(&self.shared.faults).clone()
    }
}

impl Figures {
    fn new() -> Self {
        // One microsecond to a minute, two digits.
        let times = Histogram::new_with_bounds(1, 60_000_000, 2).expect("the bounds are in order");
        Self {
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            microseconds: Mutex::new(times),
        }
    }
}

async fn run_all(
    dial: Dialler,
    count: usize,
    wants_tokens: bool,
    shared: Arc<Shared>,
) -> Result<()> {
    let clients: Vec<_> = (0..count)
        .map(|number| {
            let (dial, shared) = (dial.clone(), Arc::clone(&shared));
            tokio::spawn(async move {
                if let Err(error) = run(&dial, number, wants_tokens, &shared).await {
                    let mut faults = lock(&shared.faults);
                    if faults.len() < 5 {
                        faults.push(format!("client {number}: {error:#}"));
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.context("an honest client panicked")?;
    }
    Ok(())
}

/// One client: of ten, five echo as they are, three compressed, two talk in a room.
async fn run(dial: &Dialler, number: usize, wants_tokens: bool, shared: &Shared) -> Result<()> {
    let kind = number % 10;
    let path = if kind < 8 {
        "/echo".to_owned()
    } else {
        format!("/chat/honest-{}?name=h{number}", number / 10 % 4)
    };
    let mut options = Options::default();
    if kind < 5 {
        options.deflate = None;
    }
    let field = if wants_tokens {
        let token = token::good(&format!("h{number}"))?;
        Some((AUTHORIZATION, format!("Bearer {token}")))
    } else {
        None
    };
    let mut socket = dial::websocket(dial, &path, field, options).await?;
    shared.ready.fetch_add(1, Ordering::AcqRel);
    // Spread over the period, so that the clients do not all speak at once.
    let offset = PERIOD * u32::try_from(number % 100)? / 100;
    let mut ticks = interval_at(tokio::time::Instant::now() + offset, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let filler = "honest traffic, as good as any. ".repeat(if kind < 5 { 2 } else { 12 });
    for turn in 0_u64.. {
        let due = wait(&mut ticks, &mut socket).await?;
        if shared.stop.load(Ordering::Acquire) {
            // The server may be gone by now.
            let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
            return Ok(());
        }
        let text = format!("{number}-{turn} {filler}");
        let wanted = if kind < 8 {
            text.clone()
        } else {
            format!("h{number}: {text}")
        };
        let figures = &shared.figures[shared.phase.load(Ordering::Acquire)];
        figures.sent.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = exchange(&mut socket, text, &wanted).await {
            figures.lost.fetch_add(1, Ordering::AcqRel);
            return Err(error);
        }
        let took = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        lock(&figures.microseconds).saturating_record(took.max(1));
    }
    Ok(())
}

/// Waits until the next message is due; reads meanwhile, since the server pings and rooms talk.
async fn wait(
    ticks: &mut tokio::time::Interval,
    socket: &mut WebSocketStream<Tls>,
) -> Result<Instant> {
    loop {
        tokio::select! {
            biased;
            due = ticks.tick() => return Ok(due.into_std()),
            message = socket.next() => {
                if let Message::Close(frame) = message.context("closed by the server")?? {
                    bail!("closed by the server: {frame:?}");
                }
            }
        }
    }
}

/// Sends `text` and waits for `wanted`; what others say in a room is passed over.
async fn exchange(socket: &mut WebSocketStream<Tls>, text: String, wanted: &str) -> Result<()> {
    let exchanging = async {
        socket.send(Message::text(text)).await?;
        while let Some(message) = socket.next().await {
            match message? {
                Message::Text(answer) if answer.as_str() == wanted => return Ok(()),
                Message::Close(_) => return Err(Error::ConnectionClosed),
                _ => {}
            }
        }
        Err(Error::ConnectionClosed)
    };
    Ok(timeout(ANSWER, exchanging)
        .await
        .context("no answer in time")??)
}

/// Time between two messages of one client.
const PERIOD: Duration = Duration::from_millis(200);
/// After this time a message counts as lost.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for all clients to be connected.
const CONNECT: Duration = Duration::from_secs(30);
