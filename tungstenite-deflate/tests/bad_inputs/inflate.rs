//! DEFLATE read bit by bit (RFC 1951), as slow as it is plain.

/// End of reading.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of a block, with nothing left.
    Whole,
    /// Amid a block.
    Early,
    /// Something is wrong.
    Invalid,
    /// A final block ended: how to go on is for RFC 7692 to say.
    Final,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<usize, End> {
        let byte = self.bytes.get(self.at / 8).ok_or(End::Early)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    fn number(&mut self, bits: usize) -> Result<usize, End> {
        let mut number = 0;
        for bit in 0..bits {
            number |= self.bit()? << bit;
        }
        Ok(number)
    }
}

/// A Huffman code: for each length the symbols that have it, in order (§3.2.2).
struct Code {
    symbols: Vec<Vec<usize>>,
}

impl Code {
    /// None for a code that has too many words, or too few unless it has one or none.
    fn new(lengths: &[usize]) -> Option<Self> {
        let mut symbols = vec![Vec::new(); 16];
        for (symbol, length) in lengths
            .iter()
            .enumerate()
            .filter(|(_, length)| **length > 0)
        {
            symbols[*length].push(symbol);
        }
        let space: usize = (1..16)
            .map(|length| symbols[length].len() << (15 - length))
            .sum();
        let single = symbols.iter().map(Vec::len).sum::<usize>() <= 1 && symbols[1].len() <= 1;
        let lone = symbols.iter().map(Vec::len).sum::<usize>() == symbols[1].len();
        (space == 1 << 15 || (single && lone)).then_some(Self { symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, End> {
        let (mut code, mut first) = (0, 0);
        for length in 1..16 {
            code = code << 1 | bits.bit()?;
            first <<= 1;
            let count = self.symbols[length].len();
            if code < first + count {
                return Ok(self.symbols[length][code - first]);
            }
            first += count;
        }
        Err(End::Invalid)
    }
}

/// Inflates `bytes` behind what is in `out` already; stops when there are more than `most` new bytes.
pub fn inflate(bytes: &[u8], out: &mut Vec<u8>, most: usize) -> End {
    let begin = out.len();
    let mut bits = Bits { bytes, at: 0 };
    loop {
        if bits.at == bytes.len() * 8 {
            return End::Whole;
        }
        let block = |bits: &mut Bits<'_>, out: &mut Vec<u8>| -> Result<bool, End> {
            let last = bits.bit()? == 1;
            match bits.number(2)? {
                0 => stored(bits, out)?,
                1 => {
                    let mut lengths = [8; 288];
                    lengths[144..256].fill(9);
                    lengths[256..280].fill(7);
                    let (literals, distances) = (Code::new(&lengths), Code::new(&[5; 32]));
                    coded(
                        bits,
                        out,
                        &literals.unwrap(),
                        &distances.unwrap(),
                        begin + most,
                    )?;
                }
                2 => {
                    let (literals, distances) = codes(bits)?;
                    coded(bits, out, &literals, &distances, begin + most)?;
                }
                _ => return Err(End::Invalid),
            }
            Ok(last)
        };
        match block(&mut bits, out) {
            Ok(true) => return End::Final,
            Ok(false) if out.len() > begin + most => return End::Early,
            Ok(false) => {}
            Err(end) => return end,
        }
    }
}

/// §3.2.4.
fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Result<(), End> {
    bits.at = bits.at.next_multiple_of(8);
    let (length, complement) = (bits.number(16)?, bits.number(16)?);
    if length != complement ^ 0xffff {
        return Err(End::Invalid);
    }
    for _ in 0..length {
        out.push(u8::try_from(bits.number(8)?).unwrap());
    }
    Ok(())
}

/// §3.2.7.
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), End> {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let (literals, distances) = (bits.number(5)? + 257, bits.number(5)? + 1);
    let count = bits.number(4)? + 4;
    if literals > 286 || distances > 30 {
        return Err(End::Invalid);
    }
    let mut lengths = [0; 19];
    for symbol in &ORDER[..count] {
        lengths[*symbol] = bits.number(3)?;
    }
    let code = Code::new(&lengths).ok_or(End::Invalid)?;
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match code.symbol(bits)? {
            16 => (*lengths.last().ok_or(End::Invalid)?, bits.number(2)? + 3),
            17 => (0, bits.number(3)? + 3),
            18 => (0, bits.number(7)? + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(End::Invalid);
    }
    let codes = (
        Code::new(&lengths[..literals]),
        Code::new(&lengths[literals..]),
    );
    Ok((codes.0.ok_or(End::Invalid)?, codes.1.ok_or(End::Invalid)?))
}

/// §3.2.5.
fn coded(
    bits: &mut Bits<'_>,
    out: &mut Vec<u8>,
    literals: &Code,
    distances: &Code,
    most: usize,
) -> Result<(), End> {
    loop {
        match literals.symbol(bits)? {
            literal @ ..256 => out.push(u8::try_from(literal).unwrap()),
            256 => return Ok(()),
            symbol @ 257..286 => {
                let length = length(symbol - 257, bits)?;
                let symbol = distances.symbol(bits)?;
                if symbol >= 30 {
                    return Err(End::Invalid);
                }
                let extra = (symbol / 2).saturating_sub(1);
                let base = if symbol < 4 {
                    symbol
                } else {
                    (2 + symbol % 2) << extra
                };
                let distance = base + 1 + bits.number(extra)?;
                if distance > out.len() || distance > 32_768 {
                    return Err(End::Invalid);
                }
                for _ in 0..length {
                    out.push(out[out.len() - distance]);
                }
            }
            _ => return Err(End::Invalid),
        }
        if out.len() > most {
            return Err(End::Early);
        }
    }
}

fn length(symbol: usize, bits: &mut Bits<'_>) -> Result<usize, End> {
    if symbol == 28 {
        return Ok(258);
    }
    let extra = (symbol / 4).saturating_sub(1);
    let base = if symbol < 8 {
        symbol
    } else {
        (4 + symbol % 4) << extra
    };
    Ok(base + 3 + bits.number(extra)?)
}
