//! One handler for each route.

mod ack;
mod echo;
mod fixed;
mod health;

pub(crate) use ack::ack;
pub(crate) use echo::echo;
pub(crate) use fixed::fixed;
pub(crate) use health::{healthz, metrics, readyz};
