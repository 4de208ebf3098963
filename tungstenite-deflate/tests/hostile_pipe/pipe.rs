//! One direction of the pipe: what is written at one end, as it comes out at the other.

use std::collections::VecDeque;
use std::time::Instant;

use super::random::Random;

/// Harm by the pipe beside splitting and delaying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    None,
    /// From this byte of one direction on, nothing arrives in either.
    Cut,
    /// Some bytes of one direction never arrive.
    Drop,
    /// Some bits of one direction arrive flipped.
    Flip,
}

/// One direction of the pipe.
pub(super) struct Direction {
    pub(super) harm: Harm,
    /// Offset of the next byte that is harmed.
    pub(super) at: usize,
    /// The first offset that was harmed, once one was.
    harmed_from: Option<usize>,
    pub(super) offset: usize,
    /// Pieces on their way, with the instant of their arrival.
    pub(super) pieces: VecDeque<(Instant, Vec<u8>)>,
    /// Everything that its writer wrote.
    pub(super) written: Vec<u8>,
    pub(super) ended: bool,
}

impl Direction {
    pub(super) fn new(harm: Harm, at: usize) -> Self {
        Self {
            harm,
            at,
            harmed_from: None,
            offset: 0,
            pieces: VecDeque::new(),
            written: Vec::new(),
            ended: false,
        }
    }

    pub(super) fn reached(&self) -> bool {
        self.harm != Harm::None && self.offset > self.at
    }

    /// Everything before this offset arrives as it was written.
    pub(super) fn first_harm(&self) -> usize {
        self.harmed_from.unwrap_or(usize::MAX)
    }

    pub(super) fn write(&mut self, bytes: &[u8], arrival: Instant, random: &mut Random) {
        self.written.extend_from_slice(bytes);
        let start = self.offset;
        self.offset += bytes.len();
        let mut piece = bytes.to_vec();
        if self.reached() {
            let first = self.at.saturating_sub(start);
            self.harmed_from.get_or_insert(self.at);
            match self.harm {
                Harm::None => {}
                Harm::Cut => piece.truncate(first),
                Harm::Drop => {
                    let end = (first + 1 + random.below(9)).min(piece.len());
                    piece.drain(first..end);
                }
                Harm::Flip => piece[first] ^= 1 << random.below(8),
            }
            // Harm strikes again further on, but for a cut, which is for good.
            if self.harm != Harm::Cut {
                self.at = self.offset + random.below(4000);
            }
        }
        // Pieces arrive in order, whatever their delay.
        let arrival = self
            .pieces
            .back()
            .map_or(arrival, |(last, _)| arrival.max(*last));
        if !piece.is_empty() {
            self.pieces.push_back((arrival, piece));
        }
    }
}
