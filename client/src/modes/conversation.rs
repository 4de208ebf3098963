//! A conversation until it is over: pipes, one-shot messages and interactive sessions differ only in their plan.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;

use super::{Failure, announce, finish, normal_closure};
use crate::close::Ending;
use crate::command::{COMMANDS, Command, Input};
use crate::connect::{Connection, Settings};
use crate::duration::show_duration;
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use crate::input::Reading;
use crate::interrupt::Interrupts;
use crate::moment::after;
use crate::output::Output;
use crate::phase::Phase;
use crate::reconnect::{Backoff, connect_with_backoff};
use crate::sensitive::shown_target;
use crate::session::{Event, Session};
use crate::tally::{agreed_text, counted};

/// Conditions for the end of a conversation, and tasks beside it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// After the input: end once so many data messages have come.
    pub(crate) expect: Option<u64>,
    /// After the input: end when nothing has come for so long; `None` waits for the peer's close.
    pub(crate) idle: Option<Duration>,
    /// Bad input ends the conversation rather than being reported to the user.
    pub(crate) bad_input_ends: bool,
    /// Send a Ping so often.
    pub(crate) ping_interval: Option<Duration>,
    /// Dial again after a loss.
    pub(crate) reconnect: Backoff,
    /// Show the figures at the end.
    pub(crate) stats: bool,
}

/// Converses until the plan says it is over, or the peer does.
///
/// # Errors
/// A failure other than the peer's orderly close.
pub(crate) async fn run(
    settings: &Settings,
    connection: Connection,
    input: (mpsc::Receiver<Input>, Reading),
    plan: Plan,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    announce(&connection.details, output);
    let mut conversation = Talk::new(settings, Session::new(connection, input), plan, output)?;
    let result = conversation.run().await;
    let result = conversation.with_lost_input(result).await;
    let tally = conversation.session.tally();
    let agreed = conversation.session.details().agreed;
    if conversation.plan.stats {
        output.figures(&format!("{tally}; {}", agreed_text(agreed)));
    }
    output.finish()?;
    result
}

/// Progress of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Talking,
    Waiting,
    Closing(ExitStatus),
}

struct Talk<'a> {
    settings: &'a Settings,
    session: Session,
    plan: Plan,
    output: &'a mut Output,
    stage: Stage,
    replies: u64,
    last_reply: Instant,
    closing_since: Instant,
    pings: Pings,
    interrupts: Interrupts,
    /// Failure to return once the connection is closed.
    failure: Option<Failure>,
}

impl<'a> Talk<'a> {
    fn new(
        settings: &'a Settings,
        session: Session,
        plan: Plan,
        output: &'a mut Output,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let pings = Pings::new(plan.ping_interval);
        let mut session = session;
        // Only a Pong proves that messages before its Ping arrived, so only with Pings can they be sent again after a
        // loss.
        if plan.ping_interval.is_some() && plan.reconnect.has_attempts() {
            session.keep_unconfirmed();
        }
        Ok(Self {
            settings,
            session,
            plan,
            output,
            stage: Stage::Talking,
            replies: 0,
            last_reply: now,
            closing_since: now,
            pings,
            interrupts: Interrupts::new()?,
            failure: None,
        })
    }

    async fn run(&mut self) -> Result<ExitStatus, Failure> {
        loop {
            let deadline = self.deadline();
            let ping_due = self.pings.due;
            let event = tokio::select! {
                event = self.session.next() => Some(event),
                () = until(deadline) => {
                    self.time_is_up()?;
                    None
                }
                () = until(ping_due) => self.ping()?,
                () = self.interrupts.recv() => {
                    if matches!(self.stage, Stage::Closing(_)) {
                        return Err(Failure::Interrupted);
                    }
                    self.close(normal_closure(), ExitStatus::Interrupted);
                    None
                }
            };
            let handled = match event {
                None => Ok(None),
                Some(Event::Ended(ending)) => match self.ended(ending).await {
                    Ok(None) => Ok(None),
                    over => return over.map(|status| status.unwrap_or(ExitStatus::Normal)),
                },
                Some(event) => self.handle(event).map(|()| None),
            };
            match handled {
                Ok(Some(status)) => return Ok(status),
                // The reader of standard output is gone: say goodbye to the peer all the same.
                Err(Failure::Io(error)) if !matches!(self.stage, Stage::Closing(_)) => {
                    self.failure = Some(Failure::Io(error));
                    self.close(normal_closure(), ExitStatus::Normal);
                }
                Ok(None) | Err(Failure::Io(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Received(message, wire) => {
                if let Message::Pong(payload) = &message
                    && let Some((took, is_extra)) = self.pings.answered(payload)
                {
                    let text = format!("pong after {}", show_duration(took));
                    if is_extra {
                        self.output.talk(&text);
                    } else {
                        self.session.confirm();
                        self.output.detail(&text);
                    }
                }
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    self.replies += 1;
                    self.last_reply = Instant::now();
                    self.plan.reconnect.reset();
                }
                self.output.received(&message, wire)?;
                self.end_if_done();
            }
            Event::Sent(message, wire) => {
                // A Ping of ours is no sign that more is to come.
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    self.last_reply = Instant::now();
                }
                if let Message::Ping(payload) = &message {
                    self.pings.written(payload);
                }
                self.output.sent(&message, wire)?;
                self.end_if_done();
            }
            Event::Command(command) => self.command(command),
            Event::BadInput(reason) if self.plan.bad_input_ends => {
                self.failure = Some(Failure::Usage(reason));
                self.close(normal_closure(), ExitStatus::Usage);
            }
            Event::BadInput(reason) => self.output.warn(&reason),
            Event::InputFailed(reason) => {
                self.failure = Some(Failure::Io(std::io::Error::other(reason)));
                self.close(normal_closure(), ExitStatus::LocalIo);
            }
            Event::InputEnded => self.end_if_done(),
            Event::Ended(_) => {}
        }
        Ok(())
    }

    /// Closes when there were enough replies; waits for them when everything is sent.
    fn end_if_done(&mut self) {
        if matches!(self.stage, Stage::Closing(_)) {
            return;
        }
        if self.session.is_drained() {
            self.stage = Stage::Waiting;
        }
        // What is there to be sent is sent; an input that only may go on is not waited for.
        if self.has_enough() && self.session.is_quiet() {
            self.close(normal_closure(), ExitStatus::Normal);
        }
    }

    fn has_enough(&self) -> bool {
        self.plan
            .expect
            .is_some_and(|wanted| self.replies >= wanted)
    }

    fn close(&mut self, frame: CloseFrame, status: ExitStatus) {
        if !matches!(self.stage, Stage::Closing(_)) {
            self.stage = Stage::Closing(status);
            self.closing_since = Instant::now();
            self.pings.due = None;
            self.session.close(frame);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.stage {
            // The input tells nobody that it has become quiet.
            Stage::Talking => self.has_enough().then(|| Instant::now() + LOOK_AGAIN),
            Stage::Waiting => {
                let patience = if self.plan.expect.is_some() {
                    self.reply_patience()
                } else {
                    self.plan.idle
                };
                patience.map(|patience| after(self.last_reply, patience))
            }
            Stage::Closing(_) => self
                .settings
                .timeouts
                .get(Phase::Close)
                .map(|limit| after(self.closing_since, limit)),
        }
    }

    /// With a number of replies to come, silence may last as long as `--idle` says, else as long as a reply may take.
    fn reply_patience(&self) -> Option<Duration> {
        self.plan
            .idle
            .or_else(|| self.settings.timeouts.get(Phase::Reply))
    }

    fn time_is_up(&mut self) -> Result<(), Failure> {
        // There are enough replies, and it is looked again and again whether the input is quiet.
        if self.stage == Stage::Talking {
            self.end_if_done();
            return Ok(());
        }
        if let Stage::Closing(status) = self.stage {
            let peer = self.settings.target.host_and_port();
            let limit = self.settings.timeouts.get(Phase::Close).unwrap_or_default();
            let late = ConnectError::TimedOut {
                phase: Phase::Close,
                limit,
                peer,
            };
            return Err(match status {
                ExitStatus::Interrupted => Failure::Interrupted,
                _ => self.failure.take().unwrap_or(late.into()),
            });
        }
        if let Some(wanted) = self.plan.expect {
            let patience = show_duration(self.reply_patience().unwrap_or_default());
            let text = format!(
                "{} of {wanted} replies came; nothing more within {patience}",
                self.replies
            );
            self.failure = Some(Failure::Replies(text));
        }
        self.close(normal_closure(), ExitStatus::Normal);
        Ok(())
    }

    fn ping(&mut self) -> Result<Option<Event>, Failure> {
        match self.pings.send(self.session.wire_bytes()) {
            Ok(message) => {
                if let Some(message) = message {
                    self.session.mark_ping();
                    self.session.send_next(message);
                }
                Ok(None)
            }
            // Frozen: as good as lost, but for what it was sent and may never have read.
            Err(limit) if self.plan.reconnect.has_attempts() => {
                let text = format!("no Pong within {}", show_duration(limit));
                self.output.warn(&text);
                self.session.take_back_unconfirmed();
                Ok(Some(Event::Ended(Ending::Lost)))
            }
            Err(limit) => {
                let peer = self.settings.target.host_and_port();
                Err(ConnectError::TimedOut {
                    phase: Phase::Reply,
                    limit,
                    peer,
                }
                .into())
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Help => {
                for (name, arguments, meaning) in COMMANDS {
                    self.output
                        .talk(&format!("{:<24} {meaning}", format!("{name} {arguments}")));
                }
            }
            Command::Ping => self.session.send_next(self.pings.extra()),
            Command::Close(frame) => self.close(frame, ExitStatus::Normal),
            Command::Interrupt => self.close(normal_closure(), ExitStatus::Interrupted),
            Command::Stats => self.output.talk(&self.session.tally().to_string()),
            Command::Info => {
                let details = self.session.details();
                let tls = details
                    .tls
                    .as_ref()
                    .map_or("no TLS", |tls| tls.version.as_str());
                let text = format!(
                    "{}; {tls}; {}",
                    shown_target(&details.target.to_string()),
                    agreed_text(details.agreed)
                );
                self.output.talk(&text);
            }
        }
    }

    /// The connection is over: dial again if that is wanted and makes sense, else tell how it ended.
    async fn ended(&mut self, ending: Ending) -> Result<Option<ExitStatus>, Failure> {
        if let Stage::Closing(status) = self.stage {
            // Why this side closed says more than how the peer answered.
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let how = finish(&ending, self.output);
            return Ok(Some(if status == ExitStatus::Normal {
                how
            } else {
                status
            }));
        }
        if ending.is_worth_retrying()
            && let Some(wait) = self.plan.reconnect.next_wait()
        {
            let text = format!("{ending}; dialling again in {}", show_duration(wait));
            self.output.warn(&text);
            return self.dial_again(wait).await.map(|()| None);
        }
        let status = finish(&ending, self.output);
        match self.plan.expect {
            Some(wanted) if self.replies < wanted && status == ExitStatus::Normal => {
                Err(Failure::Replies(format!(
                    "{} of {wanted} replies came before the close",
                    self.replies
                )))
            }
            _ => Ok(Some(status)),
        }
    }

    /// Tells how much of the input was not sent. An end that lost some is not a normal one.
    async fn with_lost_input(
        &mut self,
        result: Result<ExitStatus, Failure>,
    ) -> Result<ExitStatus, Failure> {
        let (lost, is_more) = self.session.count_lost().await;
        if lost == 0 {
            return result;
        }
        let least = if is_more { "at least " } else { "" };
        let were = if lost == 1 { "was" } else { "were" };
        let text = format!("{least}{} {were} not sent", counted(lost, "message"));
        self.output.warn(&text);
        match result {
            Ok(ExitStatus::Normal) => Ok(ExitStatus::ClosedWithError),
            Err(failure) if failure.status() == ExitStatus::Normal => {
                Ok(ExitStatus::ClosedWithError)
            }
            result => result,
        }
    }

    async fn dial_again(&mut self, wait: Duration) -> Result<(), Failure> {
        let output = &mut *self.output;
        let dial = async {
            tokio::time::sleep(wait).await;
            connect_with_backoff(
                self.settings,
                &mut self.plan.reconnect,
                |error, wait, attempt| {
                    output.warn(&format!(
                        "attempt {attempt}: {error}; again in {}",
                        show_duration(wait)
                    ));
                },
            )
            .await
        };
        let connection = tokio::select! {
            connection = dial => connection?,
            () = self.interrupts.recv() => return Err(Failure::Interrupted),
        };
        announce(&connection.details, self.output);
        self.output.talk("connected again");
        self.session.replace(connection);
        // Pongs of the lost connection will not come.
        self.pings = Pings::new(self.plan.ping_interval);
        self.last_reply = Instant::now();
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Interval between two looks at an input that may go on once there were enough replies.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Pings on their way, and when the next is due.
///
/// The clock of a Ping starts when it was written, for it may wait after a large message; until then written bytes
/// are the sign of life, and afterwards received ones, for the Pong may wait after a large message as well.
struct Pings {
    interval: Option<Duration>,
    due: Option<Instant>,
    number: u64,
    underway: Option<Ping>,
    extra: Option<Ping>,
    /// Bytes sent and received when the last Ping was due.
    seen: (u64, u64),
}

/// A Ping without its Pong.
struct Ping {
    number: u64,
    written: Option<Instant>,
}

impl Pings {
    fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            due: interval.map(|interval| after(Instant::now(), interval)),
            number: 0,
            underway: None,
            extra: None,
            seen: (0, 0),
        }
    }

    /// The next Ping of the interval; none while the one before is underway and the peer shows life.
    ///
    /// # Errors
    /// The interval, within which there was neither a Pong nor another sign of life.
    fn send(&mut self, bytes: (u64, u64)) -> Result<Option<Message>, Duration> {
        let interval = self.interval.unwrap_or_default();
        let before = std::mem::replace(&mut self.seen, bytes);
        let now = Instant::now();
        if let Some(ping) = &self.underway {
            let is_alive = match ping.written {
                None => bytes.0 > before.0,
                Some(written) => now < after(written, interval) || bytes.1 > before.1,
            };
            if !is_alive {
                return Err(interval);
            }
            self.due = Some(after(now, interval));
            return Ok(None);
        }
        self.due = Some(after(now, interval));
        let (message, ping) = self.next();
        self.underway = Some(ping);
        Ok(Some(message))
    }

    /// A Ping that the user asked for.
    fn extra(&mut self) -> Message {
        let (message, ping) = self.next();
        self.extra = Some(ping);
        message
    }

    fn next(&mut self) -> (Message, Ping) {
        self.number += 1;
        let (number, written) = (self.number, None);
        let payload = number.to_be_bytes().to_vec();
        (Message::Ping(payload.into()), Ping { number, written })
    }

    /// A Ping of ours is on the wire.
    fn written(&mut self, payload: &[u8]) {
        let number = number_of(payload);
        for ping in [&mut self.underway, &mut self.extra].into_iter().flatten() {
            if Some(ping.number) == number {
                ping.written = Some(Instant::now());
            }
        }
    }

    /// The round-trip time, if the Pong answers one of ours, and whether the user asked for it.
    fn answered(&mut self, payload: &[u8]) -> Option<(Duration, bool)> {
        let number = number_of(payload)?;
        let is_extra = self
            .extra
            .as_ref()
            .is_some_and(|ping| ping.number == number);
        let slot = if is_extra {
            &mut self.extra
        } else {
            &mut self.underway
        };
        let ping = slot.take_if(|ping| ping.number == number)?;
        let took = ping
            .written
            .map_or(Duration::ZERO, |written| written.elapsed());
        Some((took, is_extra))
    }
}

fn number_of(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}
