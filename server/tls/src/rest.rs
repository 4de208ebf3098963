//! Bytes that have to wait, taken from their front; nothing is allocated while there are none.

/// Bytes that have to wait.
#[derive(Debug, Default)]
pub(super) struct Rest {
    bytes: Vec<u8>,
    start: usize,
}

impl Rest {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Appends `bytes` behind what waits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Room of `length` bytes behind what waits, to be written to; give back what is not used with
    /// [`shorten`](Self::shorten).
    pub(super) fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.bytes.len();
        self.bytes.resize(end + length, 0);
        &mut self.bytes[end..]
    }

    /// Drops the last `length` bytes.
    pub(super) fn shorten(&mut self, length: usize) {
        self.bytes.truncate(self.bytes.len() - length);
    }

    /// Drops the first `length` bytes.
    pub(super) fn advance(&mut self, length: usize) {
        self.start += length;
        if self.start >= self.bytes.len() {
            self.clear();
        }
    }

    /// Drops everything, and the memory.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Replaces everything by a copy of `bytes`.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        // In memory of exactly that size: it may wait long.
        *self = Self {
            bytes: bytes.to_vec(),
            start: 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_leaves_the_front() {
        let mut rest = Rest::default();
        rest.push(b"abc");
        rest.advance(1);
        rest.push(b"def");
        rest.room(4)[..2].copy_from_slice(b"gh");
        rest.shorten(2);
        assert_eq!(rest.as_slice(), b"bcdefgh");
        rest.advance(7);
        assert!(rest.is_empty() && rest.bytes.capacity() == 0);
        rest.replace(b"xy");
        assert_eq!(
            (rest.len(), rest.as_mut_slice()),
            (2, &mut b"xy".to_owned()[..])
        );
    }
}
