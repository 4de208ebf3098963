//! The rules of flight: what a tick does.
//!
//! A tick moves the drone along the straight line to its target. Its speed grows by [`ACCELERATION`] up to the cruising
//! speed and shrinks in time to stop there: it is never above √(2·a·d) at distance d. It turns at [`TURN_RATE`]. Being
//! in the air costs charge, speed costs more; on the ground the battery charges. At [`RESERVE`] percent the drone lands
//! by itself, and the reserve is enough to sink from the highest altitude.

use std::time::Duration;

use crate::state::{DroneState, MAX_ALTITUDE, Phase, Point};

/// Time between two ticks: twenty a second look smooth on a screen.
pub const TICK: Duration = Duration::from_millis(50);

/// Altitude that `takeoff` climbs to, in metres.
pub const TAKEOFF_ALTITUDE: f64 = 2.0;

/// Speed of climbing at takeoff and of sinking when landing, in metres per second.
pub const VERTICAL_SPEED: f64 = 2.0;

/// Change of speed, in metres per second, per second.
pub const ACCELERATION: f64 = 4.0;

/// Degrees turned per second.
pub const TURN_RATE: f64 = 90.0;

/// Cruising speed of a new drone, in metres per second.
pub const DEFAULT_CRUISE: f64 = 5.0;

/// Percent of charge that a second in the air costs.
pub const DRAIN_IN_AIR: f64 = 0.1;

/// Percent of charge that a metre costs, on top.
pub const DRAIN_PER_METRE: f64 = 0.05;

/// Percent of charge that a second on the ground brings.
pub const CHARGE_ON_GROUND: f64 = 2.0;

/// Percent of charge at which the drone lands by itself: sinking 50 m takes 25 s and costs 5 percent.
pub const RESERVE: f64 = 6.0;

/// Percent of charge below which the drone does not take off.
pub const TAKEOFF_CHARGE: f64 = 15.0;

/// A drone: its state and what is left of its last command.
#[derive(Debug, Clone, PartialEq)]
pub struct Drone {
    pub(crate) state: DroneState,
    /// Degrees still to turn, clockwise when positive.
    pub(crate) turn: f64,
}

impl Default for Drone {
    fn default() -> Self {
        Self {
            state: DroneState {
                cruise: DEFAULT_CRUISE,
                battery: 100.0,
                ..DroneState::default()
            },
            turn: 0.0,
        }
    }
}

impl Drone {
    /// The state, rounded to what is worth telling.
    pub fn state(&self) -> DroneState {
        self.state.rounded()
    }

    /// Reports whether time changes nothing until the next command: on the ground with a full battery.
    pub fn is_settled(&self) -> bool {
        self.state.phase == Phase::Grounded && self.state.battery >= 100.0
    }

    /// Reports whether the position or the heading is changing.
    pub fn is_moving(&self) -> bool {
        self.state.phase.is_moving()
    }

    /// Lets [`TICK`] pass once.
    pub fn tick(&mut self) {
        self.step(TICK.as_secs_f64());
    }

    /// Lets `seconds` pass; steps of a tick or less keep the braking exact.
    pub fn step(&mut self, seconds: f64) {
        if self.state.phase == Phase::Grounded {
            self.state.battery = (self.state.battery + CHARGE_ON_GROUND * seconds).min(100.0);
            return;
        }
        let metres = self.advance(seconds);
        self.swing(seconds);
        self.state.battery =
            (self.state.battery - DRAIN_IN_AIR * seconds - DRAIN_PER_METRE * metres).max(0.0);
        self.state.flown += metres;
        if self.state.target.is_none() && self.turn == 0.0 {
            self.arrive();
        }
        if self.state.battery <= RESERVE
            && !matches!(self.state.phase, Phase::Landing | Phase::Grounded)
        {
            self.sink();
        }
    }

    /// A new way begins at rest: a change of direction costs the speed.
    pub(crate) fn set_target(&mut self, target: Point) {
        self.state.target = Some(target);
        self.state.speed = 0.0;
    }

    pub(crate) fn sink(&mut self) {
        self.state.phase = Phase::Landing;
        self.turn = 0.0;
        self.set_target(self.state.position.at_altitude(0.0));
    }

    /// Moves to the target for `seconds`; returns the metres made.
    fn advance(&mut self, seconds: f64) -> f64 {
        let Some(target) = self.state.target else {
            return 0.0;
        };
        let distance = self.state.position.distance(target);
        let cruise = if self.state.phase == Phase::Flying {
            self.state.cruise
        } else {
            VERTICAL_SPEED
        };
        let braking = (2.0 * ACCELERATION * distance).sqrt();
        // The last centimetres at a speed that ends: √ alone comes ever nearer and never arrives.
        self.state.speed = (self.state.speed + ACCELERATION * seconds)
            .min(cruise)
            .min(braking.max(0.2));
        let metres = distance.min(self.state.speed * seconds);
        self.state.position = self
            .state
            .position
            .towards(target, self.state.speed * seconds);
        self.state.position.z = self.state.position.z.clamp(0.0, MAX_ALTITUDE);
        if self.state.position == target {
            self.state.target = None;
            self.state.speed = 0.0;
        }
        metres
    }

    /// Turns for `seconds`.
    fn swing(&mut self, seconds: f64) {
        let turned = self.turn.clamp(-TURN_RATE * seconds, TURN_RATE * seconds);
        self.turn -= turned;
        self.state.heading = (self.state.heading + turned).rem_euclid(360.0);
    }

    /// The movement is done.
    fn arrive(&mut self) {
        self.state.phase = match self.state.phase {
            Phase::Landing | Phase::Grounded => Phase::Grounded,
            Phase::TakingOff | Phase::Hovering | Phase::Flying => Phase::Hovering,
        };
    }
}
