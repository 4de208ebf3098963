//! `tungstenite-deflate` under the name `tokio-tungstenite`, for `[patch.crates-io]`: the crates of a program that depend on
//! tokio-tungstenite get its API with permessage-deflate.
//!
//! See the README beside this file.

pub use tungstenite_deflate::*;
