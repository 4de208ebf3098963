//! Connections that are opened by URL: proxies, Happy Eyeballs, deadline, redirects, credentials of the URL.
#![cfg(all(feature = "connect", feature = "proxy"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod addresses;
#[cfg(feature = "sync")]
mod blocking;
mod credentials;
mod proxies;
mod redirects;
mod servers;
