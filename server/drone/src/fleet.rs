//! Assignment of connections to drones, which they may share.
//!
//! A drone lives as long as somebody is connected to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::watch;
use values::sync::lock;

use crate::command::Command;
use crate::hangar::{Hangar, Report};
use crate::orders::{Outcome, Refusal};
use crate::state::DroneState;

/// Longest name of a shared drone, in bytes.
pub const MAX_NAME_BYTES: usize = 32;

/// Shared drones at one time; private ones are bounded by the connections.
pub const MAX_SHARED_DRONES: usize = 1_000;

/// Connections to one shared drone: each gets every state, so the cost of a tick grows with them.
pub const MAX_MEMBERS: usize = 64;

/// The drones that several connections share, by name.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    shared: Arc<Mutex<HashMap<String, Arc<Hangar>>>>,
}

/// Cause for which a connection gets no drone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The name is not one.
    #[error("drone id must be 1 to {MAX_NAME_BYTES} of the characters a-z A-Z 0-9 - _")]
    BadName,
    /// No further shared drone.
    #[error(
        "{MAX_SHARED_DRONES} drones are shared already; connect without an id for a drone of your own"
    )]
    TooManyDrones,
    /// No further connection to this one.
    #[error("{MAX_MEMBERS} connections share this drone already")]
    TooManyMembers,
}

impl Fleet {
    /// A drone that nobody else has.
    pub fn private(&self, now: Instant) -> Membership {
        Membership::new(Arc::new(Hangar::new(now)), None)
    }

    /// The drone called `name`, made now if nobody has it yet.
    ///
    /// # Errors
    /// The name is not one, or the drone or the whole fleet is full.
    pub fn join(&self, name: &str, now: Instant) -> Result<Membership, FleetError> {
        check_name(name)?;
        let mut shared = lock(&self.shared);
        let hangar = match shared.get(name) {
            Some(hangar) if hangar.members() >= MAX_MEMBERS => {
                return Err(FleetError::TooManyMembers);
            }
            Some(hangar) => Arc::clone(hangar),
            None if shared.len() >= MAX_SHARED_DRONES => return Err(FleetError::TooManyDrones),
            None => {
                let hangar = Arc::new(Hangar::new(now));
                shared.insert(name.to_owned(), Arc::clone(&hangar));
                hangar
            }
        };
        // Counted under the lock, so that the last to leave cannot take away a drone that was just joined.
        let membership = Membership::new(hangar, Some((self.clone(), name.to_owned())));
        drop(shared);
        Ok(membership)
    }

    /// The number of drones that are shared now.
    pub fn shared_drones(&self) -> usize {
        lock(&self.shared).len()
    }
}

/// Checks a name without joining, for an answer before the connection is upgraded.
///
/// # Errors
/// The name is not one.
pub fn check_name(name: &str) -> Result<(), FleetError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed);
    if fits {
        Ok(())
    } else {
        Err(FleetError::BadName)
    }
}

/// A connection's share in a drone; dropping it leaves.
#[derive(Debug)]
pub struct Membership {
    hangar: Arc<Hangar>,
    seen: watch::Receiver<Report>,
    /// The fleet and the name, for a drone that is shared.
    shared: Option<(Fleet, String)>,
}

impl Membership {
    fn new(hangar: Arc<Hangar>, shared: Option<(Fleet, String)>) -> Self {
        Self {
            seen: hangar.enter(),
            hangar,
            shared,
        }
    }

    /// The name, if the drone is shared.
    pub fn name(&self) -> Option<&str> {
        self.shared.as_ref().map(|(_, name)| name.as_str())
    }

    /// The number of connections that have this drone, this one included.
    pub fn members(&self) -> usize {
        self.hangar.members()
    }

    /// Returns what all who write the drone's telemetry share, such as a compression context: `make` is called for the
    /// first of them.
    pub fn writer<T: Send + Sync + 'static>(&self, make: impl Fn() -> T) -> Arc<T> {
        self.hangar.writer(make)
    }

    /// Gives the drone a command at the instant `now`; returns what came of it and the state after.
    ///
    /// The caller's own watch counts the state as seen: it stands in the answer.
    pub fn command(
        &mut self,
        command: Command,
        now: Instant,
    ) -> (Result<Outcome, Refusal>, DroneState) {
        let (outcome, state) = self.hangar.command(command, now);
        self.seen.mark_unchanged();
        (outcome, state)
    }

    /// Lets the time up to `now` pass; whoever watches is notified of a change.
    pub fn advance(&self, now: Instant) {
        self.hangar.advance(now);
    }

    /// The state at the instant `now`.
    pub fn state(&self, now: Instant) -> DroneState {
        self.advance(now);
        self.hangar.state()
    }

    /// Returns the instant to call [`advance`](Self::advance) next; `None` when time changes nothing.
    pub fn next_look(&self) -> Option<Instant> {
        self.hangar.next_look()
    }

    /// Waits until there is a report that this connection has not seen, then returns the latest.
    ///
    /// Cancel safe: a report that was not returned is still unseen.
    pub async fn changed(&mut self) -> Report {
        // The sender lives in the hangar that this membership holds, so it cannot be gone.
        let _ = self.seen.changed().await;
        *self.seen.borrow_and_update()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let Some((fleet, name)) = &self.shared else {
            return;
        };
        let mut shared = lock(&fleet.shared);
        if self.hangar.leave() == 0 {
            shared.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::Axis;
    use crate::hangar::AT_REST;
    use crate::simulation::TICK;
    use crate::state::Phase;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn members_of_one_name_share_one_drone() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        let mut pilot = fleet.join("alpha", start).unwrap();
        let guest = fleet.join("alpha", start).unwrap();
        let other = fleet.join("beta", start).unwrap();
        let alone = fleet.private(start);
        pilot.command(Command::Takeoff, start).0.unwrap();
        let later = start + seconds(5.0);
        assert_eq!(guest.state(later).phase, Phase::Hovering);
        assert_eq!(pilot.state(later), guest.state(later));
        assert_eq!(other.state(later).phase, Phase::Grounded);
        assert_eq!(alone.state(later).phase, Phase::Grounded);
        assert_eq!(
            (guest.members(), other.members(), fleet.shared_drones()),
            (2, 1, 2)
        );
    }

    #[test]
    fn coming_and_going_is_told_to_the_others() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        let mut first = fleet.join("alpha", start).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let second = fleet.join("alpha", start).unwrap();
            assert_eq!(first.changed().await.members, 2);
            drop(second);
            assert_eq!(first.changed().await.members, 1);
        });
    }

    #[test]
    fn the_last_to_leave_takes_the_drone_along() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        let mut first = fleet.join("alpha", start).unwrap();
        let second = fleet.join("alpha", start).unwrap();
        first.command(Command::Takeoff, start).0.unwrap();
        drop(first);
        assert_eq!(fleet.shared_drones(), 1);
        assert_eq!(second.state(start + seconds(5.0)).phase, Phase::Hovering);
        drop(second);
        assert_eq!(fleet.shared_drones(), 0);
        assert_eq!(
            fleet.join("alpha", start).unwrap().state(start).phase,
            Phase::Grounded
        );
    }

    #[test]
    fn time_is_flown_once_whoever_looks() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        let mut one = fleet.join("a", start).unwrap();
        let two = fleet.join("a", start).unwrap();
        one.command(Command::Takeoff, start).0.unwrap();
        one.command(Command::Speed(1.0), start).0.unwrap();
        one.state(start + seconds(5.0));
        one.command(Command::Move(Axis::Forward, 50.0), start + seconds(5.0))
            .0
            .unwrap();
        for millis in (5_000..10_000).step_by(7) {
            one.advance(start + Duration::from_millis(millis));
            two.advance(start + Duration::from_millis(millis + 3));
        }
        let y = two.state(start + seconds(10.0)).position.y;
        assert!(
            (4.7..=5.0).contains(&y),
            "1 m/s for 5 s with a ramp of 0.25 s: {y}"
        );
    }

    #[test]
    fn a_slow_watcher_sees_the_latest_state_alone() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        let mut pilot = fleet.join("a", start).unwrap();
        let mut slow = fleet.join("a", start).unwrap();
        pilot.command(Command::Takeoff, start).0.unwrap();
        for tick in 1..=100 {
            pilot.advance(start + TICK * tick);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert_eq!(slow.changed().await.state.phase, Phase::Hovering);
            let again = tokio::time::timeout(Duration::from_millis(1), slow.changed()).await;
            assert!(
                again.is_err(),
                "a hundred ticks are one change to somebody who did not look: {again:?}"
            );
        });
    }

    #[test]
    fn looks_are_as_rare_as_the_drone_allows() {
        let start = Instant::now();
        let mut member = Fleet::default().private(start);
        assert_eq!(member.next_look(), None);
        member.command(Command::Takeoff, start).0.unwrap();
        assert_eq!(member.next_look(), Some(start + TICK));
        let later = start + seconds(4.0);
        member.advance(later);
        assert_eq!(member.next_look(), Some(later + AT_REST));
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let (fleet, start) = (Fleet::default(), Instant::now());
        for name in ["", "a b", "ä", "a/b", "..", &"x".repeat(33)] {
            assert_eq!(
                fleet.join(name, start).err(),
                Some(FleetError::BadName),
                "{name:?}"
            );
        }
        let members: Vec<_> = (0..MAX_MEMBERS)
            .map(|_| fleet.join("full", start).unwrap())
            .collect();
        assert_eq!(
            fleet.join("full", start).err(),
            Some(FleetError::TooManyMembers)
        );
        let drones: Vec<_> = (1..MAX_SHARED_DRONES)
            .map(|n| fleet.join(&n.to_string(), start).unwrap())
            .collect();
        assert_eq!(
            fleet.join("one-more", start).err(),
            Some(FleetError::TooManyDrones)
        );
        drop((members, drones));
        assert_eq!(fleet.shared_drones(), 0);
    }

    #[test]
    fn a_long_sleep_is_not_made_up_for_tick_by_tick() {
        let start = Instant::now();
        let mut member = Fleet::default().private(start);
        member.command(Command::Takeoff, start).0.unwrap();
        let state = member.state(start + Duration::from_secs(86_400));
        assert!(state.battery > 90.0, "{state}");
    }
}
