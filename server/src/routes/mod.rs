//! One handler for each route.

mod ack;
mod drone;
mod echo;
mod fixed;
mod health;
mod page;
mod stats;

pub(crate) use ack::ack;
pub(crate) use drone::{PROTOCOLS as DRONE_PROTOCOLS, drone};
pub(crate) use echo::echo;
pub(crate) use fixed::fixed;
pub(crate) use health::{healthz, metrics, readyz};
pub(crate) use page::pages;
pub(crate) use stats::{Figures, stats};
