//! `/drone`: commands in, one answer to each, telemetry while the drone moves.

use std::time::Instant;

use drone::{COMMAND_RATE, Command, Dialect, Fleet, FleetError, Membership, Report};
use tokio::time::sleep_until;
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};
use values::limiter::RateLimiter;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::stream::ServerStream;

use super::telemetry::Telemetry;

/// Subprotocols of this route: JSON objects; `chat` speaks lines of text, as no subprotocol does.
pub(crate) const PROTOCOLS: &[&str] = &[drone::dialect::JSON_SUBPROTOCOL, "chat"];

/// Serves a pilot: the drone called by `?id=NAME`, which others may share, or else one of its own.
///
/// Telemetry is the latest state at the moment it is written: a pilot who reads slowly gets fewer states, and nothing
/// queues. More commands at once than [`rate`](drone::rate) allows end the connection with 1008.
pub(crate) async fn drone(
    fleet: Fleet,
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) {
    let dialect = Dialect::of_subprotocol(info.subprotocol);
    let joined = match drone_id(info.query.as_deref()) {
        Some(name) => fleet.join(name, Instant::now()),
        None => Ok(fleet.private(Instant::now())),
    };
    let mut conversation = Conversation::new(socket, info);
    match joined {
        Ok(membership) => {
            let telemetry = dialect.telemetry_by_default();
            let rate = RateLimiter::new(COMMAND_RATE);
            let pilot = Pilot {
                dialect,
                membership,
                telemetry,
                rate,
            };
            // What failed has been noted; the conversation knows that it is over.
            let _ = pilot.fly(&mut conversation).await;
        }
        Err(error) => {
            let (code, reason) = refusal(&error);
            conversation.close(code, reason);
        }
    }
    while conversation.next().await.is_some() {}
}

/// One connection to a drone.
struct Pilot {
    dialect: Dialect,
    membership: Membership,
    /// True if states are sent without a request.
    telemetry: bool,
    rate: RateLimiter,
}

/// Event that wakes a pilot's task.
enum Event {
    Message(Option<Message>),
    Changed(Report),
    TimeToLook,
}

impl Pilot {
    /// Answers commands until the connection is closed or is to be closed.
    async fn fly(mut self, conversation: &mut Conversation) -> Result<(), Error> {
        loop {
            match self.event(conversation).await {
                Event::TimeToLook => self.membership.advance(Instant::now()),
                Event::Changed(report) => self.report(conversation, report).await?,
                Event::Message(None) => return Ok(()),
                Event::Message(Some(_)) if self.rate.admit(Instant::now()).is_err() => {
                    conversation.close(CloseCode::Policy, "more than 400 commands at once");
                    return Ok(());
                }
                Event::Message(Some(Message::Text(line))) => {
                    let answer = self.answer(&line);
                    conversation.feed(Message::text(answer)).await?;
                }
                Event::Message(Some(_)) => {
                    conversation.close(CloseCode::Unsupported, "commands are text, not binary");
                    return Ok(());
                }
            }
        }
    }

    /// Sends the latest state; where others share the drone, by the frame that they get too.
    async fn report(&self, conversation: &mut Conversation, report: Report) -> Result<(), Error> {
        if self.membership.name().is_none() {
            let telemetry = self.dialect.telemetry(report.state, report.members);
            return conversation.send(Message::text(telemetry)).await;
        }
        let make = || Telemetry::new(|| conversation.shared_context());
        let telemetry = self.membership.writer(make).message(self.dialect, report);
        conversation.feed_prepared(&telemetry).await?;
        conversation.flush().await
    }

    /// Waits for a message, for a new state if this pilot wants it, or for the time to look at the drone.
    async fn event(&mut self, conversation: &mut Conversation) -> Event {
        let next_look = self.membership.next_look();
        let time_to_look = async {
            match next_look {
                Some(instant) => sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            message = conversation.next() => Event::Message(message),
            // A settled drone is woken by another pilot: the change must be seen even where it is not reported.
            report = self.membership.changed() => if self.telemetry { Event::Changed(report) } else { Event::TimeToLook },
            () = time_to_look => Event::TimeToLook,
        }
    }

    /// The one answer to one command.
    fn answer(&mut self, line: &str) -> String {
        let (now, request) = (Instant::now(), self.dialect.read(line));
        match &request.command {
            Ok(command) => {
                if let Command::Telemetry(on) = command {
                    self.telemetry = *on;
                }
                let (came, state) = self.membership.command(*command, now);
                self.dialect
                    .answer(&request, &came, state, self.membership.members())
            }
            Err(error) => {
                let (state, members) = (self.membership.state(now), self.membership.members());
                self.dialect.misunderstood(&request, error, state, members)
            }
        }
    }
}

/// The value of `id` in a query; the names of drones need no percent-encoding, so what has it is no name.
fn drone_id(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("id="))
}

/// The close code and reason for somebody who gets no drone.
fn refusal(error: &FleetError) -> (CloseCode, &'static str) {
    match error {
        FleetError::BadName => (
            CloseCode::Policy,
            "drone id must be 1 to 32 of a-z A-Z 0-9 - _",
        ),
        FleetError::TooManyDrones => (
            CloseCode::Again,
            "too many shared drones, try again later or without id",
        ),
        FleetError::TooManyMembers => (CloseCode::Again, "too many connections share this drone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_found_in_the_query() {
        let cases = [
            (None, None),
            (Some(""), None),
            (Some("id=alpha"), Some("alpha")),
            (Some("a=b&id=x"), Some("x")),
            (Some("grid=x"), None),
            (Some("id="), Some("")),
            (Some("id=%61"), Some("%61")),
        ];
        for (query, id) in cases {
            assert_eq!(drone_id(query), id, "{query:?}");
        }
    }
}
