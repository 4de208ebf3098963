#![doc = include_str!("../README.md")]

/// Under its name for the tests' own helpers, which integration tests share.
#[cfg(test)]
extern crate self as tls_stream;

mod handshake;
mod plain_alert;
mod queue;
mod scratch;
mod server_name;
mod session;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod transport;

pub use state::TlsStream;
