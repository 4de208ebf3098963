//! The certs of the workspace.
