//! Numbers of bytes.

use std::fmt;
use std::str::FromStr;

use parse_size::Config;

/// A number of bytes: plain, or a number and a binary unit such as `KiB`.
///
/// `k`, `K` and `Ki` mean KiB, likewise for the larger units, in any case. `KB`, `MB` and so on are refused: they mean
/// 1000 to some and 1024 to others. A fraction is rounded to whole bytes; spaces may precede the unit.
/// [`ByteSize::MAX`] is the maximum, so that sums of several sizes cannot overflow.
///
/// parse-size computes exactly and reports overflow, where bytesize goes through `f64` and saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

impl ByteSize {
    /// 1 PiB (2^50 bytes), or 1 GiB where pointers have 32 bits.
    pub const MAX: Self = Self(if usize::BITS < 64 {
        1 << 30
    } else {
        1_usize.wrapping_shl(50)
    });
}

/// Binary units with their powers of two, the largest first.
const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];

/// Reports if `unit` is `B` or one of [`UNITS`], in any case, in full (`KiB`) or shortened (`Ki`, `K`).
fn is_known(unit: &str) -> bool {
    let same = |name: &str| unit.eq_ignore_ascii_case(name);
    let named = |name: &str| same(name) || same(&name[..2]) || same(&name[..1]);
    unit.is_empty() || same("B") || UNITS.iter().any(|(name, _)| named(name))
}

/// Reports if `unit` is `KB`, `MB` and the like.
fn is_ambiguous(unit: &str) -> bool {
    unit.len() == 2 && unit.ends_with(['b', 'B']) && is_known(&unit[..1])
}

/// Splits a text into digits, of which one may be a decimal point, and the unit, which starts with an ASCII letter.
///
/// parse-size itself skips spaces and underscores wherever they are, and accepts exponents.
fn split(text: &str) -> Option<(&str, &str)> {
    let unit = text.trim_start_matches(|character: char| !character.is_ascii_alphabetic());
    let number = text.strip_suffix(unit)?;
    let number = if unit.is_empty() {
        number
    } else {
        number.trim_end_matches(' ')
    };
    let allowed = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (allowed && !number.is_empty() && !number.ends_with('.')).then_some((number, unit))
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a size: write a number and B, KiB, MiB, GiB or TiB, as in 64KiB"
            )
        };
        let (number, unit) = split(text).ok_or_else(wrong)?;
        // kB, MB and GB are read as 1000 by some programs and as 1024 by others.
        if is_ambiguous(unit) {
            let right = unit[..1].to_uppercase();
            return Err(format!(
                "`{text}` is ambiguous, since {unit} means 1000 or 1024: write {right}iB"
            ));
        }
        let known = Some(unit).filter(|unit| is_known(unit)).ok_or_else(wrong)?;
        let bytes = Config::new()
            .with_binary()
            .parse_size(format!("{number}{known}"));
        let bytes = bytes.map_err(|error| match error {
            parse_size::Error::PosOverflow => too_large(text),
            _ => wrong(),
        })?;
        if unit.is_empty() && number.contains('.') || bytes == 0 && super::lost_to_rounding(number)
        {
            return Err(format!("`{text}` is not a whole number of bytes"));
        }
        let size = usize::try_from(bytes).map(Self);
        size.ok()
            .filter(|size| *size <= Self::MAX)
            .ok_or_else(|| too_large(text))
    }
}

/// A parser of sizes that refuses those below `minimum`.
pub fn at_least(minimum: ByteSize) -> impl Fn(&str) -> Result<ByteSize, String> + Clone {
    move |text| match text.parse()? {
        size if size < minimum => Err(format!("`{text}` is below the minimum of {minimum}")),
        size => Ok(size),
    }
}

fn too_large(text: &str) -> String {
    format!("`{text}` exceeds the maximum of {}", ByteSize::MAX)
}

/// Writes the largest unit that it is a whole multiple of.
impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |power: u32| self.0 != 0 && self.0.trailing_zeros() >= power;
        match UNITS.iter().find(|(_, power)| fits(*power)) {
            Some((unit, power)) => write!(formatter, "{}{unit}", self.0 >> power),
            None => write!(formatter, "{}B", self.0),
        }
    }
}
