//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.

pub mod budget;
mod codec;
mod config;
mod deflater;
mod inflater;
pub mod negotiate;
mod parameters;
mod pool;
mod statistics;

pub(crate) use codec::Codec;
pub use config::{Compression, ConfigError, DeflateConfig, WhenBudgetSpent};
pub(crate) use inflater::InflateError;
pub use negotiate::{Agreed, ResponseError};
pub use parameters::ParameterError;
pub use statistics::{Statistics, Traffic};

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod distances;
