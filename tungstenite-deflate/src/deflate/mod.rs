//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.

mod codec;
mod config;
mod deflater;
mod inflater;
pub mod negotiate;
mod pool;

pub(crate) use codec::Codec;
pub use config::{Compression, ConfigError, DeflateConfig, WhenBudgetSpent};
pub(crate) use inflater::InflateError;
pub use negotiate::Agreed;

#[cfg(test)]
mod codec_tests;
