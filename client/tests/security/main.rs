//! What a hostile server, network or environment must not achieve.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic")]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod handshake;
mod redirects;
mod secrets;
