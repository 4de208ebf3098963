//! Members of rooms that notice whatever is lost or comes twice.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::{Options, WebSocketStream};
use values::sync::lock;

use super::order::{DELIVERIES, MEMBERS, Order, Orders, ROOMS};
use super::tally::Tally;
use crate::dial::{self, Dialler, Tls};

/// All members, in a thread of their own.
pub(super) struct Crew {
    /// Their orders.
    pub(super) orders: Orders,
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

struct Shared {
    begun: Instant,
    joined: AtomicUsize,
    /// Messages of each member that were acknowledged; numbers begin with 1.
    acknowledged: Vec<AtomicU64>,
    /// Messages that all members together have still to get.
    tally: Mutex<Tally>,
    /// The newest message that each member has seen of each in its room.
    seen: Vec<Mutex<[u64; PER_ROOM]>>,
}

/// Members of one room.
const PER_ROOM: usize = MEMBERS / ROOMS;

impl Crew {
    /// Lets all of them connect.
    pub(super) fn start(dial: Dialler) -> Result<Self> {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            joined: AtomicUsize::new(0),
            acknowledged: (0..MEMBERS).map(|_| AtomicU64::new(0)).collect(),
            tally: Mutex::new(Tally::new()),
            seen: (0..MEMBERS).map(|_| Mutex::new([0; PER_ROOM])).collect(),
        });
        let (orders, received) = watch::channel(Order::Quiet);
        let theirs = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let members: Vec<_> = (0..MEMBERS)
                    .map(|number| {
                        let member = Member {
                            number,
                            dial: dial.clone(),
                            shared: Arc::clone(&theirs),
                            orders: received.clone(),
                            since: None,
                            sent: 0,
                        };
                        tokio::spawn(member.run())
                    })
                    .collect();
                for member in members {
                    member.await.context("a member panicked")?;
                }
                Ok(())
            })
        });
        Ok(Self {
            orders,
            shared,
            thread,
        })
    }

    /// Waits until everybody is there, and lets them begin.
    pub(super) async fn all_joined(&self) -> Result<()> {
        let begun = Instant::now();
        while self.shared.joined.load(Ordering::Acquire) < MEMBERS {
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "only {} of {MEMBERS} members could join: {}",
                self.shared.joined.load(Ordering::Acquire),
                lock(&self.shared.tally).notes.join("; ")
            );
            sleep(Duration::from_millis(20)).await;
        }
        self.orders.send_replace(Order::Work);
        Ok(())
    }

    /// Waits until everybody has everything, for at most 15 seconds.
    pub(super) async fn settled(&self) {
        let begun = Instant::now();
        // What is on its way to be acknowledged has a moment.
        sleep(Duration::from_secs(1)).await;
        while self.shared.missing() > 0 && begun.elapsed() < Duration::from_secs(15) {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Lets everybody close; what was found.
    pub(super) fn stop(self) -> Result<Tally> {
        let missing = self.shared.missing();
        self.orders.send_replace(Order::Stop);
        match self.thread.join() {
            Ok(result) => result?,
            Err(_) => bail!("the members' thread panicked"),
        }
        let mut tally = lock(&self.shared.tally).clone();
        tally.lost += missing;
        tally.published = self
            .shared
            .acknowledged
            .iter()
            .map(|count| count.load(Ordering::Acquire))
            .sum();
        Ok(tally)
    }
}

impl Shared {
    /// Acknowledged messages that somebody in their room has not got.
    fn missing(&self) -> u64 {
        let of = |number: usize| {
            let seen = lock(&self.seen[number]);
            let room = number % ROOMS;
            (0..PER_ROOM)
                .map(|index| {
                    let said = self.acknowledged[room + index * ROOMS].load(Ordering::Acquire);
                    said.saturating_sub(seen[index])
                })
                .sum::<u64>()
        };
        (0..MEMBERS).map(of).sum()
    }
}

/// One member over all of its connections.
struct Member {
    number: usize,
    dial: Dialler,
    shared: Arc<Shared>,
    orders: watch::Receiver<Order>,
    /// The position after the last message that was seen.
    since: Option<String>,
    /// Number of the last message that was sent, acknowledged or not.
    sent: u64,
}

impl Member {
    /// Stays in its room until it is ordered to stop.
    async fn run(mut self) {
        loop {
            match self.session().await {
                Ok(End::Stopped) => return,
                Ok(End::Cut) => {}
                Err(error) => {
                    let mut tally = lock(&self.shared.tally);
                    tally.unexpected += 1;
                    tally.note(format!("member {}: {error:#}", self.number));
                }
            }
            if *self.orders.borrow() == Order::Stop {
                return;
            }
            // Not all at once.
            sleep(Duration::from_millis(100 + self.number as u64 % 400)).await;
            lock(&self.shared.tally).reconnected += 1;
        }
    }

    /// One connection.
    async fn session(&mut self) -> Result<End> {
        let mut socket = self.join().await?;
        let period = Duration::from_millis((PER_ROOM * PER_ROOM * 1_000 / DELIVERIES) as u64);
        let offset = period * u32::try_from(self.number)? / u32::try_from(MEMBERS)?;
        let mut ticks = interval_at(tokio::time::Instant::now() + offset, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What was not acknowledged on the connection before is sent again, under the same id.
        if self.sent > self.acknowledged() {
            self.say(&mut socket).await?;
        }
        loop {
            let tick = self.next(&mut socket, &mut ticks).await?;
            match tick {
                Next::Ordered => match self.ordered() {
                    Order::Cut(turn) if turn % 10 == self.number % 10 => return Ok(End::Cut),
                    Order::Pause(turn) if turn % 10 == self.number % 10 => {
                        sleep(Duration::from_secs(3)).await;
                    }
                    Order::Stop => {
                        let _ = timeout(Duration::from_secs(2), socket.close(None)).await;
                        return Ok(End::Stopped);
                    }
                    _ => {}
                },
                Next::Due => {
                    if self.may_speak() && self.sent == self.acknowledged() {
                        self.sent += 1;
                        self.say(&mut socket).await?;
                    }
                }
                Next::Event(event) => self.take(&event)?,
            }
        }
    }

    /// Waits for whatever is next.
    async fn next(
        &mut self,
        socket: &mut WebSocketStream<Tls>,
        ticks: &mut Interval,
    ) -> Result<Next> {
        loop {
            tokio::select! {
                changed = self.orders.changed() => {
                    changed.context("nobody gives orders any more")?;
                    return Ok(Next::Ordered);
                }
                _ = ticks.tick() => return Ok(Next::Due),
                message = socket.next() => match message.context("the stream ended")?? {
                    Message::Text(text) => return Ok(Next::Event(serde_json::from_str(&text)?)),
                    Message::Close(frame) => bail!("closed: {frame:?}"),
                    _ => {}
                }
            }
        }
    }

    /// Connects, and waits to be in the room.
    async fn join(&mut self) -> Result<WebSocketStream<Tls>> {
        let since = self.since.as_ref().map(|since| format!("&since={since}"));
        let path = format!(
            "/chat/soak-{}?name=m{}{}",
            self.number % ROOMS,
            self.number,
            since.unwrap_or_default()
        );
        let field = (SEC_WEBSOCKET_PROTOCOL, "chat.v1.json".to_owned());
        let options = Options::default();
        let mut socket = dial::websocket(&self.dial, &path, Some(field), options).await?;
        loop {
            let message = timeout(PATIENCE, socket.next())
                .await
                .context("not let in")?
                .context("the stream ended before the room")??;
            if let Message::Text(text) = message {
                let event: Value = serde_json::from_str(&text)?;
                ensure!(event["type"] == "joined", "not let in: {event}");
                if self.since.is_none() {
                    self.since = position(&event);
                    self.shared.joined.fetch_add(1, Ordering::AcqRel);
                }
                return Ok(socket);
            }
        }
    }

    /// Sends the message with the number `sent`.
    async fn say(&self, socket: &mut WebSocketStream<Tls>) -> Result<()> {
        let now = self.shared.begun.elapsed().as_micros();
        let message = json!({
            "type": "message",
            "id": format!("m{}-{}", self.number, self.sent),
            "text": format!("{} {} {now} and some words to be a message of usual size", self.number, self.sent),
        });
        timeout(PATIENCE, socket.send(Message::text(message.to_string())))
            .await
            .context("a message could not be sent")??;
        Ok(())
    }

    /// Looks at what the server tells.
    fn take(&mut self, event: &Value) -> Result<()> {
        match event["type"].as_str() {
            Some("message") => self.take_message(event, true)?,
            Some("history") => {
                for message in event["messages"].as_array().into_iter().flatten() {
                    self.take_message(message, false)?;
                }
            }
            Some("ack") if event["id"] == format!("m{}-{}", self.number, self.sent) => {
                self.shared.acknowledged[self.number].store(self.sent, Ordering::Release);
            }
            Some("gap") => {
                let mut tally = lock(&self.shared.tally);
                tally.gaps += 1;
                tally.note(format!("member {}: {event}", self.number));
            }
            Some("error") => bail!("refused: {event}"),
            _ => {}
        }
        Ok(())
    }

    /// Counts a message, which must be the next one of its sender.
    fn take_message(&mut self, message: &Value, live: bool) -> Result<()> {
        self.since = position(message).or(self.since.take());
        let text = message["text"].as_str().context("a message without text")?;
        let mut words = text.split(' ').map_while(|word| word.parse::<u64>().ok());
        let (Some(from), Some(number), Some(at)) = (words.next(), words.next(), words.next())
        else {
            bail!("not a message of ours: {text}");
        };
        let mut seen = lock(&self.shared.seen[self.number]);
        let last = &mut seen[usize::try_from(from)? / ROOMS];
        let mut tally = lock(&self.shared.tally);
        if number <= *last {
            tally.doubled += 1;
            tally.note(format!(
                "member {} got {from}'s {number} again",
                self.number
            ));
            return Ok(());
        }
        if number > *last + 1 {
            tally.lost += number - *last - 1;
            tally.note(format!(
                "member {} got {from}'s {number} after {last}",
                self.number
            ));
        }
        *last = number;
        tally.delivered += 1;
        if live {
            let now = u64::try_from(self.shared.begun.elapsed().as_micros())?;
            tally
                .microseconds
                .saturating_record(now.saturating_sub(at).max(1));
        }
        Ok(())
    }

    /// Reports whether new messages are wanted.
    fn may_speak(&self) -> bool {
        !matches!(*self.orders.borrow(), Order::Quiet | Order::Stop)
    }

    /// The order that was not received yet.
    fn ordered(&mut self) -> Order {
        *self.orders.borrow_and_update()
    }

    fn acknowledged(&self) -> u64 {
        self.shared.acknowledged[self.number].load(Ordering::Acquire)
    }
}

/// The end of a connection that ended as it should.
enum End {
    /// The soak is over.
    Stopped,
    /// It was ordered to lose it.
    Cut,
}

/// The next thing that a member deals with.
enum Next {
    /// There is an order.
    Ordered,
    /// It is time to say something.
    Due,
    /// The server tells something.
    Event(Value),
}

/// `epoch:offset` of an event, if it has them.
fn position(event: &Value) -> Option<String> {
    let epoch = event["epoch"].as_str()?;
    Some(format!("{epoch}:{}", event["offset"].as_u64()?))
}

/// Longest wait for one step of a connection.
const PATIENCE: Duration = Duration::from_secs(20);
