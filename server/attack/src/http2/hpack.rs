//! Header blocks (RFC 7541), without a table of our own.

/// A header block that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block(Vec<u8>);

impl Block {
    /// A GET of `path`.
    pub(crate) fn get(path: &str) -> Self {
        // 0x82 and 0x87: `:method: GET` and `:scheme: https` of the static table.
        Self(vec![0x82, 0x87]).named(4, path).named(1, "localhost")
    }

    /// A POST of `path` that carries what gRPC wants.
    pub(crate) fn grpc(path: &str) -> Self {
        Self(vec![0x83, 0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("content-type", "application/grpc")
            .field("te", "trailers")
    }

    /// A POST of `path` with a body of `kind`.
    pub(crate) fn post(path: &str, kind: &str) -> Self {
        Self(vec![0x83, 0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("content-type", kind)
    }

    /// An extended CONNECT that opens a WebSocket (RFC 8441 §4).
    pub(crate) fn connect(path: &str) -> Self {
        Self::default()
            .named(2, "CONNECT")
            .field(":protocol", "websocket")
            .raw(&[0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("sec-websocket-version", "13")
    }

    /// A field that enters no table (§6.2.2).
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.0.push(0);
        self.string(name);
        self.string(value);
        self
    }

    /// A field that enters the dynamic table (§6.2.1); the newest has index 62.
    pub(crate) fn remembered(mut self, name: &str, value: &str) -> Self {
        self.0.push(0x40);
        self.string(name);
        self.string(value);
        self
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The block.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A field whose name is in the static table, below index 15.
    fn named(mut self, index: u8, value: &str) -> Self {
        self.0.push(index);
        self.string(value);
        self
    }

    /// A string without Huffman coding (§5.2).
    fn string(&mut self, text: &str) {
        let mut length = text.len();
        if length < 127 {
            self.0.push(u8::try_from(length).unwrap_or(0));
        } else {
            self.0.push(127);
            length -= 127;
            while length >= 128 {
                self.0.push(u8::try_from(length % 128).unwrap_or(0) | 0x80);
                length /= 128;
            }
            self.0.push(u8::try_from(length).unwrap_or(0));
        }
        self.0.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_have_long_lengths() {
        // RFC 7541 §C.1.2: 1337 with a prefix of 5 bits is 31, 154, 10; with 7 bits 1337 - 127 = 1210 = 0x0a, 9.
        let block = Block::default().field("a", &"b".repeat(1337));
        assert_eq!(block.bytes()[..6], [0, 1, b'a', 127, 0xba, 9]);
    }
}
