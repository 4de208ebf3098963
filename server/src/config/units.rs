//! Values with a unit, as people write them: `10s`, `64KiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration written as a number and a unit: `250ms`, `10s`, `5m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Span(pub Duration);

/// A number of bytes, plain or with a binary unit: `4096`, `64KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct ByteSize(pub usize);

/// A value that may be switched off by writing `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

/// Units of time and their length in milliseconds, longest suffix first where one ends another.
const TIME_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Binary units of size.
const SIZE_UNITS: [(&str, usize); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("B", 1),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a duration: write a whole number and ms, s, m or h, as in 10s")
        };
        let (unit, milliseconds) = TIME_UNITS
            .iter()
            .find(|(unit, _)| text.ends_with(unit))
            .ok_or_else(wrong)?;
        let number: u64 = text
            .trim_end_matches(unit)
            .trim_end()
            .parse()
            .map_err(|_| wrong())?;
        number
            .checked_mul(*milliseconds)
            .map(Duration::from_millis)
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a size: write a whole number of bytes, or with KiB, MiB or GiB, as in 64KiB"
            )
        };
        let (number, unit) = match SIZE_UNITS.iter().find(|(unit, _)| text.ends_with(unit)) {
            Some((unit, bytes)) => (text.trim_end_matches(unit).trim_end(), *bytes),
            None => (text, 1),
        };
        let number: usize = number.parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Self).ok_or_else(wrong)
    }
}

impl<T: FromStr<Err: fmt::Display>> FromStr for Limit<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|value| Self(Some(value)))
            .map_err(|error: T::Err| format!("{error}; `off` switches it off"))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse(),
                Ok(Span(Duration::from_millis(milliseconds))),
                "{text}"
            );
        }
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10d",
            "99999999999999999999h",
            "9999999999999999h",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_or_without_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("7B", 7),
            ("1 GiB", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "KiB",
            "-1",
            "1.5MiB",
            "1kb",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_can_be_switched_off() {
        assert_eq!("off".parse(), Ok(Limit::<Span>(None)));
        assert_eq!("2s".parse(), Ok(Limit(Some(Span(Duration::from_secs(2))))));
        assert!("never".parse::<Limit<Span>>().is_err());
    }
}
