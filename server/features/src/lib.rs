//! No code: the manifest gives the crates that server and client share the same features, so that each is built once.
