//! The uses of memory that the ledger tells apart.

/// A use of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// WebSocket messages that are not there whole, with their decompressors.
    Messages,
    /// Compression contexts.
    Contexts,
    /// Bodies and gRPC messages that are being received.
    Requests,
    /// Bodies that are not taken yet.
    Responses,
    /// HTTP/2 data that nobody has read yet.
    Input,
    /// Data to send that WebSockets, HTTP/2 and TLS still hold.
    Output,
}

impl Part {
    /// Every part, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] = [
        Self::Messages,
        Self::Contexts,
        Self::Requests,
        Self::Responses,
        Self::Input,
        Self::Output,
    ];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Contexts => "contexts",
            Self::Requests => "requests",
            Self::Responses => "responses",
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// Bytes of one body or message that are counted but not refused, so that little things pass while the budget is spent.
pub(crate) const FREE_BYTES: usize = 4096;
