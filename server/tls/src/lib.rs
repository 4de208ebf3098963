#![doc = include_str!("../README.md")]

mod handshake;
mod legacy_hello;
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
