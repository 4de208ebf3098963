//! One rule: what is sent, and what may come of it.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::common::verdict::none_wrong;
use super::common::{Running, start};
use super::wire::{
    ACK, END_STREAM, Frame, PREFACE, Peer, get, headers, kind, ping, setting, settings,
};

/// Reaction of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// GOAWAY with this code, then the end of the connection.
    Goaway(u32),
    /// The end of the connection without a GOAWAY.
    Close,
    /// `RST_STREAM` with this code on the stream that is watched; other streams go on.
    Reset(u32),
    /// A response with this status on the stream that is watched; other streams go on.
    Status(u16),
    /// Nothing happened; the connection goes on.
    Alive,
}

/// A part of what is sent.
enum Step {
    Send(Vec<u8>),
    /// Waits until the server has read what was sent, as the answer to a PING tells.
    Settle,
    /// Waits for the end of the response on a stream.
    Answered(u32),
    /// Waits for the head of the response on a stream.
    Head(u32),
}

type Check = fn(&[Frame]) -> Result<(), String>;

/// A rule with its bytes.
pub struct Case {
    section: &'static str,
    what: String,
    /// Our own SETTINGS; `None` where the case writes its preface itself.
    settings: Option<Vec<(u16, u32)>>,
    steps: Vec<Step>,
    allowed: Vec<Outcome>,
    /// The stream whose answer counts.
    watched: u32,
    /// The stream for a last request that shows whether the connection lives; `None` where there can be none.
    probe: Option<u32>,
    is_last: bool,
    checks: Vec<Check>,
    deviation: Option<(&'static str, Outcome)>,
}

/// A case of `section`, which tells `what` is sent.
pub fn case(section: &'static str, what: impl Into<String>) -> Case {
    Case {
        section,
        what: what.into(),
        // No dynamic table on the way back: a status can be read without one.
        settings: Some(vec![(setting::HEADER_TABLE_SIZE, 0)]),
        steps: Vec::new(),
        allowed: Vec::new(),
        watched: 1,
        probe: Some(0x1001),
        is_last: false,
        checks: Vec::new(),
        deviation: None,
    }
}

/// The case of `section` that consists of `bytes`, after which `allowed` may come.
pub fn rule(
    section: &'static str,
    what: impl Into<String>,
    bytes: impl Into<Vec<u8>>,
    allowed: &[Outcome],
) -> Case {
    case(section, what).send(bytes).may(allowed)
}

impl Case {
    pub fn without_preface(mut self) -> Self {
        self.settings = None;
        self
    }

    pub fn with_settings(mut self, more: &[(u16, u32)]) -> Self {
        self.settings.get_or_insert_default().extend(more);
        self
    }

    pub fn send(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    pub fn settle(mut self) -> Self {
        self.steps.push(Step::Settle);
        self
    }

    pub fn answered(mut self, stream: u32) -> Self {
        self.steps.push(Step::Answered(stream));
        self
    }

    pub fn head(mut self, stream: u32) -> Self {
        self.steps.push(Step::Head(stream));
        self
    }

    pub fn watching(mut self, stream: u32) -> Self {
        self.watched = stream;
        self
    }

    pub fn without_probe(mut self) -> Self {
        self.probe = None;
        self
    }

    /// The connection may end with the answer.
    pub fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds outcomes that the RFC allows.
    pub fn may(mut self, allowed: &[Outcome]) -> Self {
        self.allowed.extend(allowed);
        self
    }

    /// The server does `outcome`, which the RFC does not allow, for a `reason` that we cannot mend from outside.
    pub fn deviates(mut self, outcome: Outcome, reason: &'static str) -> Self {
        self.deviation = Some((reason, outcome));
        self
    }

    /// Returns true if something is wrong with what is sent.
    fn is_bad(&self) -> bool {
        let fine = |outcome: &Outcome| matches!(outcome, Outcome::Alive | Outcome::Status(..300));
        !self.allowed.iter().any(fine)
    }

    fn expected(&self) -> Vec<Outcome> {
        match self.deviation {
            Some((_, outcome)) => vec![outcome],
            None => self.allowed.clone(),
        }
    }

    /// Runs on a connection of its own; what went wrong.
    async fn run(&self, server: &Running) -> Result<(), String> {
        let mut peer = Peer::new(server.tls(&["h2"]).await);
        let running = async {
            self.begin(&mut peer).await?;
            for step in &self.steps {
                self.step(&mut peer, step).await?;
            }
            let outcome = self.outcome(&mut peer).await?;
            match outcome {
                Outcome::Goaway(_) if peer.until(|_| false).await => Err("no end".to_owned()),
                Outcome::Goaway(_) | Outcome::Close | Outcome::Alive => Ok(()),
                Outcome::Reset(_) | Outcome::Status(_) if self.is_last => Ok(()),
                Outcome::Reset(_) | Outcome::Status(_) => self.lives(&mut peer).await,
            }
        };
        let result = tokio::time::timeout(PATIENCE, running).await;
        let result = result.unwrap_or_else(|_| Err("nothing more came".to_owned()));
        let result =
            result.and_then(|()| self.checks.iter().try_for_each(|check| check(&peer.frames)));
        result.map_err(|error| {
            let seen: Vec<String> = peer.frames.iter().map(shown).collect();
            let (section, what, allowed) = (self.section, &self.what, self.expected());
            format!(
                "{section} {what}: {error}; expected {allowed:?}, came: {}",
                seen.join(" ")
            )
        })
    }

    /// The preface and both SETTINGS with their acknowledgements.
    async fn begin(&self, peer: &mut Peer) -> Result<(), String> {
        let Some(values) = &self.settings else {
            return Ok(());
        };
        peer.write(&[PREFACE, &settings(values)].concat()).await;
        let theirs = |frame: &Frame| frame.kind == kind::SETTINGS && frame.flags & ACK == 0;
        if !peer.until(theirs).await {
            return Err("no SETTINGS".to_owned());
        }
        peer.write(&super::wire::frame(kind::SETTINGS, ACK, 0, &[]))
            .await;
        let acknowledged = |frame: &Frame| frame.kind == kind::SETTINGS && frame.flags & ACK != 0;
        if peer.until(acknowledged).await {
            Ok(())
        } else {
            Err("no acknowledgement".to_owned())
        }
    }

    async fn step(&self, peer: &mut Peer, step: &Step) -> Result<(), String> {
        let reached = match step {
            Step::Send(bytes) => {
                peer.write(bytes).await;
                true
            }
            Step::Settle => {
                peer.write(&ping(0, *b"settled?")).await;
                peer.until(|frame| frame.kind == kind::PING && frame.payload == b"settled?")
                    .await
            }
            Step::Answered(stream) => {
                let ends =
                    |frame: &Frame| frame.kind <= kind::HEADERS && frame.flags & END_STREAM != 0;
                peer.until(|frame| frame.stream == *stream && ends(frame))
                    .await
            }
            Step::Head(stream) => {
                peer.until(|frame| frame.stream == *stream && frame.kind == kind::HEADERS)
                    .await
            }
        };
        if reached {
            Ok(())
        } else {
            Err("closed too early".to_owned())
        }
    }

    /// Returns the outcome: the first event that is allowed. Another error than that is an error of ours.
    async fn outcome(&self, peer: &mut Peer) -> Result<Outcome, String> {
        let expected = self.expected();
        let mut seen = std::mem::take(&mut peer.frames);
        let mut events = seen.iter().filter_map(|frame| self.event(frame));
        let early = events.find(|event| expected.contains(event));
        seen.append(&mut peer.frames);
        peer.frames = seen;
        if let Some(outcome) = early {
            return Ok(outcome);
        }
        if expected.contains(&Outcome::Alive) {
            self.ask(peer).await;
        }
        while let Some(frame) = peer.next().await {
            if expected.contains(&Outcome::Alive) && self.is_probed(&frame) {
                return Ok(Outcome::Alive);
            }
            match self.event(&frame) {
                Some(event) if expected.contains(&event) => return Ok(event),
                Some(event @ (Outcome::Goaway(_) | Outcome::Reset(1..))) => {
                    return Err(format!("{event:?}"));
                }
                _ => {}
            }
        }
        if expected.contains(&Outcome::Close) {
            Ok(Outcome::Close)
        } else {
            Err("closed".to_owned())
        }
    }

    fn event(&self, frame: &Frame) -> Option<Outcome> {
        match frame.kind {
            kind::GOAWAY => Some(frame.number(4))
                .filter(|code| *code != 0)
                .map(Outcome::Goaway),
            _ if frame.stream != self.watched => None,
            kind::RST_STREAM => Some(Outcome::Reset(frame.number(0))),
            kind::HEADERS => Some(Outcome::Status(frame.status())),
            _ => None,
        }
    }

    /// Sends what a living connection answers.
    async fn ask(&self, peer: &mut Peer) {
        match self.probe {
            Some(stream) => peer.write(&headers(stream, END_STREAM, &get(&[]))).await,
            None => peer.write(&ping(0, *b"alive???")).await,
        }
    }

    /// Returns true if `frame` answers the probe.
    fn is_probed(&self, frame: &Frame) -> bool {
        match self.probe {
            Some(stream) => {
                frame.stream == stream && frame.kind == kind::HEADERS && frame.status() == 200
            }
            None => frame.kind == kind::PING && frame.payload == b"alive???",
        }
    }

    async fn lives(&self, peer: &mut Peer) -> Result<(), String> {
        // It was asked already where it might have been that nothing happens.
        if !self.expected().contains(&Outcome::Alive) {
            self.ask(peer).await;
        }
        if peer.until(|frame| self.is_probed(frame)).await {
            Ok(())
        } else {
            Err("the connection did not go on".to_owned())
        }
    }
}

fn shown(frame: &Frame) -> String {
    let Frame {
        kind,
        flags,
        stream,
        payload,
    } = frame;
    let payload = &payload[..payload.len().min(12)];
    format!("[{kind} {flags:#x} {stream} {payload:02x?}]")
}

/// Runs every case, and then a request as of anybody.
#[expect(
    clippy::print_stdout,
    reason = "it is a test that tells how many there were"
)]
pub async fn check(cases: Vec<Case>) {
    let flags = ["--handshake-rate", "10000", "--handshake-burst", "10000"];
    let server = &start(&flags).await;
    let wrong: Vec<String> = stream::iter(&cases)
        .map(|case| async move { case.run(server).await.err() })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let (total, deviating) = (cases.len(), deviations(&cases));
    println!(
        "{total} rules of HTTP/2, {deviating} of them known deviations, {} wrong",
        wrong.len()
    );
    let bad = cases.iter().filter(|case| case.is_bad()).count();
    none_wrong("cases of HTTP/2", bad, total - bad, &wrong);
    assert!(
        server.get("/healthz").await.contains(" 200 "),
        "the server goes on"
    );
}

/// Counts the cases that are known deviations; each has its reason.
pub fn deviations(cases: &[Case]) -> usize {
    let deviating = cases.iter().filter_map(|case| case.deviation);
    deviating.filter(|(reason, _)| !reason.is_empty()).count()
}

/// Time for one case.
const PATIENCE: Duration = Duration::from_secs(10);
