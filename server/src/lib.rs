//! The server of the workspace.

pub mod drone;
