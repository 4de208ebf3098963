//! Tests of the compressor against zlib-rs: what it makes must inflate to what it was given.

mod alone;
mod codes;
mod contexts;
mod differential;

use flate2::{Decompress, FlushDecompress};

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}

/// A message of about `length` bytes: noise, few letters, JSON, runs, copies at every distance, or one after another.
fn message(random: &mut Random, length: usize) -> Vec<u8> {
    let kind = random.below(7);
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        match if kind == 6 { random.below(6) } else { kind } {
            0 => bytes.push(random.byte()),
            1 => bytes.push(b"etaoin \xe9"[random.below(8)]),
            2 => {
                let (id, value) = (random.below(500), random.below(1_000_000));
                bytes
                    .extend(format!("{{\"id\":{id},\"value\":{value},\"state\":\"ok\"}},").bytes());
            }
            3 => {
                let (byte, run) = (random.byte(), 1 + random.below(600));
                bytes.extend(std::iter::repeat_n(byte, run));
            }
            4 => {
                let back = (1 + random.below(40_000)).min(bytes.len());
                let from = bytes.len() - back;
                for at in from..from + random.below(300).min(back) {
                    bytes.push(bytes[at]);
                }
                bytes.push(random.byte());
            }
            _ => bytes.push(random.below(4).to_le_bytes()[0] | 0xfc),
        }
    }
    bytes.truncate(length);
    bytes
}

/// A length of 0 to 1 MiB, most of them small, many at the edges of what the compressor tells apart.
fn length(random: &mut Random) -> usize {
    const EDGES: [usize; 9] = [0, 4, 64, 1_024, 4_096, 22_528, 32_768, 61_440, 65_536];
    match random.below(4_000) {
        0 => random.below(1 << 20),
        1..40 => random.below(1 << 16),
        40..200 => EDGES[random.below(9)]
            .saturating_add(random.below(9))
            .saturating_sub(4),
        200..1_000 => random.below(4_096),
        _ => random.below(300),
    }
}

/// zlib's decoder, asked for a message.
struct Reader {
    decompress: Decompress,
    out: Vec<u8>,
}

impl Reader {
    fn new() -> Self {
        Self {
            decompress: Decompress::new(false),
            out: Vec::new(),
        }
    }

    /// Inflates `wire` with the tail that a sender leaves out.
    fn read(&mut self, wire: &[u8], length: usize) -> &[u8] {
        let data = [wire, &[0, 0, 0xff, 0xff]].concat();
        self.out.resize(length + 64, 0);
        let (read, written) = (self.decompress.total_in(), self.decompress.total_out());
        self.decompress
            .decompress(&data, &mut self.out, FlushDecompress::Sync)
            .expect("DEFLATE data");
        assert_eq!(
            self.decompress.total_in() - read,
            data.len() as u64,
            "all was read"
        );
        let count = usize::try_from(self.decompress.total_out() - written).expect("a slice");
        &self.out[..count]
    }
}

/// JSON like a market's feed: most of it repeats, but for numbers, of which many begin alike.
fn feed(random: &mut Random, length: usize) -> Vec<u8> {
    const KINDS: [&str; 4] = ["trade", "quote", "order", "cancel"];
    let mut text = String::from("[");
    while text.len() < length {
        let record = format!(
            "{{\"id\":{},\"type\":\"{}\",\"price\":\"{}.{:02}\",\"user\":\"u-{:08x}\",\"ts\":17000{:08}}},",
            random.below(1 << 24),
            KINDS[random.below(4)],
            random.below(1 << 16),
            random.below(100),
            random.below(1 << 32),
            random.below(100_000_000),
        );
        text.push_str(&record);
    }
    text.truncate(length);
    text.into_bytes()
}
