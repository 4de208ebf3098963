//! Values with a unit, as people write them on a command line, in a variable or in a settings file.
//!
//! | kind | examples | type or function |
//! |---|---|---|
//! | time | `250ms`, `1.5s`, `10m`, `24h`, `365d`; a bare number is seconds | [`TimeSpan`], [`positive_time`] |
//! | size | `96B`, `64KiB`, `1.5MiB`, `1GiB`; a bare number is bytes | [`ByteSize`], [`at_least`] |
//! | count | `1`, `10000` | [`count`], [`up_to`] |
//! | rate | `50`, `50/s` | [`rate`] |
//! | limit | `off`, or any of the above | [`Limit`], [`off_or`] |
//! | address | `127.0.0.1:8443`, `[::1]:8443` | [`address`], [`ip`] |
//! | list | `a,b`; `\,` is a comma within an item | [`list`] |
//!
//! Each text is parsed as a whole: a sign, a second unit, text around the value or a digit outside ASCII is an error that
//! names the text and the right spelling. Numbers are exact; a value that would be rounded to nothing or exceeds the
//! maximum of its kind is refused.

mod address;
mod count;
mod limit;
mod list;
mod size;
mod time;

pub use address::{address, ip};
pub use count::{count, rate, up_to};
pub use limit::{Limit, off_or};
pub use list::list;
pub use size::{ByteSize, at_least};
pub use time::{TimeSpan, positive_time};

/// The grammar in Markdown, for the reference pages of the programs.
pub const SYNTAX: &str = "Times are written `250ms`, `1.5s`, `10m`, `24h` or `365d`, a bare number is seconds; sizes `96B`, `64KiB`, `1.5MiB` or `1GiB`, a bare number is bytes.";

/// Reports if a text of value zero contains a digit other than zero: its number is below the smallest unit.
fn lost_to_rounding(text: &str) -> bool {
    text.contains(|character| matches!(character, '1'..='9'))
}
