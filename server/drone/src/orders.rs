//! The effect of a command on the drone, or the reason why it is refused.

use crate::command::{Axis, Command};
use crate::simulation::{ACCELERATION, Drone, RESERVE, TAKEOFF_ALTITUDE, TAKEOFF_CHARGE};
use crate::state::{BrokenBound, MIN_ALTITUDE, Phase, Point};

/// The effect of a command that was obeyed, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The movement that begins.
    pub text: String,
    /// True if a movement under way was given up for it.
    pub replaced: bool,
}

/// Cause for which a command that was understood cannot be obeyed.
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
        /// Its movement.
        doing: &'static str,
    },
    /// The movement would leave the space.
    #[error("{bound}")]
    OutOfBounds {
        /// The bound, with the value seen and those allowed.
        bound: BrokenBound,
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
    /// Obeys a command, or says why not and changes nothing.
    ///
    /// A movement commanded while another is under way replaces it. `status`, `help` and `telemetry` change nothing here.
    ///
    /// # Errors
    /// The command cannot be obeyed as things are.
    pub fn obey(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let replaced = self.state.phase == Phase::Flying;
        match command {
            Command::Takeoff => self.take_off(),
            Command::Land => self.land(replaced),
            Command::Move(axis, metres) => self.fly_to(self.along(axis, metres), None, replaced),
            Command::Goto(x, y, z) => self.go_to(Point::new(x, y, z), replaced),
            Command::Rotate(degrees) => self.rotate(degrees, replaced),
            Command::Stop => self.stop(replaced),
            Command::Speed(speed) => {
                self.state.cruise = speed;
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

    fn take_off(&mut self) -> Result<Outcome, Refusal> {
        match self.state.phase {
            Phase::Grounded if self.state.battery < TAKEOFF_CHARGE => Err(Refusal::Battery {
                percent: self.state.battery,
            }),
            Phase::Landing if self.state.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.state.battery,
            }),
            Phase::Grounded | Phase::Landing => {
                let replaced = self.state.phase == Phase::Landing;
                self.state.phase = Phase::TakingOff;
                // A landing that is taken back high up goes on from there.
                let z = TAKEOFF_ALTITUDE.max(self.state.position.z);
                self.set_target(self.state.position.at_altitude(z));
                Ok(done(format!("climbing to {z:.1} m"), replaced))
            }
            Phase::TakingOff | Phase::Hovering | Phase::Flying => Err(Refusal::InAir),
        }
    }

    fn land(&mut self, replaced: bool) -> Result<Outcome, Refusal> {
        match self.state.phase {
            Phase::Grounded => Err(Refusal::Landed),
            Phase::Landing => Ok(done("landing already".to_owned(), false)),
            Phase::TakingOff | Phase::Hovering | Phase::Flying => {
                let replaced = replaced || self.state.phase == Phase::TakingOff;
                self.sink();
                Ok(done(
                    format!("landing from {:.1} m", self.state.position.z),
                    replaced,
                ))
            }
        }
    }

    fn go_to(&mut self, target: Point, replaced: bool) -> Result<Outcome, Refusal> {
        let (dx, dy) = (
            target.x - self.state.position.x,
            target.y - self.state.position.y,
        );
        // Straight up or down there is no way for the nose to point.
        let heading = (dx.hypot(dy) > 0.01).then(|| dx.atan2(dy).to_degrees().rem_euclid(360.0));
        self.fly_to(target, heading, replaced)
    }

    /// Flies to `target`, turning the nose to `heading` on the way if one is given.
    fn fly_to(
        &mut self,
        target: Point,
        heading: Option<f64>,
        replaced: bool,
    ) -> Result<Outcome, Refusal> {
        self.refuse_unless_flying()?;
        if let Some(bound) = target.broken_bound() {
            return Err(Refusal::OutOfBounds { bound });
        }
        self.turn = heading.map_or(0.0, |heading| shortest_turn(self.state.heading, heading));
        self.state.phase = Phase::Flying;
        self.set_target(target);
        Ok(done(
            format!(
                "flying {:.1} m to {target}",
                self.state.position.distance(target)
            ),
            replaced,
        ))
    }

    fn rotate(&mut self, degrees: f64, replaced: bool) -> Result<Outcome, Refusal> {
        self.refuse_unless_flying()?;
        self.state.target = None;
        self.state.speed = 0.0;
        self.turn = degrees;
        self.state.phase = Phase::Flying;
        let heading = (self.state.heading + degrees).rem_euclid(360.0);
        Ok(done(
            format!("turning {degrees} degrees to heading {heading:.0}"),
            replaced,
        ))
    }

    fn stop(&mut self, replaced: bool) -> Result<Outcome, Refusal> {
        match self.state.phase {
            Phase::Grounded => Err(Refusal::OnGround),
            Phase::Landing if self.state.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.state.battery,
            }),
            _ => {
                let replaced =
                    replaced || matches!(self.state.phase, Phase::TakingOff | Phase::Landing);
                let braking = self.state.speed * self.state.speed / (2.0 * ACCELERATION);
                self.turn = 0.0;
                match self.state.target {
                    // Near the ground there is no position to hold: climb to where flight begins.
                    _ if self.state.position.z < MIN_ALTITUDE => {
                        self.set_target(self.state.position.at_altitude(MIN_ALTITUDE));
                    }
                    Some(target) if self.state.phase == Phase::Flying => {
                        self.state.target = Some(self.state.position.towards(target, braking));
                    }
                    _ => {
                        self.state.target = None;
                        self.state.speed = 0.0;
                    }
                }
                self.state.phase = Phase::Flying;
                Ok(done("stopping".to_owned(), replaced))
            }
        }
    }

    fn refuse_unless_flying(&self) -> Result<(), Refusal> {
        match self.state.phase {
            Phase::Grounded => Err(Refusal::OnGround),
            Phase::Landing if self.state.battery <= RESERVE => Err(Refusal::Reserve {
                percent: self.state.battery,
            }),
            Phase::TakingOff | Phase::Landing => Err(Refusal::Busy {
                doing: self.doing(),
            }),
            Phase::Hovering | Phase::Flying => Ok(()),
        }
    }

    /// The point `metres` along an axis of the drone.
    fn along(&self, axis: Axis, metres: f64) -> Point {
        let (sin, cos) = self.state.heading.to_radians().sin_cos();
        let (east, north, up) = match axis {
            Axis::Forward => (sin, cos, 0.0),
            Axis::Back => (-sin, -cos, 0.0),
            Axis::Left => (-cos, sin, 0.0),
            Axis::Right => (cos, -sin, 0.0),
            Axis::Up => (0.0, 0.0, 1.0),
            Axis::Down => (0.0, 0.0, -1.0),
        };
        let Point { x, y, z } = self.state.position;
        Point::new(x + east * metres, y + north * metres, z + up * metres)
    }

    pub(crate) fn doing(&self) -> &'static str {
        match self.state.phase {
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
