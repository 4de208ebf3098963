//! The messages sent: the same on every machine and with every version of anything.

use std::fmt::Write;

use flate2::{Compress, Compression, FlushCompress};

/// Number of messages in the corpus.
pub(crate) const MESSAGES: u32 = 256;

/// Small JSON messages as of a market's feed, 60 to 600 bytes.
pub(crate) fn json() -> Vec<String> {
    let mut random = Random(0x5eed);
    let messages = (0..MESSAGES).map(|number| {
        let trades = |random: &mut Random| 1 + random.below(9);
        message(&mut random, number, trades)
    });
    messages.collect()
}

/// The same of 1 KiB on average.
pub(crate) fn long_json() -> Vec<String> {
    let mut random = Random(0x5eed);
    let messages = (0..MESSAGES).map(|number| message(&mut random, number, |_| 21));
    messages.collect()
}

fn message(random: &mut Random, number: u32, trades: impl Fn(&mut Random) -> u32) -> String {
    const SYMBOLS: [&str; 6] = [
        "BTC-USD", "ETH-USD", "SOL-EUR", "ADA-BRL", "XRP-USD", "DOT-EUR",
    ];
    let symbol = SYMBOLS[random.below(6) as usize];
    let mut text =
        format!(r#"{{"type":"trades","symbol":"{symbol}","sequence":{number},"trades":["#);
    let trades = trades(random);
    for trade in 0..trades {
        let comma = if trade == 0 { "" } else { "," };
        let side = if random.below(2) == 0 { "buy" } else { "sell" };
        let (price, amount) = (20_000 + random.below(900), random.below(100_000));
        let _ = write!(
            text,
            r#"{comma}{{"side":"{side}","price":{price}.5,"size":0.{amount:05}}}"#
        );
    }
    text.push_str("]}");
    text
}

/// Lines of a chat, 40 to 130 bytes.
pub(crate) fn lines() -> Vec<String> {
    const WORDS: [&str; 40] = include!("../../words.rs");
    let mut random = Random(0xc4a7);
    let lines = (0..MESSAGES).map(|_| {
        let words = (0..10 + random.below(14)).map(|_| WORDS[random.below(40) as usize]);
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect()
}

/// Text of `size` bytes that compresses to about half.
pub(crate) fn text(size: usize) -> String {
    let mut random = Random(size as u64);
    let mut text = String::new();
    while text.len() < size {
        let _ = write!(text, "{:08x} value ", random.below(u32::MAX));
    }
    text.truncate(size);
    text
}

/// Each message as RFC 7692 has it, by zlib at level 6, so that what the inflater gets does not depend on our encoder.
pub(crate) fn deflated(messages: &[String], takeover: bool, window_bits: u8) -> Vec<Vec<u8>> {
    let mut deflate = Compress::new_with_window_bits(Compression::new(6), false, window_bits);
    let deflated = messages.iter().map(|message| {
        if !takeover {
            deflate.reset();
        }
        let mut out = Vec::with_capacity(message.len() + 1024);
        deflate
            .compress_vec(message.as_bytes(), &mut out, FlushCompress::Sync)
            .expect("memory suffices");
        // The empty stored block at the end is left out (RFC 7692 §7.2.1).
        out.truncate(out.len() - 4);
        out
    });
    deflated.collect()
}

/// Numbers by `SplitMix64`, which no update changes.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        u32::try_from(word % u64::from(bound)).unwrap_or_default()
    }
}
