//! The server of the workspace.
