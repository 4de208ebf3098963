//! What every backplane must keep to, checked by one suite for all of them.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

#[path = "../common/broker.rs"]
mod broker;
mod local;
mod nats;
mod suite;
