//! Requirements on every backplane, checked by one suite.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

#[path = "../common/broker.rs"]
mod broker;
mod local;
mod nats;
mod suite;
