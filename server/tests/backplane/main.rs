//! What every backplane must keep to, checked by one suite for all of them.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

mod local;
mod suite;
