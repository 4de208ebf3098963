//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.
//!
//! [`DeflateConfig`] says how a side compresses, [`negotiate`] is for those who do the handshake themselves,
//! [`budget`] bounds the memory of all connections together, [`Statistics`] tells what came of it.
//!
//! # Memory
//! By default neither side takes its context over to the next message, and the connections of a thread share
//! compressors and decompressors: an idle connection holds none. A context is made at its first message and counts
//! against the [`budget`]; while a message is in the middle of its frames and more than 16 KiB of it came, its
//! decompressor does too.
//!
//! | a connection's contexts | allocated | resident after 1 KiB | after 64 KiB each way |
//! |---|---|---|---|
//! | none: compression agreed, no context takeover | 0 | 0 | 0 |
//! | the peer's, any window | 47,600 | 20,000 | 48,000 |
//! | our own, window 9 | 150,700 | 147,000 | 147,000 |
//! | our own, window 12 | 165,000 | 162,000 | 162,000 |
//! | our own, window 15 | 279,700 | 265,000 | 265,000 |
//! | both, window 15 | 327,200 | 246,000 | 274,000 |
//!
//! Bytes per connection beside some 170 for the parameters and counts, the same at every level. Resident is by how much
//! 1,000 connections let the process's memory grow:
//! `cargo test --release -p tungstenite-deflate --lib -- --ignored --nocapture compression_memory`. Most of a
//! compressor is a table of hash heads whose size does not depend on the window. Each thread keeps at most 4 idle
//! compressors (of different levels or windows, 252 to 380 KB each), 8 idle decompressors and 16 KiB of scratch room.
//!
//! # Levels
//! JSON chat lines without context takeover, µs to compress / µs to inflate / wire bytes per byte, on one busy core of a
//! 2.5 GHz Xeon (`… compression_costs`):
//!
//! | bytes | level 1 | 2 | 4 | 6 | 9 |
//! |---|---|---|---|---|---|
//! | 125 | 6/0.5/.95 | 23/2.2/.84 | 21/2.5/.84 | 21/3.4/.84 | 24/2.3/.84 |
//! | 256 | 8/0.7/.70 | 33/2.7/.60 | 33/2.6/.60 | 28/2.6/.60 | 29/2.9/.60 |
//! | 1,024 | 7/2.0/.47 | 28/4.5/.37 | 30/4.6/.36 | 37/4.7/.36 | 57/4.7/.36 |
//! | 4,096 | 16/6.2/.37 | 76/9.4/.28 | 78/9.3/.27 | 91/9.9/.27 | 102/9.7/.27 |
//! | 16,384 | 45/21/.33 | 89/26/.25 | 158/24/.23 | 334/24/.23 | 415/26/.24 |
//!
//! Level 2 is the default: nearly the ratio of 6, and above 4 KiB at a fraction of its cost. Level 1, which uses fixed
//! codes, is for those who would rather save time than bytes. With context takeover (threshold 32) the same lines
//! of 125 bytes shrink to .29 at level 1 in 0.5 µs, and to .25 at level 6 in 6 µs.
//!
//! # Secrets
//! Text of an attacker's choosing beside a secret in one context lets the attacker guess the secret by the size of
//! what is sent (CRIME, BREACH). Send messages that hold tokens with [`Compression::Never`], or leave compression off
//! where they pass.

pub mod budget;
mod codec;
mod compressor;
mod config;
mod deflater;
mod encoder;
mod inflater;
pub mod negotiate;
mod parameters;
mod pool;
mod received;
mod statistics;

pub(crate) use codec::Codec;
pub use config::{Compression, Compressor, ConfigError, DeflateConfig, WhenBudgetSpent};
pub(crate) use inflater::InflateError;
pub use negotiate::{Agreed, ResponseError};
pub use parameters::ParameterError;
pub use statistics::{Statistics, Traffic};

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod distances;
