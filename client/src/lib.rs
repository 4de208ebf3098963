//! The client of the workspace.
