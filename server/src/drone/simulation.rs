//! The rules of flight: what a command does, and what a tick does.
//!
//! A tick moves the drone along the straight line to its target. Its speed grows by [`ACCELERATION`] up to the cruising
//! speed and shrinks in time to stop there: it is never above √(2·a·d) at distance d. It turns at [`TURN_RATE`]. Being
//! in the air costs charge, speed costs more; on the ground the battery charges. At [`RESERVE`] percent the drone lands
//! by itself, and the reserve is enough to sink from the highest altitude.

use std::time::Duration;

use super::command::{Axis, Command};
use super::state::{MAX_ALTITUDE, Phase, Position, State};

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
    phase: Phase,
    position: Position,
    /// Degrees clockwise from north, 0 up to 360.
    heading: f64,
    /// Degrees still to turn, clockwise when positive.
    turn: f64,
    speed: f64,
    cruise: f64,
    battery: f64,
    flown: f64,
    target: Option<Position>,
}

impl Default for Drone {
    fn default() -> Self {
        Self {
            phase: Phase::Grounded,
            position: Position::default(),
            heading: 0.0,
            turn: 0.0,
            speed: 0.0,
            cruise: DEFAULT_CRUISE,
            battery: 100.0,
            flown: 0.0,
            target: None,
        }
    }
}

/// What a command that was obeyed does, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What happens now.
    pub text: String,
    /// Whether a movement under way was given up for it.
    pub replaced: bool,
}

/// Why a command that was understood cannot be obeyed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The drone is on the ground.
    #[error("the drone is on the ground; `takeoff` first")]
    OnGround,
    /// The drone is in the air already.
    #[error("the drone is already in the air")]
    InAir,
    /// The drone is on the ground already.
    #[error("the drone is already on the ground")]
    Landed,
    /// A takeoff or landing is not to be mixed with other movements.
    #[error("the drone is {doing}; wait, or use `stop` first")]
    Busy {
        /// What it is doing.
        doing: &'static str,
    },
    /// The movement would leave the space.
    #[error("{what}")]
    OutOfBounds {
        /// Which bound, with the value seen and those allowed.
        what: String,
    },
    /// Too little charge to take off.
    #[error(
        "battery at {percent:.1} percent, takeoff needs {TAKEOFF_CHARGE}; it charges on the ground"
    )]
    Battery {
        /// The charge seen.
        percent: f64,
    },
    /// The charge is at the reserve that is kept for landing.
    #[error("battery at {percent:.1} percent, the drone lands and nothing stops that")]
    Reserve {
        /// The charge seen.
        percent: f64,
    },
}

impl Refusal {
    /// A word for programs; the text is for people and may change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OnGround => "on_ground",
            Self::InAir => "in_air",
            Self::Landed => "landed",
            Self::Busy { .. } => "busy",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::Battery { .. } | Self::Reserve { .. } => "battery",
        }
    }
}

impl Drone {
    /// What is told about the drone.
    pub fn state(&self) -> State {
        let Self {
            phase,
            position,
            heading,
            speed,
            cruise,
            battery,
            flown,
            target,
            ..
        } = *self;
        State {
            phase,
            position,
            heading,
            speed,
            cruise,
            battery,
            flown,
            target,
        }
        .rounded()
    }

    /// Whether time changes nothing until the next command: on the ground with a full battery.
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Grounded && self.battery >= 100.0
    }

    /// Whether the place or the heading is changing.
    pub fn is_moving(&self) -> bool {
        self.phase.is_moving()
    }

    /// Obeys a command, or says why not and changes nothing.
    ///
    /// A movement commanded while another is under way replaces it. `status`, `help` and `telemetry` change nothing here.
    ///
    /// # Errors
    /// The command cannot be obeyed as things are.
    pub fn obey(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let replaced = self.phase == Phase::Flying;
        match command {
            Command::Takeoff => self.take_off(),
            Command::Land => self.land(replaced),
            Command::Move(axis, metres) => self.fly_to(self.along(axis, metres), None, replaced),
            Command::Goto(x, y, z) => self.go_to(Position { x, y, z }, replaced),
            Command::Rotate(degrees) => self.rotate(degrees, replaced),
            Command::Stop => self.stop(replaced),
            Command::Speed(speed) => {
                self.cruise = speed;
                Ok(done(format!("cruising speed is {speed} m/s"), false))
            }
            Command::Status => Ok(done(format!("the drone is {}", self.doing()), false)),
            Command::Help => Ok(done("commands listed".to_owned(), false)),
            Command::Telemetry(on) => Ok(done(
                format!("telemetry is {}", if on { "on" } else { "off" }),
                false,
            )),
        }
    }

    /// Lets [`TICK`] pass once.
    pub fn tick(&mut self) {
        self.step(TICK.as_secs_f64());
    }

    /// Lets `seconds` pass; steps of a tick or less keep the braking exact.
    pub fn step(&mut self, seconds: f64) {
        if self.phase == Phase::Grounded {
            self.battery = (self.battery + CHARGE_ON_GROUND * seconds).min(100.0);
            return;
        }
        let metres = self.advance(seconds);
        self.swing(seconds);
        self.battery = (self.battery - DRAIN_IN_AIR * seconds - DRAIN_PER_METRE * metres).max(0.0);
        self.flown += metres;
        if self.target.is_none() && self.turn == 0.0 {
            self.arrive();
        }
        if self.battery <= RESERVE && !matches!(self.phase, Phase::Landing | Phase::Grounded) {
            self.sink();
        }
    }

    fn take_off(&mut self) -> Result<Outcome, Refusal> {
        match self.phase {
            Phase::Grounded if self.battery < TAKEOFF_CHARGE => Err(Refusal::Battery {
                percent: self.battery,
            }),
            Phase::Landing if self.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.battery,
            }),
            Phase::Grounded | Phase::Landing => {
                let replaced = self.phase == Phase::Landing;
                self.phase = Phase::TakingOff;
                // A landing that is taken back high up goes on from there.
                let z = TAKEOFF_ALTITUDE.max(self.position.z);
                self.set_target(Position { z, ..self.position });
                Ok(done(format!("climbing to {z:.1} m"), replaced))
            }
            Phase::TakingOff | Phase::Hovering | Phase::Flying => Err(Refusal::InAir),
        }
    }

    fn land(&mut self, replaced: bool) -> Result<Outcome, Refusal> {
        match self.phase {
            Phase::Grounded => Err(Refusal::Landed),
            Phase::Landing => Ok(done("landing already".to_owned(), false)),
            Phase::TakingOff | Phase::Hovering | Phase::Flying => {
                let replaced = replaced || self.phase == Phase::TakingOff;
                self.sink();
                Ok(done(
                    format!("landing from {:.1} m", self.position.z),
                    replaced,
                ))
            }
        }
    }

    fn go_to(&mut self, target: Position, replaced: bool) -> Result<Outcome, Refusal> {
        let (dx, dy) = (target.x - self.position.x, target.y - self.position.y);
        // Straight up or down there is no way for the nose to point.
        let heading = (dx.hypot(dy) > 0.01).then(|| dx.atan2(dy).to_degrees().rem_euclid(360.0));
        self.fly_to(target, heading, replaced)
    }

    /// Flies to `target`, turning the nose to `heading` on the way if one is given.
    fn fly_to(
        &mut self,
        target: Position,
        heading: Option<f64>,
        replaced: bool,
    ) -> Result<Outcome, Refusal> {
        self.refuse_unless_flying()?;
        if let Some(what) = target.broken_bound() {
            return Err(Refusal::OutOfBounds { what });
        }
        self.turn = heading.map_or(0.0, |heading| shortest_turn(self.heading, heading));
        self.phase = Phase::Flying;
        self.set_target(target);
        Ok(done(
            format!("flying {:.1} m to {target}", self.position.distance(target)),
            replaced,
        ))
    }

    fn rotate(&mut self, degrees: f64, replaced: bool) -> Result<Outcome, Refusal> {
        self.refuse_unless_flying()?;
        self.target = None;
        self.speed = 0.0;
        self.turn = degrees;
        self.phase = Phase::Flying;
        let heading = (self.heading + degrees).rem_euclid(360.0);
        Ok(done(
            format!("turning {degrees} degrees to heading {heading:.0}"),
            replaced,
        ))
    }

    fn stop(&mut self, replaced: bool) -> Result<Outcome, Refusal> {
        match self.phase {
            Phase::Grounded => Err(Refusal::OnGround),
            Phase::Landing if self.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.battery,
            }),
            _ => {
                let replaced = replaced || matches!(self.phase, Phase::TakingOff | Phase::Landing);
                let braking = self.speed * self.speed / (2.0 * ACCELERATION);
                self.turn = 0.0;
                match self.target {
                    // Near the ground there is no place to hold: climb to where flight begins.
                    _ if self.position.z < super::state::MIN_ALTITUDE => {
                        self.set_target(Position {
                            z: super::state::MIN_ALTITUDE,
                            ..self.position
                        });
                    }
                    Some(target) if self.phase == Phase::Flying => {
                        self.target = Some(self.position.towards(target, braking));
                    }
                    _ => {
                        self.target = None;
                        self.speed = 0.0;
                    }
                }
                self.phase = Phase::Flying;
                Ok(done("stopping".to_owned(), replaced))
            }
        }
    }

    fn refuse_unless_flying(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Grounded => Err(Refusal::OnGround),
            Phase::Landing if self.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.battery,
            }),
            Phase::TakingOff | Phase::Landing => Err(Refusal::Busy {
                doing: self.doing(),
            }),
            Phase::Hovering | Phase::Flying => Ok(()),
        }
    }

    /// The point `metres` along an axis of the drone.
    fn along(&self, axis: Axis, metres: f64) -> Position {
        let (sin, cos) = self.heading.to_radians().sin_cos();
        let Position { x, y, z } = self.position;
        match axis {
            Axis::Forward => Position {
                x: x + sin * metres,
                y: y + cos * metres,
                z,
            },
            Axis::Back => Position {
                x: x - sin * metres,
                y: y - cos * metres,
                z,
            },
            Axis::Left => Position {
                x: x - cos * metres,
                y: y + sin * metres,
                z,
            },
            Axis::Right => Position {
                x: x + cos * metres,
                y: y - sin * metres,
                z,
            },
            Axis::Up => Position {
                x,
                y,
                z: z + metres,
            },
            Axis::Down => Position {
                x,
                y,
                z: z - metres,
            },
        }
    }

    /// A new way begins at rest: a change of direction costs the speed.
    fn set_target(&mut self, target: Position) {
        self.target = Some(target);
        self.speed = 0.0;
    }

    fn sink(&mut self) {
        self.phase = Phase::Landing;
        self.turn = 0.0;
        self.set_target(Position {
            z: 0.0,
            ..self.position
        });
    }

    /// Moves to the target for `seconds`; returns the metres made.
    fn advance(&mut self, seconds: f64) -> f64 {
        let Some(target) = self.target else {
            return 0.0;
        };
        let distance = self.position.distance(target);
        let cruise = if self.phase == Phase::Flying {
            self.cruise
        } else {
            VERTICAL_SPEED
        };
        let braking = (2.0 * ACCELERATION * distance).sqrt();
        // The last centimetres at a speed that ends: √ alone comes ever nearer and never arrives.
        self.speed = (self.speed + ACCELERATION * seconds)
            .min(cruise)
            .min(braking.max(0.2));
        let metres = distance.min(self.speed * seconds);
        self.position = self.position.towards(target, self.speed * seconds);
        self.position.z = self.position.z.clamp(0.0, MAX_ALTITUDE);
        if self.position == target {
            self.target = None;
            self.speed = 0.0;
        }
        metres
    }

    /// Turns for `seconds`.
    fn swing(&mut self, seconds: f64) {
        let turned = self.turn.clamp(-TURN_RATE * seconds, TURN_RATE * seconds);
        self.turn -= turned;
        self.heading = (self.heading + turned).rem_euclid(360.0);
    }

    /// The movement is done.
    fn arrive(&mut self) {
        self.phase = match self.phase {
            Phase::Landing | Phase::Grounded => Phase::Grounded,
            Phase::TakingOff | Phase::Hovering | Phase::Flying => Phase::Hovering,
        };
    }

    fn doing(&self) -> &'static str {
        match self.phase {
            Phase::Grounded => "on the ground",
            Phase::TakingOff => "taking off",
            Phase::Hovering => "hovering",
            Phase::Flying => "flying",
            Phase::Landing => "landing",
        }
    }
}

fn done(text: String, replaced: bool) -> Outcome {
    Outcome { text, replaced }
}

/// Degrees from one heading to another the short way, -180 to 180.
fn shortest_turn(from: f64, to: f64) -> f64 {
    let turn = (to - from).rem_euclid(360.0);
    if turn > 180.0 { turn - 360.0 } else { turn }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::super::state::{MAX_DISTANCE, MIN_ALTITUDE};
    use super::*;

    /// Obeys every line and lets the drone come to rest after each.
    fn flown(lines: &[&str]) -> Drone {
        let mut drone = Drone::default();
        for line in lines {
            drone
                .obey(Command::from_line(line).expect(line))
                .expect(line);
            rest(&mut drone);
        }
        drone
    }

    /// Ticks until nothing moves; a minute and a half is enough to cross the space at the default speed.
    fn rest(drone: &mut Drone) {
        for _ in 0..20 * 90 {
            if !drone.is_moving() {
                return;
            }
            drone.tick();
        }
        panic!("still {} after 90 s: {:?}", drone.doing(), drone);
    }

    /// Commands, then the phase, place and heading that they lead to.
    type Way = (&'static [&'static str], Phase, (f64, f64, f64), f64);

    #[test]
    fn commands_lead_where_they_say() {
        let cases: &[Way] = &[
            (&["takeoff"], Phase::Hovering, (0.0, 0.0, 2.0), 0.0),
            (&["takeoff", "land"], Phase::Grounded, (0.0, 0.0, 0.0), 0.0),
            (
                &["takeoff", "forward 10"],
                Phase::Hovering,
                (0.0, 10.0, 2.0),
                0.0,
            ),
            (
                &["takeoff", "back 10"],
                Phase::Hovering,
                (0.0, -10.0, 2.0),
                0.0,
            ),
            (
                &["takeoff", "left 5"],
                Phase::Hovering,
                (-5.0, 0.0, 2.0),
                0.0,
            ),
            (
                &["takeoff", "right 5"],
                Phase::Hovering,
                (5.0, 0.0, 2.0),
                0.0,
            ),
            (
                &["takeoff", "up 3", "down 4"],
                Phase::Hovering,
                (0.0, 0.0, 1.0),
                0.0,
            ),
            (
                &["takeoff", "rotate 90", "forward 10"],
                Phase::Hovering,
                (10.0, 0.0, 2.0),
                90.0,
            ),
            (
                &["takeoff", "rotate -90", "forward 10"],
                Phase::Hovering,
                (-10.0, 0.0, 2.0),
                270.0,
            ),
            (
                &["takeoff", "rotate 720"],
                Phase::Hovering,
                (0.0, 0.0, 2.0),
                0.0,
            ),
            (
                &["takeoff", "goto 30 30 10"],
                Phase::Hovering,
                (30.0, 30.0, 10.0),
                45.0,
            ),
            (
                &["takeoff", "goto -20 0 5", "land"],
                Phase::Grounded,
                (-20.0, 0.0, 0.0),
                270.0,
            ),
            (
                &["takeoff", "goto 0 0 50"],
                Phase::Hovering,
                (0.0, 0.0, 50.0),
                0.0,
            ),
        ];
        for (lines, phase, (x, y, z), heading) in cases {
            let state = flown(lines).state();
            assert_eq!(state.phase, *phase, "{lines:?}");
            assert_eq!(
                state.position,
                Position {
                    x: *x,
                    y: *y,
                    z: *z
                },
                "{lines:?}"
            );
            assert!(
                (state.heading - heading).abs() < 0.1,
                "{lines:?}: {}",
                state.heading
            );
            assert_eq!((state.target, state.speed), (None, 0.0), "{lines:?}");
        }
    }

    #[test]
    fn impossible_commands_change_nothing_and_say_why() {
        let cases: &[(&[&str], &str, &str, &str)] = &[
            (&[], "land", "landed", "already on the ground"),
            (&[], "forward 1", "on_ground", "`takeoff` first"),
            (&[], "rotate 1", "on_ground", "`takeoff` first"),
            (&[], "stop", "on_ground", "on the ground"),
            (&["takeoff"], "takeoff", "in_air", "already in the air"),
            (
                &["takeoff"],
                "forward 101",
                "out_of_bounds",
                "y would be 101.0 m",
            ),
            (
                &["takeoff"],
                "left 100.5",
                "out_of_bounds",
                "x would be -100.5 m",
            ),
            (
                &["takeoff"],
                "up 49",
                "out_of_bounds",
                "altitude would be 51.0 m",
            ),
            (
                &["takeoff"],
                "down 2",
                "out_of_bounds",
                "altitude would be 0.0 m",
            ),
            (
                &["takeoff"],
                "goto 0 0 0",
                "out_of_bounds",
                "altitude would be 0.0 m",
            ),
        ];
        for (lines, line, code, text) in cases {
            let mut drone = flown(lines);
            let before = drone.clone();
            let refusal = drone
                .obey(Command::from_line(line).unwrap())
                .expect_err(line);
            assert_eq!(refusal.code(), *code, "{line}");
            assert!(refusal.to_string().contains(text), "{line}: {refusal}");
            assert_eq!(drone, before, "{line}");
        }
    }

    #[test]
    fn a_new_movement_replaces_the_old_one() {
        let mut drone = flown(&["takeoff"]);
        assert!(
            !drone
                .obey(Command::Move(Axis::Forward, 50.0))
                .unwrap()
                .replaced
        );
        (0..40).for_each(|_| drone.tick());
        let before = drone.state().position;
        assert!(
            drone
                .obey(Command::Move(Axis::Right, 10.0))
                .unwrap()
                .replaced
        );
        rest(&mut drone);
        let after = drone.state().position;
        assert!(
            (after.x - 10.0).abs() < 0.02 && (after.y - before.y).abs() < 0.02,
            "{before} {after}"
        );
    }

    #[test]
    fn takeoff_and_landing_take_no_other_movement_but_stop() {
        for (lines, doing) in [
            (&[][..], Command::Takeoff),
            (&["takeoff", "up 10"], Command::Land),
        ] {
            let mut drone = flown(lines);
            drone.obey(doing).unwrap();
            (0..10).for_each(|_| drone.tick());
            assert_eq!(
                drone.obey(Command::Move(Axis::Up, 1.0)).unwrap_err().code(),
                "busy",
                "{doing}"
            );
            assert!(drone.obey(Command::Stop).unwrap().replaced);
            rest(&mut drone);
            assert_eq!(drone.state().phase, Phase::Hovering);
            assert!(drone.state().position.z >= MIN_ALTITUDE);
        }
    }

    #[test]
    fn landing_is_taken_back_by_takeoff() {
        let mut drone = flown(&["takeoff", "up 18"]);
        drone.obey(Command::Land).unwrap();
        (0..20).for_each(|_| drone.tick());
        drone.obey(Command::Takeoff).unwrap();
        rest(&mut drone);
        assert_eq!(drone.state().phase, Phase::Hovering);
        assert!(drone.state().position.z > 15.0, "{}", drone.state());
    }

    #[test]
    fn stop_brakes_within_its_braking_distance() {
        let mut drone = flown(&["takeoff", "speed 10"]);
        drone.obey(Command::Move(Axis::Forward, 90.0)).unwrap();
        (0..80).for_each(|_| drone.tick());
        let before = drone.state();
        drone.obey(Command::Stop).unwrap();
        rest(&mut drone);
        let made = drone.state().position.y - before.position.y;
        let braking = before.speed * before.speed / (2.0 * ACCELERATION);
        assert!(made > 0.0 && made <= braking + 0.02, "{made} of {braking}");
    }

    #[test]
    fn speed_never_passes_the_cruising_speed() {
        let mut drone = flown(&["takeoff", "speed 3"]);
        drone.obey(Command::Move(Axis::Forward, 30.0)).unwrap();
        let mut top: f64 = 0.0;
        while drone.is_moving() {
            drone.tick();
            top = top.max(drone.state().speed);
        }
        assert!((top - 3.0).abs() < 1e-9, "{top}");
    }

    #[test]
    fn battery_drains_in_the_air_and_charges_on_the_ground() {
        let mut drone = flown(&["takeoff", "forward 50"]);
        let flying = drone.state().battery;
        assert!(flying < 98.0, "{flying}");
        (0..200).for_each(|_| drone.tick());
        let hovering = drone.state().battery;
        assert!(hovering < flying);
        drone.obey(Command::Land).unwrap();
        rest(&mut drone);
        (0..200).for_each(|_| drone.tick());
        assert!(drone.state().battery > hovering);
        (0..2000).for_each(|_| drone.tick());
        assert!(drone.is_settled());
    }

    #[test]
    fn empty_battery_lands_the_drone_and_keeps_it_down() {
        let mut drone = flown(&["takeoff", "goto 0 0 50"]);
        while drone.battery > RESERVE {
            drone.tick();
        }
        assert_eq!(drone.state().phase, Phase::Landing);
        for command in [
            Command::Stop,
            Command::Takeoff,
            Command::Move(Axis::Up, 1.0),
        ] {
            assert_eq!(
                drone.obey(command).unwrap_err().code(),
                "battery",
                "{command}"
            );
        }
        rest(&mut drone);
        assert!(drone.battery > 0.0, "the reserve reaches the ground");
        assert_eq!(drone.obey(Command::Takeoff).unwrap_err().code(), "battery");
    }

    /// Whatever is commanded and whenever, the drone stays in its space, with a battery that makes sense.
    #[test]
    fn any_commands_keep_the_drone_in_bounds() {
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut drone = Drone::default();
            for _ in 0..150 {
                let _ = drone.obey(random_command(&mut random));
                for _ in 0..random.random_range(0..120) {
                    drone.tick();
                    assert_in_bounds(&drone, seed);
                }
            }
        }
    }

    fn random_command(random: &mut StdRng) -> Command {
        let axes = [
            Axis::Forward,
            Axis::Back,
            Axis::Left,
            Axis::Right,
            Axis::Up,
            Axis::Down,
        ];
        match random.random_range(0..10) {
            0 | 1 => Command::Takeoff,
            2 => Command::Land,
            3..=5 => Command::Move(
                axes[random.random_range(0..axes.len())],
                random.random_range(0.1..300.0),
            ),
            6 => Command::Rotate(random.random_range(-720.0..720.0)),
            7 => Command::Goto(
                random.random_range(-110.0..110.0),
                random.random_range(-110.0..110.0),
                random.random_range(0.0..55.0),
            ),
            8 => Command::Speed(random.random_range(0.5..15.0)),
            _ => Command::Stop,
        }
    }

    fn assert_in_bounds(drone: &Drone, seed: u64) {
        let Position { x, y, z } = drone.position;
        assert!(
            x.abs() <= MAX_DISTANCE + 1e-9 && y.abs() <= MAX_DISTANCE + 1e-9,
            "seed {seed}: {drone:?}"
        );
        assert!((0.0..=MAX_ALTITUDE).contains(&z), "seed {seed}: {drone:?}");
        assert!(
            (0.0..360.0).contains(&drone.heading),
            "seed {seed}: {drone:?}"
        );
        assert!(
            drone.speed >= 0.0 && drone.speed <= 15.0,
            "seed {seed}: {drone:?}"
        );
        let charge = if drone.phase == Phase::Grounded {
            0.0..=100.0
        } else {
            1e-9..=100.0
        };
        assert!(charge.contains(&drone.battery), "seed {seed}: {drone:?}");
        assert_eq!(
            drone.phase == Phase::Grounded,
            z == 0.0 && drone.target.is_none(),
            "seed {seed}: {drone:?}"
        );
    }

    /// Every movement that was accepted comes to its end, exactly at its target.
    #[test]
    fn every_accepted_flight_arrives() {
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut drone = flown(&["takeoff", "speed 15"]);
            for _ in 0..6 {
                let command = random_command(&mut random);
                if matches!(command, Command::Speed(_)) || drone.obey(command).is_err() {
                    continue;
                }
                let target = drone.target;
                rest(&mut drone);
                if let (Some(target), Phase::Hovering) = (target, drone.phase) {
                    assert_eq!(drone.position, target, "seed {seed}");
                }
            }
        }
    }
}
