//! A connection in memory whose calls move a few bytes, or would block.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One direction.
#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// Calls that would block, and the bytes that others move.
pub(crate) enum Turns {
    /// Never, all there are.
    Open,
    /// One byte a call, and every other call would block: of reads, of writes, of flushes.
    Bytewise([bool; 3]),
    /// By chance.
    Random(Box<StdRng>),
}

impl Turns {
    pub(crate) fn random(seed: u64) -> Self {
        Self::Random(Box::new(StdRng::seed_from_u64(seed)))
    }

    /// The bytes that the next call of a kind may move; `None` if it would block.
    fn next(&mut self, kind: usize) -> Option<usize> {
        match self {
            Self::Open => Some(usize::MAX),
            Self::Bytewise(blocks) => {
                blocks[kind] = !blocks[kind];
                (!blocks[kind]).then_some(1)
            }
            Self::Random(random) => {
                random
                    .random_bool(0.5)
                    .then(|| match random.random_range(0..4) {
                        0 => 1,
                        1 => random.random_range(1..16),
                        2 => random.random_range(1..2000),
                        _ => usize::MAX,
                    })
            }
        }
    }
}

/// One end. Dropping it closes its outgoing direction.
pub(crate) struct End {
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
    turns: Turns,
    /// Bytes that it has taken.
    pub(crate) written: usize,
}

pub(crate) fn pipe(turns: [Turns; 2]) -> [End; 2] {
    let directions: [Arc<Mutex<Direction>>; 2] = Default::default();
    let [first, second] = turns;
    let end = |incoming: usize, turns| End {
        incoming: Arc::clone(&directions[incoming]),
        outgoing: Arc::clone(&directions[1 - incoming]),
        turns,
        written: 0,
    };
    [end(0, first), end(1, second)]
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at_most = self.turns.next(0).ok_or(ErrorKind::WouldBlock)?;
        let mut incoming = self.incoming.lock().unwrap();
        if incoming.bytes.is_empty() && !incoming.is_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = at_most.min(buffer.len()).min(incoming.bytes.len());
        for (place, byte) in buffer.iter_mut().zip(incoming.bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at_most = self.turns.next(1).ok_or(ErrorKind::WouldBlock)?;
        let count = at_most.min(bytes.len());
        self.outgoing.lock().unwrap().bytes.extend(&bytes[..count]);
        self.written += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.turns.next(2) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outgoing.lock().unwrap().is_closed = true;
    }
}
