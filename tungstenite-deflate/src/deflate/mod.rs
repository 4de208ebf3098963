//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.
//!
//! [`DeflateConfig`] says how a side compresses, [`negotiate`] is for those who do the handshake themselves,
//! [`DeflateConfig::memory`] bounds the contexts of all connections together, [`Statistics`] tells what came of it.
//!
//! # Memory
//! By default both sides take their contexts over to the next message, if the peer agrees: ours with a window of 2 KiB
//! ([`DeflateConfig::encoder_window_bits`]), a client's with as much ([`DeflateConfig::client_max_window_bits`]).
//! Everything else belongs to the thread. Contexts are allocated at their first message, count against
//! [`DeflateConfig::memory`] with what they allocated, and give way to others when it is spent, or after 60 s without use:
//! [`ContextMemory`] has the order. A decompressor of a message in the middle of its frames, of which more than 16 KiB
//! came, counts as a part of that message ([`Limits::unfinished_memory`](crate::Limits::unfinished_memory)).
//!
//! | a connection's contexts | allocated | resident after 1 KiB | after 64 KiB each way |
//! |---|---|---|---|
//! | none: compression agreed, no context takeover | 0 | 0 | 0 |
//! | both by default, idle for 75 s | up to 900 | 300 to 900 | 300 to 900 |
//! | both by default, level 1, windows 11 | up to 9,500 | 9,800 | 9,900 |
//! | the peer's, window 11, the default | up to 2,048 | 2,300 | 2,300 |
//! | the peer's, window 15 | up to 32,768 | 2,200 | 32,700 |
//! | our own, level 1, window 11, the default | up to 7,500 | 7,600 | 7,600 |
//! | our own, level 1, window 13 and more | up to 29,400 | 8,000 | 29,600 |
//! | both, level 1, window 15 | up to 62,100 | 9,700 | 65,900 |
//! | both, level 2, our window 12, the peer's 15 | up to 198,000 | 164,200 | 194,500 |
//! | both, level 2, window 15 | up to 312,500 | 278,900 | 309,200 |
//!
//! Bytes per connection beside some 200 for the parameters and counts. Resident is by how much
//! 1,000 connections let the process's memory grow:
//! `cargo test --release -p tungstenite-deflate --lib -- --ignored --nocapture compression_memory`. Each thread keeps one
//! compressor of level 1 (at most 370 KB), at most 4 idle compressors of zlib (of different levels or windows, 252 to
//! 380 KB each), 8 idle decompressors (48 KB each) and 16 KiB of scratch room.
//!
//! # Broadcasts
//! A message for many connections is compressed once: a [`SharedContext`] with the messages of its stream as history, a
//! [`PreparedMessage`](crate::PreparedMessage) by itself. Deliveries of chat lines of 195 bytes take 30 % of the bytes
//! so, and 373 instructions more than uncompressed, of the one compression for 100 receivers included.
//!
//! # Levels
//! Level 1, the default, is this crate's own compressor; 2 to 9 are zlib-rs, which [`Compressor::Zlib`] makes of level 1
//! as well. JSON chat lines, µs to compress / µs to inflate / wire bytes per byte, the best of several runs on one busy core
//! of an AMD EPYC (`… compression_costs` prints such tables); without context takeover:
//!
//! | bytes | level 1 | zlib at 1 | 2 | 6 |
//! |---|---|---|---|---|
//! | 125 | 1.9/1.5/.84 | 2.6/0.4/.95 | 6.9/1.5/.84 | 7.0/1.5/.84 |
//! | 256 | 2.6/1.8/.60 | 3.1/0.6/.70 | 8.1/1.8/.60 | 8.5/1.8/.60 |
//! | 1,024 | 6.0/3.3/.36 | 4.6/1.6/.47 | 12/3.4/.37 | 15/3.4/.36 |
//! | 4,096 | 19/7.0/.27 | 12/4.8/.37 | 23/7.0/.28 | 35/7.0/.27 |
//! | 16,384 | 67/19/.24 | 35/17/.33 | 64/19/.25 | 134/18/.23 |
//!
//! With it, at window 15:
//!
//! | bytes | level 1 | zlib at 1 | 2 | 6 |
//! |---|---|---|---|---|
//! | 125 | 0.5/1.0/.28 | 0.4/1.0/.29 | 3.0/1.0/.28 | 4.1/0.9/.25 |
//! | 256 | 1.1/1.1/.29 | 0.8/1.1/.30 | 6.0/1.1/.29 | 6.4/1.1/.26 |
//! | 1,024 | 7.4/3.6/.26 | 2.6/2.1/.31 | 9.3/3.3/.26 | 40/3.1/.23 |
//! | 4,096 | 22/7.9/.24 | 9.0/5.6/.31 | 21/7.5/.24 | 61/6.3/.21 |
//! | 16,384 | 82/22/.23 | 35/20/.31 | 65/24/.24 | 358/22/.21 |
//!
//! Instructions a message of JSON like a market's feed, without takeover, and its bytes: 30,000 and 108 of 125, 78,000 and
//! 387 of 1,024, 786,000 and 4,043 of 16,384; zlib-rs at level 6: 308,000 and 108, 407,000 and 388, 1,739,000 and 4,021.
//! So level 1 takes the bytes of level 6 for such data in less than half its time. With takeover level 6 takes a tenth
//! less, as its window is that of 32 KiB, not of 22, and its context nine times as large.
//!
//! # Secrets
//! Text of an attacker's choosing in the same context as a secret lets whoever sees the sizes on the wire guess the secret
//! (CRIME). Send a message that holds a secret with [`Compression::Never`] or [`Compression::Isolated`], which keeps it out of the context.
//! Turn takeover off ([`DeflateConfig::server_no_context_takeover`] and `client_…`) where secrets and others' text share a
//! connection and cannot be told apart, and compression too (`Options::deflate(None)`) where they share a message.
//! `tests/deflate_secrets.rs` measures it.

mod codec;
mod config;
mod context_memory;
mod deflater;
mod encoder;
mod growth;
mod hold;
mod inflater;
mod kept;
pub mod negotiate;
mod parameters;
mod pool;
mod ranges;
mod received;
mod recency;
mod run;
mod scratch;
mod shared;
mod statistics;

pub(crate) use codec::{Codec, Sent};
pub use config::{Compression, Compressor, DeflateConfig, WhenBudgetSpent};
pub use context_memory::ContextMemory;
pub(crate) use inflater::InflateError;
pub use negotiate::{Agreed, ResponseError};
pub use parameters::ParameterError;
pub(crate) use pool::deflate_alone;
pub use ranges::{ConfigError, Level, WindowBits};
pub(crate) use run::Position;
pub(crate) use shared::InStream;
pub use shared::SharedContext;
pub use statistics::{CompressedMessages, Statistics};

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod distances;
#[cfg(test)]
mod shared_tests;
