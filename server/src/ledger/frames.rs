//! HTTP/2 frames as they pass (RFC 9113 §4.1): their heads alone, wherever the bytes are cut.

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) length: usize,
}

impl Head {
    /// Bytes of it on the wire.
    const BYTES: usize = 9;

    fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, kind, flags, rest @ ..] = bytes;
        Self {
            kind,
            flags,
            stream: u32::from_be_bytes(rest) & 0x7fff_ffff,
            length: (usize::from(a) << 16) | (usize::from(b) << 8) | usize::from(c),
        }
    }

    /// Tests for the last frame of its direction.
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// Finds the heads in one direction of a connection.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Bytes to pass over: the client's preface, the payload of a frame.
    skip: usize,
    head: [u8; Head::BYTES],
    /// Bytes of `head` that are there.
    known: usize,
}

impl Scanner {
    /// Creates a scanner of a direction that begins with `preface` bytes that are no frames.
    pub(super) fn after(preface: usize) -> Self {
        Self {
            skip: preface,
            head: [0; Head::BYTES],
            known: 0,
        }
    }

    /// Tests whether a frame has begun of which not everything has passed.
    pub(super) fn is_within(&self) -> bool {
        self.skip > 0 || self.known > 0
    }

    /// Passes over `bytes` and reports each head that is whole.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut found: impl FnMut(Head)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (Head::BYTES - self.known).min(bytes.len());
            if self.skip > 0 || taken == 0 {
                return;
            }
            self.head[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            self.known += taken;
            bytes = &bytes[taken..];
            if self.known == Head::BYTES {
                let head = Head::parse(self.head);
                (self.known, self.skip) = (0, head.length);
                found(head);
            }
        }
    }
}

/// Bytes that a client sends before its first frame (RFC 9113 §3.4).
pub(super) const PREFACE_BYTES: usize = 24;
pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const RST_STREAM: u8 = 0x3;
const END_STREAM: u8 = 0x1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_wherever_the_bytes_are_cut() {
        let mut wire = raw_http2::PREFACE.to_vec();
        let mut expected = Vec::new();
        for (kind, flags, stream, length) in [
            (4, 0, 0, 0),
            (HEADERS, 5, 1, 7),
            (DATA, 0, 0x7fff_ffff, 300),
            (DATA, 1, 3, 0),
            (RST_STREAM, 0, 3, 4),
        ] {
            let head = Head {
                kind,
                flags,
                stream,
                length,
            };
            // The reserved bit says nothing.
            let payload = vec![0xff; length];
            wire.extend(raw_http2::frame(
                kind,
                flags,
                stream | 0x8000_0000,
                &payload,
            ));
            expected.push(head);
        }
        assert_eq!(
            expected.iter().map(Head::ends_stream).collect::<Vec<_>>(),
            [false, true, false, true, false]
        );
        for step in 1..wire.len() {
            let mut scanner = Scanner::after(PREFACE_BYTES);
            let mut found = Vec::new();
            for part in wire.chunks(step) {
                scanner.pass(part, |head| found.push(head));
            }
            assert_eq!(found, expected, "in steps of {step}");
        }
    }
}
