//! Bounded inflation of a message, frame by frame (RFC 7692 §7.2.2).

use bytes::BytesMut;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::deflater::{TAIL, difference};
use super::scratch::{SCRATCH_BYTES, with_scratch};

/// Cause for which a compressed message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InflateError {
    /// The message would be longer than `limit` bytes: 1009 (message too big).
    #[error("message inflates to more than {limit} bytes")]
    TooLong { limit: usize },
    /// The bytes are not DEFLATE data, or end amid a block: 1007 (invalid payload).
    #[error("invalid DEFLATE data: {0} (RFC 7692 §7.2.2)")]
    Invalid(&'static str),
}

/// A raw DEFLATE decompressor for one message, with what was received before as its context.
///
/// The last byte of what arrived is held back until it is known whether it is the message's last: that byte is
/// inflated together with the `00 00 ff ff` which the sender left out, stopping at block boundaries, so that a message
/// which ends amid a block is recognised.
pub(super) struct Inflater {
    inflate: Inflate,
    /// The last byte received of the message in progress, not yet inflated.
    held: Option<u8>,
    /// The last four bytes received, `held` among them: is the tail there already?
    recent: u32,
    /// Offset in the output at which the context begins, if a final block (BFINAL) made it begin anew.
    begins: Option<usize>,
}

/// Destination of inflated bytes.
struct Output<'a> {
    scratch: &'a mut [u8; SCRATCH_BYTES],
    limit: usize,
    /// Length of `out` at which the step ends.
    pause_at: usize,
    out: &'a mut BytesMut,
}

/// Result of one call of the decompressor.
struct Step {
    consumed: usize,
    /// No room was left: there may be more to come without any input.
    full: bool,
    /// A block marked as the last (BFINAL) ended; the context is forgotten.
    ended: bool,
    /// Something was consumed or produced, or a block ended.
    progress: bool,
}

impl Default for Inflater {
    /// A decompressor with an empty context. The largest window inflates what was made with any smaller one.
    fn default() -> Self {
        Self {
            inflate: Inflate::new(false, 15),
            held: None,
            recent: 0,
            begins: None,
        }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("total_in", &self.inflate.total_in())
            .finish_non_exhaustive()
    }
}

impl Inflater {
    /// Forgets the context.
    pub(super) fn reset(&mut self) {
        self.inflate.reset(false);
        self.held = None;
        self.recent = 0;
        self.begins = None;
    }

    /// Takes up a context after a reset: these bytes, one part after the other.
    pub(super) fn remember(&mut self, parts: [&[u8]; 2]) -> Result<(), InflateError> {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.inflate
                .set_dictionary(part)
                .map_err(|_| InflateError::Invalid("context refused"))?;
        }
        Ok(())
    }

    /// Takes the offset in the output at which the context began anew since the last call: bytes before it are forgotten.
    pub(super) fn take_beginning(&mut self) -> Option<usize> {
        self.begins.take()
    }

    /// Appends the inflated form of one frame's payload to `out`; `fin` ends the message. Pauses when [`STEP_BYTES`] have come
    /// out, and returns the bytes of the payload taken then: the rest is to be given again.
    ///
    /// # Errors
    /// `out` would grow past `limit` bytes, or the data is invalid. The context is of no use after either.
    pub(super) fn frame(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, InflateError> {
        with_scratch(|scratch| {
            let mut output = Output {
                pause_at: out.len().saturating_add(STEP_BYTES),
                scratch,
                limit,
                out,
            };
            if let Some((_, rest)) = payload.split_last() {
                if let Some(held) = self.held.take() {
                    self.feed(&[held], &mut output)?;
                }
                // One byte more is held back, as at the end of a frame that is not the message's last.
                let fed = self.feed(rest, &mut output)?;
                self.hold(&payload[..=fed], payload[fed]);
                if fed < rest.len() {
                    return Ok(Some(fed + 1));
                }
            }
            // Without a byte it is not even the 0x00 of an empty message (RFC 7692 §7.2.3.6), but what else could it mean.
            if fin {
                if let Some(last) = self.held.take() {
                    self.finish(last, &mut output)?;
                }
            }
            Ok(None)
        })
    }

    /// Remembers the end of what arrived.
    fn hold(&mut self, payload: &[u8], last: u8) {
        let end = &payload[payload.len().saturating_sub(TAIL.len())..];
        self.recent = end
            .iter()
            .fold(self.recent, |recent, &byte| recent << 8 | u32::from(byte));
        self.held = Some(last);
    }

    /// Inflates bytes amid a message, and returns how many: all of them, unless enough has come out.
    fn feed(&mut self, bytes: &[u8], output: &mut Output<'_>) -> Result<usize, InflateError> {
        let mut taken = 0;
        let mut more = !bytes.is_empty();
        while more {
            let step = self.step(&bytes[taken..], InflateFlush::NoFlush, output)?;
            taken += step.consumed;
            let is_left = taken < bytes.len();
            // What comes without input is at most what one byte stands for.
            if is_left && output.out.len() >= output.pause_at {
                return Ok(taken);
            }
            more = step.progress && (step.full || is_left);
        }
        if taken < bytes.len() {
            return Err(InflateError::Invalid("no progress"));
        }
        Ok(taken)
    }

    /// Inflates the last byte of a message together with the tail that its sender left out.
    ///
    /// One more byte stands after the tail and must still be there when the block ends. These few bytes inflate to
    /// at most 24 matches of 258 bytes, so that room never runs out and every stop is a boundary.
    fn finish(&mut self, last: u8, output: &mut Output<'_>) -> Result<(), InflateError> {
        let [a, b, c, d] = TAIL;
        let bytes = [last, a, b, c, d, 0];
        let mut at = 0;
        for _ in 0..MAX_STOPS {
            let step = self.step(&bytes[at..], InflateFlush::Block, output)?;
            at += step.consumed;
            match bytes.len() - at {
                AFTER_TAIL => return Ok(()),
                // RFC 7692 §7.2.3.4 asks for a 0x00 after a final block; a message without it is whole all the same.
                BEFORE_TAIL if step.ended => return Ok(()),
                // The sender did not take the tail off.
                BEFORE_TAIL if self.recent == u32::from_be_bytes(TAIL) => return Ok(()),
                left if left == 0 || step.ended => break,
                _ => {}
            }
        }
        Err(InflateError::Invalid("message ends amid a block"))
    }

    /// One call of the decompressor, whose output is appended unless it is too long.
    fn step(
        &mut self,
        bytes: &[u8],
        flush: InflateFlush,
        output: &mut Output<'_>,
    ) -> Result<Step, InflateError> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(bytes, output.scratch, flush);
        let consumed = difference(self.inflate.total_in(), before_in);
        let produced = difference(self.inflate.total_out(), before_out);
        output.append(produced)?;
        let ended = match status {
            Ok(status) => status == Status::StreamEnd,
            Err(_) => {
                return Err(InflateError::Invalid(
                    self.inflate.error_message().unwrap_or("not DEFLATE data"),
                ));
            }
        };
        if ended {
            self.inflate.reset(false);
            self.begins = Some(output.out.len());
        }
        Ok(Step {
            consumed,
            full: produced == SCRATCH_BYTES,
            ended,
            progress: ended || consumed + produced > 0,
        })
    }
}

impl Output<'_> {
    /// Appends the first `produced` bytes of the scratch room, or nothing if that would go past the limit.
    fn append(&mut self, produced: usize) -> Result<(), InflateError> {
        if produced > self.limit.saturating_sub(self.out.len()) {
            return Err(InflateError::TooLong { limit: self.limit });
        }
        self.out.extend_from_slice(&self.scratch[..produced]);
        Ok(())
    }
}

/// Bytes that come out of one step, and little more: some 100 µs of work, after which others have their turn.
pub(super) const STEP_BYTES: usize = 128 * 1024;
/// Memory of a decompressor while a message is in progress, in bytes: that of zlib-rs 0.6 allocates 47,552, whatever the
/// peer's window.
pub(super) const BYTES: usize = 48_000;
/// Bytes left in [`Inflater::finish`] when the tail was inflated, and nothing after it.
const AFTER_TAIL: usize = 1;
/// Bytes left in [`Inflater::finish`] when the message's own last byte was inflated.
const BEFORE_TAIL: usize = 1 + TAIL.len();
/// More stops at block boundaries than 48 bits can give: the shortest block has 10.
const MAX_STOPS: usize = 8;
