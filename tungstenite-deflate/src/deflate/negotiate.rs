//! What both sides agree on (RFC 7692 §7.1).

/// What both sides agreed on for one connection (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server resets its compression context after each message (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client resets its compression context after each message (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's LZ77 window, 8 to 15 (§7.1.2.1).
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the client's LZ77 window, 8 to 15 (§7.1.2.2).
    pub client_max_window_bits: u8,
}
