//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.
//!
//! [`DeflateConfig`] says how a side compresses, [`negotiate`] is for those who do the handshake themselves,
//! [`budget`] bounds the memory of all connections together, [`Statistics`] tells what came of it.
//!
//! # Memory
//! By default neither side takes its context over to the next message, and the connections of a thread share
//! compressors and decompressors: an idle connection holds none. A context is made at its first message and counts
//! against the [`budget`]; while a message is in the middle of its frames and more than 16 KiB of it came, its
//! decompressor does too. The peer's context is what it sent last, at most its window.
//!
//! | a connection's contexts | allocated | resident after 1 KiB | after 64 KiB each way |
//! |---|---|---|---|
//! | none: compression agreed, no context takeover | 0 | 0 | 0 |
//! | the peer's, window 15 | up to 32,768 | 2,000 | 32,700 |
//! | our own, level 1, window 9 | up to 1,300 | 1,300 | 1,300 |
//! | our own, level 1, window 12 | up to 9,300 | 6,200 | 9,300 |
//! | our own, level 1, window 15 | up to 30,900 | 10,200 | 30,700 |
//! | both, level 1, window 15 | up to 63,600 | 12,300 | 63,500 |
//! | both, level 2, our window 12, the peer's 15 | up to 198,000 | 164,000 | 194,000 |
//! | both, level 2, window 15 | up to 312,500 | 265,000 | 270,000 |
//!
//! Bytes per connection beside some 200 for the parameters and counts. Resident is by how much
//! 1,000 connections let the process's memory grow:
//! `cargo test --release -p tungstenite-deflate --lib -- --ignored --nocapture compression_memory`. Each thread keeps one
//! compressor of level 1 (at most 370 KB), at most 4 idle compressors of zlib (of different levels or windows, 252 to
//! 380 KB each), 8 idle decompressors (48 KB each) and 16 KiB of scratch room.
//!
//! # Levels
//! Level 1, the default, is this crate's own compressor; 2 to 9 are zlib-rs, which [`Compressor::Zlib`] makes of level 1
//! as well. JSON chat lines, µs to compress / µs to inflate / wire bytes per byte, on one busy core of a 2.5 GHz Xeon
//! (`… compression_costs` prints such tables); without context takeover:
//!
//! | bytes | level 1 | zlib at 1 | 2 | 6 |
//! |---|---|---|---|---|
//! | 125 | 0.5/0.8/.95 | 3.9/0.8/.95 | 9.6/2.2/.84 | 9.9/2.2/.84 |
//! | 256 | 3.9/2.6/.60 | 4.6/0.8/.70 | 11/2.6/.60 | 12/2.6/.60 |
//! | 1,024 | 7.7/4.5/.36 | 6.6/2.1/.47 | 16/4.5/.37 | 18/4.5/.36 |
//! | 4,096 | 21/9.5/.28 | 14/5.9/.37 | 30/9.2/.28 | 42/9.1/.27 |
//! | 16,384 | 76/25/.25 | 43/21/.33 | 80/25/.25 | 149/24/.23 |
//!
//! With it, at window 15:
//!
//! | bytes | level 1 | zlib at 1 | 2 | 6 |
//! |---|---|---|---|---|
//! | 125 | 0.7/1.1/.29 | 0.7/1.2/.29 | 6.6/1.2/.28 | 7.6/1.0/.25 |
//! | 256 | 0.9/1.4/.30 | 0.9/1.4/.30 | 6.2/1.3/.29 | 8.2/1.3/.26 |
//! | 1,024 | 8.5/4.9/.27 | 2.9/2.6/.31 | 12/4.4/.26 | 21/6.1/.23 |
//! | 4,096 | 33/12/.25 | 11/9.5/.31 | 25/14/.24 | 65/11/.21 |
//! | 16,384 | 112/40/.24 | 58/33/.31 | 122/43/.24 | 327/39/.21 |
//!
//! Without takeover level 1 takes as few bytes as level 2 and a fraction of its time. With it, level 2 takes a tenth less
//! for messages below 1 KiB, and level 6 a fifth.
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
