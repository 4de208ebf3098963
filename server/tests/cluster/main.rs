//! Three server processes and one NATS server: clients of every kind in one room, and everybody killed on the way.
//!
//! `scripts/nats-test` runs these. They need the program nats-server (2.9 or newer) on the path, the workspace's `client`
//! beside our `server`, and a Python with grpcio, which the variable `GRPC_PYTHON` names.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../../rooms/tests/common/broker.rs"]
mod broker;
mod chaos;
#[path = "../common/mod.rs"]
mod common;
mod kinds;
mod node;
mod order;
