//! A conversation until it is over: pipes, one-shot messages and interactive sessions differ only in their plan.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;

use super::{Failure, announce, finish, normal_closure};
use crate::close::Ending;
use crate::command::{COMMANDS, Command};
use crate::connect::{Connection, Settings};
use crate::duration::show_duration;
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use crate::interrupt::Interrupts;
use crate::moment::after;
use crate::output::Output;
use crate::reconnect::{Backoff, connect_with_backoff};
use crate::sensitive::shown_target;
use crate::session::{Event, Input, Session};
use crate::tally::agreed_text;
use crate::timeouts::Phase;

/// When a conversation is over, and what goes on beside it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// After the input: end once so many data messages have come.
    pub(crate) expect: Option<u64>,
    /// After the input: end when nothing has come for so long; `None` waits for the peer's close.
    pub(crate) idle: Option<Duration>,
    /// Bad input ends the conversation rather than being told to the user.
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
    input: mpsc::Receiver<Input>,
    plan: Plan,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    announce(&connection.details, output);
    let mut conversation =
        Conversation::new(settings, Session::new(connection, input), plan, output)?;
    let result = conversation.run().await;
    let tally = conversation.session.tally();
    let agreed = conversation.session.details().agreed;
    if conversation.plan.stats {
        output.figures(&format!("{tally}; {}", agreed_text(agreed)));
    }
    output.finish()?;
    result
}

/// How far a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Talking,
    Waiting,
    Closing(ExitStatus),
}

struct Conversation<'a> {
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
    /// What to fail with once the connection is closed.
    failure: Option<Failure>,
}

impl<'a> Conversation<'a> {
    fn new(
        settings: &'a Settings,
        session: Session,
        plan: Plan,
        output: &'a mut Output,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let pings = Pings::new(plan.ping_interval);
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
                () = until(ping_due) => {
                    self.ping()?;
                    None
                }
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
                    && let Some(took) = self.pings.answered(payload)
                {
                    let text = format!("pong after {}", show_duration(took));
                    self.output.talk(&text);
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
                self.output.sent(&message, wire)?;
                self.end_if_done();
            }
            Event::Command(command) => self.command(command),
            Event::BadInput(reason) if self.plan.bad_input_ends => {
                self.failure = Some(Failure::Usage(reason));
                self.close(normal_closure(), ExitStatus::Usage);
            }
            Event::BadInput(reason) => self.output.warn(&reason),
            Event::InputEnded => self.end_if_done(),
            Event::Ended(_) => {}
        }
        Ok(())
    }

    /// Everything is sent: wait for replies, or close when there were enough.
    fn end_if_done(&mut self) {
        if matches!(self.stage, Stage::Closing(_)) || !self.session.is_drained() {
            return;
        }
        self.stage = Stage::Waiting;
        if self
            .plan
            .expect
            .is_some_and(|wanted| self.replies >= wanted)
        {
            self.close(normal_closure(), ExitStatus::Normal);
        }
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
            Stage::Talking => None,
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

    fn ping(&mut self) -> Result<(), Failure> {
        match self.pings.send() {
            Ok(message) => {
                self.session.send_next(message);
                Ok(())
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
        let unsent = self.session.unsent();
        if unsent > 0 {
            self.output
                .warn(&format!("{unsent} messages were not sent"));
        }
        match self.plan.expect {
            Some(wanted) if self.replies < wanted && status == ExitStatus::Normal => {
                Err(Failure::Replies(format!(
                    "{} of {wanted} replies came before the close",
                    self.replies
                )))
            }
            _ if unsent > 0 && status == ExitStatus::Normal => {
                Ok(Some(ExitStatus::ClosedWithError))
            }
            _ => Ok(Some(status)),
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

/// Pings on their way, and when the next is due.
struct Pings {
    interval: Option<Duration>,
    due: Option<Instant>,
    number: u64,
    underway: Option<(u64, Instant)>,
    extra: Option<(u64, Instant)>,
}

impl Pings {
    fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            due: interval.map(|interval| after(Instant::now(), interval)),
            number: 0,
            underway: None,
            extra: None,
        }
    }

    /// The next Ping of the interval, or the interval when the one before was not answered within it.
    fn send(&mut self) -> Result<Message, Duration> {
        let interval = self.interval.unwrap_or_default();
        if self.underway.is_some() {
            return Err(interval);
        }
        self.due = Some(after(Instant::now(), interval));
        let (message, number) = self.next();
        self.underway = Some((number, Instant::now()));
        Ok(message)
    }

    /// A Ping that the user asked for.
    fn extra(&mut self) -> Message {
        let (message, number) = self.next();
        self.extra = Some((number, Instant::now()));
        message
    }

    fn next(&mut self) -> (Message, u64) {
        self.number += 1;
        (
            Message::Ping(self.number.to_be_bytes().to_vec().into()),
            self.number,
        )
    }

    /// The round-trip time, if the Pong answers one of ours.
    fn answered(&mut self, payload: &[u8]) -> Option<Duration> {
        let number = u64::from_be_bytes(payload.try_into().ok()?);
        for slot in [&mut self.underway, &mut self.extra] {
            if let Some((_, sent)) = slot.take_if(|(sent, _)| *sent == number) {
                return Some(sent.elapsed());
            }
        }
        None
    }
}
