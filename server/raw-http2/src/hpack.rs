//! Header blocks (RFC 7541), without a table of our own.

/// A string of HPACK without Huffman coding (RFC 7541 §5.2).
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = integer(0, 7, text.len());
    bytes.extend(text);
    bytes
}

/// An integer with a prefix of `bits` bits after `pattern` (RFC 7541 §5.1).
pub fn integer(pattern: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![pattern | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![pattern | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A literal field without indexing and with its name written out (RFC 7541 §6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A header block of literals.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// A header block that is being written.
#[derive(Clone, Debug, Default)]
pub struct Block(Vec<u8>);

impl Block {
    /// A GET of `path`.
    pub fn get(path: &str) -> Self {
        // 0x82 and 0x87: `:method: GET` and `:scheme: https` of the static table.
        Self(vec![0x82, 0x87]).named(4, path).named(1, "localhost")
    }

    /// A POST of `path` that carries what gRPC wants.
    pub fn grpc(path: &str) -> Self {
        Self(vec![0x83, 0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("content-type", "application/grpc")
            .field("te", "trailers")
    }

    /// A POST of `path` with a body of `kind`.
    pub fn post(path: &str, kind: &str) -> Self {
        Self(vec![0x83, 0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("content-type", kind)
    }

    /// An extended CONNECT that opens a WebSocket (RFC 8441 §4).
    pub fn connect(path: &str) -> Self {
        Self::default()
            .named(2, "CONNECT")
            .field(":protocol", "websocket")
            .raw(&[0x87])
            .named(4, path)
            .named(1, "localhost")
            .field("sec-websocket-version", "13")
    }

    /// A field that enters no table (§6.2.2).
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.0.push(0);
        self.0.extend(string(name.as_bytes()));
        self.0.extend(string(value.as_bytes()));
        self
    }

    /// A field that enters the dynamic table (§6.2.1); the newest has index 62.
    pub fn remembered(mut self, name: &str, value: &str) -> Self {
        self.0.push(0x40);
        self.0.extend(string(name.as_bytes()));
        self.0.extend(string(value.as_bytes()));
        self
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The block.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A field whose name is in the static table, below index 15.
    fn named(mut self, index: u8, value: &str) -> Self {
        self.0.push(index);
        self.0.extend(string(value.as_bytes()));
        self
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
