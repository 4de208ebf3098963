//! Rules that server and client share, each in one module.
//!
//! Nothing here knows a protocol, a socket or a runtime.

pub mod escape;
pub mod joiner;
pub mod limiter;
pub mod sync;
pub mod units;
