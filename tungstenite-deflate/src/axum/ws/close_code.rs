//! Close codes by name (RFC 6455 §7.4.1), under axum's names.

/// The purpose of the connection is fulfilled.
pub const NORMAL: u16 = 1000;
/// The endpoint goes away: a server ends, a page is left.
pub const AWAY: u16 = 1001;
/// The peer violated the protocol.
pub const PROTOCOL: u16 = 1002;
/// The message is of a kind that the endpoint does not take.
pub const UNSUPPORTED: u16 = 1003;
/// Stands for a Close without a code; never sent.
pub const STATUS: u16 = 1005;
/// Stands for the absence of a Close; never sent.
pub const ABNORMAL: u16 = 1006;
/// The payload does not fit its kind, as text that is not UTF-8.
pub const INVALID: u16 = 1007;
/// The message is against a policy of the endpoint.
pub const POLICY: u16 = 1008;
/// The message is too big.
pub const SIZE: u16 = 1009;
/// The server did not agree to an extension that the client needs.
pub const EXTENSION: u16 = 1010;
/// The server met something that it did not expect.
pub const ERROR: u16 = 1011;
/// The server restarts.
pub const RESTART: u16 = 1012;
/// The server is overloaded: try again later.
pub const AGAIN: u16 = 1013;
