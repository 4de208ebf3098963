//! HTTP/2 written byte by byte, for tests that break its rules.
//!
//! Nothing is checked: whatever can be said in bytes can be sent.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "for tests: they may panic"
)]

mod frame;
mod hpack;

pub use frame::*;
pub use hpack::*;
