//! Programs that come from a fork of tungstenite, by the recipes of MIGRATING.md.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bytes;
#[cfg(all(feature = "proxy", feature = "__rustls-tls"))]
mod codex;
#[cfg(feature = "connect")]
mod intentd;
#[cfg(feature = "connect")]
#[path = "../dial/servers.rs"]
#[allow(dead_code, reason = "some are for the tests of `dial` alone")]
mod servers;
