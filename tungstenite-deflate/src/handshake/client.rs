//! The client's side of the opening handshake (RFC 6455 §4.1).
