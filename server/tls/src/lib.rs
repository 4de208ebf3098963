//! The server's side of TLS over a byte stream, by rustls' unbuffered interface.
#![doc = include_str!("../README.md")]

mod name;
mod old;
mod rest;
mod stream;

pub use stream::TlsStream;
