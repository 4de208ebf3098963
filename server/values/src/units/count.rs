//! Whole numbers of at least one.

use std::str::FromStr;

/// Parses a whole number of at least one.
///
/// # Errors
/// Names the text if it is zero, no number, or exceeds the maximum of `N`.
pub fn count<N: FromStr + Default + PartialEq>(text: &str) -> Result<N, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && number != N::default() => Ok(number),
        _ => Err(format!("`{text}` is not a whole number of at least 1")),
    }
}

/// A parser of counts that refuses those above `maximum`.
pub fn up_to(maximum: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match count(text)? {
        number if number > maximum => Err(format!("`{text}` exceeds the maximum of {maximum}")),
        number => Ok(number),
    }
}

/// Parses a rate per second: a whole number of at least one, `/s` may follow.
///
/// # Errors
/// As [`count`].
pub fn rate<N: FromStr + Default + PartialEq>(text: &str) -> Result<N, String> {
    count(text.strip_suffix("/s").unwrap_or(text)).map_err(|_| {
        format!("`{text}` is not a rate: write a whole number per second of at least 1, as in 50 or 50/s")
    })
}
