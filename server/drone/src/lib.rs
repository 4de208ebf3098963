//! The simulated drone of `/drone`: its commands, its flight, its members.
//!
//! Nothing here knows WebSocket, HTTP or the clock of the machine: text and instants come in, text comes out, so every
//! rule is tested without a socket and without waiting.
//!
//! | module | holds |
//! |---|---|
//! | [`state`] | where the drone is and the space it may use |
//! | [`command`] | commands, and their spelling |
//! | [`orders`] | what each command does, or why it is refused |
//! | [`simulation`] | the rules of flight, twenty ticks a second |
//! | [`request`] | a message as far as it was understood |
//! | [`dialect`] | messages in, answers and telemetry out, as lines of text or by `json` as objects |
//! | `problem` | what went wrong, for programs and for people |
//! | [`rate`] | how many commands one connection may give |
//! | `hangar` | one drone in the air, moved by whoever looks at it |
//! | [`fleet`] | which connections share which drone |

pub mod command;
pub mod dialect;
pub mod fleet;
mod hangar;
mod json;
pub mod orders;
mod problem;
pub mod rate;
pub mod request;
pub mod simulation;
#[cfg(test)]
mod simulation_tests;
pub mod state;

pub use command::{Axis, Command, CommandError};
pub use dialect::Dialect;
pub use fleet::{Fleet, FleetError, Membership};
pub use hangar::Report;
pub use orders::{Outcome, Refusal};
pub use rate::COMMAND_RATE;
pub use request::Request;
pub use simulation::Drone;
pub use state::{DroneState, Phase, Point};
