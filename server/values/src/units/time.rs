//! Lengths of time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fundu::{DurationParser, SaturatingInto, TimeUnit};

/// A length of time: a number and `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
///
/// Units are lower-case, since `M` means months or a million elsewhere. Spaces may precede the unit.
/// [`TimeSpan::MAX`] is the maximum, so that a deadline is always an instant that the clock can represent.
///
/// The grammar is fundu's, narrowed to one number and one unit. humantime adds up what it finds, so that `1 0s` is ten
/// seconds there and `1M` a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

impl TimeSpan {
    /// 100 years of 365 days.
    pub const MAX: Self = Self(Duration::from_secs(36_500 * 86_400));
}

const UNITS: [TimeUnit; 5] = [
    TimeUnit::MilliSecond,
    TimeUnit::Second,
    TimeUnit::Minute,
    TimeUnit::Hour,
    TimeUnit::Day,
];

const PARSER: DurationParser = DurationParser::builder()
    .time_units(&UNITS)
    .inner_delimiter(|byte| byte == b' ')
    .allow_time_unit_delimiter()
    .disable_exponent()
    .disable_infinity()
    .build();

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a time: write a number and ms, s, m, h or d, as in 250ms or 1.5s"
            )
        };
        if text.starts_with(['+', '-']) {
            return Err(wrong());
        }
        // The parser saturates where a duration ends, far above the maximum here.
        let duration: Duration = PARSER.parse(text).map_err(|_| wrong())?.saturating_into();
        if duration.is_zero() && super::lost_to_rounding(text) {
            return Err(format!("`{text}` is shorter than a nanosecond"));
        }
        if duration > Self::MAX.0 {
            return Err(format!("`{text}` exceeds the maximum of {}", Self::MAX));
        }
        Ok(Self(duration))
    }
}

/// Parses a time longer than zero, as deadlines and intervals are.
///
/// # Errors
/// Names the text if it is no time, or zero.
pub fn positive_time(text: &str) -> Result<TimeSpan, String> {
    match text.parse()? {
        TimeSpan(Duration::ZERO) => Err(format!("`{text}` must be longer than 0")),
        span => Ok(span),
    }
}

impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Self {
        span.0
    }
}

/// Writes the largest unit that it is a whole multiple of, up to hours, else seconds with a fraction.
impl fmt::Display for TimeSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        match (seconds, nanos) {
            (0, 0) => formatter.write_str("0s"),
            (seconds, 0) if seconds % 3600 == 0 => write!(formatter, "{}h", seconds / 3600),
            (seconds, 0) if seconds % 60 == 0 => write!(formatter, "{}m", seconds / 60),
            (seconds, 0) => write!(formatter, "{seconds}s"),
            (_, nanos) if nanos % 1_000_000 == 0 => write!(formatter, "{}ms", self.0.as_millis()),
            (seconds, nanos) => {
                let fraction = format!("{nanos:09}");
                write!(formatter, "{seconds}.{}s", fraction.trim_end_matches('0'))
            }
        }
    }
}
