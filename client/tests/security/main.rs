//! Attacks by a hostile server, network or environment that must not succeed.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic")]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod handshake;
mod redirects;
mod secrets;
