//! The stages of a connection's life.

/// The stages of a connection's life (RFC 6455 §4.1, §7.1).
///
/// ```text
///           own Close queued              peer's Close
///     Open ──────────────────→ CloseSent ──────────────→ Closed
///      │ │                         │                       │
///      │ └─ peer's Close: answered ┼──────────────────────→│
///      │                           │                       │
///      └──── violation, deadline ──┴──→ Failed             │
///                                         │                │
///      (any) ── end of the byte stream ───┴→ Ended ←───────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// Messages go both ways.
    Open,
    /// Our Close is queued or written; the peer's has not come (§7.1.3).
    CloseSent,
    /// Both Close frames exist; ours may still be queued (§7.1.4).
    Closed,
    /// This side failed the connection (§7.1.7): input is discarded, the queue is still written.
    Failed,
    /// The byte stream has ended, or the peer let the time for the closing handshake pass.
    Ended,
}
