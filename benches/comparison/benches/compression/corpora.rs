//! The messages: generated with fixed seeds, or read from a directory.

use std::io::Read;
use std::path::Path;

/// Messages of one connection, in their order.
pub struct Corpus {
    pub name: String,
    pub messages: Vec<Vec<u8>>,
}

impl Corpus {
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Messages of each kind.
const COUNT: u64 = 2_000;

/// Kinds of traffic that WebSockets carry.
pub fn generated() -> Vec<Corpus> {
    let kinds: [(&str, fn(&mut Random, u64) -> Vec<u8>); 5] = [
        ("ticker", ticker),
        ("chat", chat),
        ("telemetry", telemetry),
        ("cursors", cursors),
        ("noise", noise),
    ];
    kinds
        .into_iter()
        .zip(1..)
        .map(|((name, make), seed)| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 * seed);
            let messages = (0..COUNT).map(|number| make(&mut random, number)).collect();
            Corpus {
                name: name.into(),
                messages,
            }
        })
        .collect()
}

fn ticker(random: &mut Random, number: u64) -> Vec<u8> {
    let product = random.pick(&["BTC-EUR", "ETH-EUR", "BTC-USD", "SOL-USD"]);
    let side = random.pick(&["buy", "sell"]);
    let (price, cents, size) = (
        random.below(900) + 61_000,
        random.below(100),
        random.below(10_000_000),
    );
    format!(
        r#"{{"type":"match","trade_id":{},"side":"{side}","size":"0.{size:08}","price":"{price}.{cents:02}","product_id":"{product}","sequence":{},"time":"2026-11-{:02}T12:{:02}:{:02}.{:06}Z"}}"#,
        880_000_000 + number,
        54_321_000 + 3 * number,
        1 + number / 400,
        number / 60 % 60,
        number % 60,
        random.below(1_000_000),
    )
    .into_bytes()
}

const WORDS: [&str; 40] = include!("../../../words.rs");

fn chat(random: &mut Random, number: u64) -> Vec<u8> {
    let user = random.pick(&["ada", "grace", "linus", "barbara", "edsger", "donald"]);
    let words: Vec<_> = (0..4 + random.below(14))
        .map(|_| random.pick(&WORDS))
        .collect();
    format!(
        r#"{{"type":"message","room":"general","id":"{:08x}","seq":{number},"user":"{user}","text":"{}","ts":17646{:08}}}"#,
        random.below(1 << 32),
        words.join(" "),
        number * 731 + random.below(700),
    )
    .into_bytes()
}

fn telemetry(random: &mut Random, number: u64) -> Vec<u8> {
    let device = random.below(12);
    format!(
        r#"{{"device":"sensor-{device:03}","ts":17646{:08},"temperature":{}.{},"humidity":{}.{},"battery":{},"rssi":-{},"status":"ok"}}"#,
        number * 100,
        18 + random.below(5),
        random.below(100),
        40 + random.below(9),
        random.below(10),
        95 - number / 300,
        50 + random.below(30),
    )
    .into_bytes()
}

fn cursors(random: &mut Random, _: u64) -> Vec<u8> {
    let (user, x, y) = (random.below(8), random.below(1_920), random.below(1_080));
    format!(r#"{{"type":"cursor","user":"u{user}","x":{x},"y":{y},"selection":null}}"#).into_bytes()
}

/// Stands for what is compressed or encrypted already, such as voice frames.
fn noise(random: &mut Random, _: u64) -> Vec<u8> {
    (0..130).map(|_| random.below(256) as u8).collect()
}

/// Every `*.bin` or `*.bin.gz` of `directory`: each message prefixed by its length as a little-endian u32.
pub fn read(directory: &Path) -> std::io::Result<Vec<Corpus>> {
    let mut corpora = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut bytes = std::fs::read(&path)?;
        let name = if let Some(name) = file.strip_suffix(".bin.gz") {
            let compressed = std::mem::take(&mut bytes);
            flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut bytes)?;
            name
        } else if let Some(name) = file.strip_suffix(".bin") {
            name
        } else {
            continue;
        };
        corpora.push(Corpus {
            name: name.into(),
            messages: split(&bytes),
        });
    }
    corpora.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(corpora)
}

/// Writes each corpus to `directory` as `NAME.bin`, in the form that [`read`] takes.
pub fn write(corpora: &[Corpus], directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for corpus in corpora {
        let mut bytes = Vec::new();
        for message in &corpus.messages {
            bytes.extend((message.len() as u32).to_le_bytes());
            bytes.extend(message);
        }
        std::fs::write(directory.join(format!("{}.bin", corpus.name)), bytes)?;
    }
    Ok(())
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        messages.push(message.to_vec());
        bytes = rest;
    }
    messages
}
