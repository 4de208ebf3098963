//! One drone in the air, moved by whoever looks at it.
//!
//! No task flies it: every look lets the time pass that is due, in whole ticks, so the first to look moves the drone for
//! all. The others get it through a watch channel, which holds the latest state alone: whoever is slow sees fewer
//! states, and nothing queues.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use values::sync::lock;

use crate::command::Command;
use crate::orders::{Outcome, Refusal};
use crate::simulation::{Drone, TICK};
use crate::state::DroneState;

/// One drone and who watches it.
#[derive(Debug)]
pub(crate) struct Hangar {
    flight: Mutex<Flight>,
    latest: watch::Sender<Report>,
    members: AtomicUsize,
    /// State shared by the writers of the drone's telemetry.
    writer: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// A report to the members of a drone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// The drone's state.
    pub state: DroneState,
    /// The number of connections that have the drone.
    pub members: usize,
}

/// A drone and the instant up to which it has been flown.
#[derive(Debug)]
struct Flight {
    drone: Drone,
    flown_until: Instant,
}

impl Hangar {
    pub(crate) fn new(now: Instant) -> Self {
        let drone = Drone::default();
        let latest = watch::Sender::new(Report {
            state: drone.state(),
            members: 0,
        });
        Self {
            flight: Mutex::new(Flight {
                drone,
                flown_until: now,
            }),
            latest,
            members: AtomicUsize::new(0),
            writer: OnceLock::new(),
        }
    }

    /// State shared by all writers of the drone's telemetry. A `T` other than that of the first call gets a value of its own.
    pub(crate) fn writer<T: Send + Sync + 'static>(&self, make: impl Fn() -> T) -> Arc<T> {
        let shared = self.writer.get_or_init(|| Arc::new(make()));
        let shared = Arc::clone(shared).downcast();
        shared.unwrap_or_else(|_| Arc::new(make()))
    }

    /// Lets one more watch.
    pub(crate) fn enter(&self) -> watch::Receiver<Report> {
        self.members.fetch_add(1, Ordering::Relaxed);
        self.publish(None);
        self.latest.subscribe()
    }

    /// One watches no longer; returns how many still do.
    pub(crate) fn leave(&self) -> usize {
        let left = self.members.fetch_sub(1, Ordering::Relaxed) - 1;
        self.publish(None);
        left
    }

    /// The number of those who watch.
    pub(crate) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    /// Gives the drone a command at the instant `now`; returns what came of it and the state after.
    pub(crate) fn command(
        &self,
        command: Command,
        now: Instant,
    ) -> (Result<Outcome, Refusal>, DroneState) {
        let mut flight = self.flight();
        flight.fly_until(now);
        let outcome = flight.drone.obey(command);
        let state = flight.drone.state();
        drop(flight);
        self.publish(Some(state));
        (outcome, state)
    }

    /// Lets the time up to `now` pass; whoever watches is notified of a change.
    pub(crate) fn advance(&self, now: Instant) {
        let mut flight = self.flight();
        flight.fly_until(now);
        let state = flight.drone.state();
        drop(flight);
        self.publish(Some(state));
    }

    /// The state that was reported last.
    pub(crate) fn state(&self) -> DroneState {
        self.latest.borrow().state
    }

    /// Returns the instant to call [`advance`](Self::advance) next; `None` when time changes nothing.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let flight = self.flight();
        let pause = match &flight.drone {
            drone if drone.is_settled() => return None,
            drone if drone.is_moving() => TICK,
            _ => AT_REST,
        };
        Some(flight.flown_until + pause)
    }

    /// Tells the others, if there is something to tell; `None` keeps the state.
    fn publish(&self, state: Option<DroneState>) {
        self.latest.send_if_modified(|latest| {
            let report = Report {
                state: state.unwrap_or(latest.state),
                members: self.members(),
            };
            let changed = *latest != report;
            *latest = report;
            changed
        });
    }

    /// Locks; what a panicking holder left behind is a plain value and still makes sense.
    fn flight(&self) -> MutexGuard<'_, Flight> {
        lock(&self.flight)
    }
}

impl Flight {
    /// Lets the ticks pass that are due at `now`; a remainder waits for the next time.
    fn fly_until(&mut self, now: Instant) {
        let due = now
            .saturating_duration_since(self.flown_until)
            .min(MAX_CATCH_UP);
        let ticks = u32::try_from(due.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
        for _ in 0..ticks {
            self.drone.tick();
        }
        self.flown_until = if due == MAX_CATCH_UP {
            now
        } else {
            self.flown_until + TICK * ticks
        };
    }
}

/// Longest stretch of time that is made up for at once; a machine that slept longer lost the rest.
const MAX_CATCH_UP: Duration = Duration::from_secs(30);

/// Interval for a drone that stands or hovers: only its charge changes.
pub(crate) const AT_REST: Duration = Duration::from_secs(1);
