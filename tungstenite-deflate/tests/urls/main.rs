//! URLs of clients: what is sent, what is connected to, what is refused before anything is dialled (RFC 6455 §3).
//!
//! Members of the kind: schemes and their case; queries without path; fragments; user information; ports empty, 0, padded,
//! beyond 65535; IPv4 in short forms; IPv6 with brackets, zones, as IPv4; IDNA in all its cases; dot segments; characters
//! that targets do not have, white space, controls, backslashes; percent-encoding whole and broken; references of
//! redirects.
#![cfg(feature = "connect")]
#![allow(
    clippy::result_large_err,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test has no outside; tungstenite sets the size"
)]

mod accepted;
mod joined;
mod refused;
mod requests;
