//! Proxies in front of the server: which are trusted, and the client that they report.
//!
//! ```text
//! socket ─→ Trust::of_connection ─→ header      PROXY protocol, before TLS: the client of the connection
//!                                ─→ forwarded   Forwarded, X-Forwarded-*: the client of one request
//! ```
//! Only a peer within `--trusted-proxy` is believed. The client is the address nearest to this server that is not itself
//! a trusted proxy: whatever stands further to the left was written by somebody whom nobody vouches for.

mod forwarded;
mod header;
mod trust;

pub(crate) use forwarded::{MalformedForwarding, Site};
pub(crate) use header::{HeaderError, ProxyHeader};
pub(crate) use trust::Trust;
