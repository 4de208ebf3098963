//! The backplane over a real nats-server: order, repeats, what is kept, presence, and everything that can happen to it.
//!
//! `scripts/nats-test` runs these; they need the program nats-server (2.9 or newer) on the path.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../../rooms/tests/common/broker.rs"]
mod broker;
#[path = "../common/mod.rs"]
mod common;
mod log;
mod node;
#[path = "../common/operator.rs"]
mod operator;
mod servers;
mod survival;

use server::rooms::RoomName;

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}
