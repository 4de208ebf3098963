//! Lengths of time and sizes as people type them.

use std::time::Duration;

/// Parses `250ms`, `2s`, `1.5s`, `3m`, `1h`; a bare number is seconds.
///
/// # Errors
/// Says what was seen and which forms are allowed.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "`{text}` has the unit `{unit}`; allowed are ms, s, m, h"
            ));
        }
    };
    let value: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a length of time such as 250ms, 2s or 1m"))?;
    Duration::try_from_secs_f64(value * factor)
        .map_err(|_| format!("`{text}` is longer than can be waited"))
}

/// Parses `4096`, `64KiB`, `64k`, `1MiB`, `1m`, `1GiB`; units are powers of 1024.
///
/// # Errors
/// Says what was seen and which forms are allowed.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => {
            return Err(format!(
                "`{text}` has the unit `{unit}`; allowed are KiB, MiB, GiB"
            ));
        }
    };
    let value: usize = number
        .parse()
        .map_err(|_| format!("`{text}` is not a size such as 4096, 64KiB or 1MiB"))?;
    value
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}` is more than this machine can address"))
}

/// Shows a length of time with three digits and a fitting unit: `1.23 ms`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("2s", 2000),
            ("2", 2000),
            ("1.5s", 1500),
            ("3m", 180_000),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "-1s", "1d", "1e9999", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("1MiB", 1 << 20),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "k",
            "-1",
            "1TB",
            "99999999999999999999",
            "18446744073709551615g",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
