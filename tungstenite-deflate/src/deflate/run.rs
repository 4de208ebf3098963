//! Check that a connection's peer holds what a frame of a shared context refers to.

/// The end of the peer's window, as far as it is the end of a shared stream.
///
/// Every compressed message enters the peer's window, an uncompressed one does not (RFC 7692 §7.2.3.2):
///
/// ```text
/// stream of the context   … a b c d e f g │ h        h refers to `reach` bytes before it
/// peer's window           … X     d e f g │          X: something else, the run is `d e f g`
///                               ◄─ run ──►
/// ```
///
/// The frame of `h` may be sent if the run ends where `h` begins and is at least `reach` bytes long.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Number of the context, or 0 for none.
    stream: u64,
    /// Position in the stream after the run.
    end: u64,
    /// Bytes of the run.
    bytes: u64,
    /// Bytes of other messages that still go uncompressed for the run's sake.
    credit: usize,
}

/// A message's position in the stream of a shared context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the context, from 1 on.
    pub(super) stream: u64,
    /// Bytes of the stream before the message.
    pub(super) start: u64,
    /// Length of the message.
    pub(super) bytes: usize,
}

impl Run {
    /// Reports if the peer's window ends with the `reach` bytes before `position`.
    pub(super) fn holds(&self, position: Position, reach: usize) -> bool {
        reach == 0
            || self.stream == position.stream
                && self.end == position.start
                && self.bytes >= reach as u64
    }

    /// Notes that the peer was sent the message at `position` compressed, by whatever frame.
    pub(super) fn extend(&mut self, position: Position) {
        if self.stream != position.stream || self.end != position.start {
            *self = Self {
                stream: position.stream,
                ..Self::default()
            };
        }
        self.end = position.start + position.bytes as u64;
        self.bytes += position.bytes as u64;
        self.credit = MAX_CREDIT.min(self.credit + position.bytes);
    }

    /// Notes that the peer was sent something else compressed.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Reports if another message of `bytes` should go uncompressed, so that the run goes on.
    ///
    /// It should unless connections of this kind send more by themselves than they get of the stream: those are better
    /// off with a context of their own.
    pub(super) fn spares(&self, bytes: usize) -> bool {
        self.stream != 0 && bytes <= self.credit
    }

    /// Notes that a message went uncompressed for this reason.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes);
    }
}

/// Maximum of the bytes that go uncompressed for a run's sake before more of the stream comes: about what it costs to
/// start another.
const MAX_CREDIT: usize = 2048;
