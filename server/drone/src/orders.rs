//! What a command does to the drone, or why it is refused.

use crate::command::{Axis, Command};
use crate::simulation::{ACCELERATION, Drone, RESERVE, TAKEOFF_ALTITUDE, TAKEOFF_CHARGE};
use crate::state::{BrokenBound, MIN_ALTITUDE, Phase, Position};

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
    #[error("{bound}")]
    OutOfBounds {
        /// Which bound, with the value seen and those allowed.
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
        if let Some(bound) = target.broken_bound() {
            return Err(Refusal::OutOfBounds { bound });
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
                    _ if self.position.z < MIN_ALTITUDE => {
                        self.set_target(Position {
                            z: MIN_ALTITUDE,
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

    pub(crate) fn doing(&self) -> &'static str {
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
