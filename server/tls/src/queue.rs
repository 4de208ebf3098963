//! A queue of bytes that allocates nothing while it is empty.

/// Bytes that wait, taken from their front.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Appends `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends `length` bytes to be written to; give back what is not used with [`shorten`](Self::shorten).
    pub(crate) fn spare(&mut self, length: usize) -> &mut [u8] {
        let end = self.bytes.len();
        self.bytes.resize(end + length, 0);
        &mut self.bytes[end..]
    }

    /// Drops the last `length` bytes.
    pub(crate) fn shorten(&mut self, length: usize) {
        self.bytes.truncate(self.bytes.len() - length);
    }

    /// Drops the first `length` bytes.
    pub(crate) fn advance(&mut self, length: usize) {
        self.start += length;
        if self.start >= self.bytes.len() {
            self.clear();
        }
    }

    /// Drops everything, and the memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Replaces everything by a copy of `bytes`.
    pub(crate) fn replace(&mut self, bytes: &[u8]) {
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
        let mut queue = Queue::default();
        queue.push(b"abc");
        queue.advance(1);
        queue.push(b"def");
        queue.spare(4)[..2].copy_from_slice(b"gh");
        queue.shorten(2);
        assert_eq!(queue.as_slice(), b"bcdefgh");
        queue.advance(7);
        assert!(queue.is_empty() && queue.bytes.capacity() == 0);
        queue.replace(b"xy");
        assert_eq!(
            (queue.len(), queue.as_mut_slice()),
            (2, &mut b"xy".to_owned()[..])
        );
    }
}
