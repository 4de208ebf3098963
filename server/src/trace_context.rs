//! The caller's position in a distributed trace: `traceparent` (W3C Trace Context, section 3.2).

use std::fmt;

use http::HeaderMap;

/// The ids of a valid `traceparent`: they join log lines to a trace, and nothing else depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// The whole trace.
    pub(crate) trace_id: Id<32>,
    /// The caller's span.
    pub(crate) parent_id: Id<16>,
}

/// An id of `DIGITS` lower-case hexadecimal digits that are not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id<const DIGITS: usize>(u128);

impl<const DIGITS: usize> Id<DIGITS> {
    fn parse(digits: &str) -> Option<Self> {
        let id = u128::from_str_radix(digits, 16).ok()?;
        (id != 0).then_some(Self(id))
    }
}

impl<const DIGITS: usize> fmt::Display for Id<DIGITS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:0DIGITS$x}", self.0)
    }
}

impl TraceContext {
    /// Reads the field; `None` unless there is one and it is valid, since a broken one must not be used (section 4.2).
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.to_str().ok()?),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            let part = parts.next()?;
            (part.len() == length && part.bytes().all(is_digit)).then_some(part)
        };
        let (version, trace_id, parent_id) = (part(2)?, part(32)?, part(16)?);
        part(2)?;
        // Later versions may append fields.
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        if !is_known {
            return None;
        }
        Some(Self {
            trace_id: Id::parse(trace_id)?,
            parent_id: Id::parse(parent_id)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn valid_fields_are_read_and_no_others() {
        for (text, is_valid) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-later"), true),
            (format!("00-{TRACE}-{SPAN}-01-later"), false),
            (format!("ff-{TRACE}-{SPAN}-01"), false),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), false),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{TRACE}-{SPAN}"), false),
            (format!("00-{TRACE}-{SPAN}-1"), false),
            (format!("00-{}-{SPAN}-01", &TRACE[1..]), false),
            (format!("00-{TRACE}-{SPAN}-0g"), false),
            (String::new(), false),
        ] {
            let parsed = TraceContext::parse(&text);
            let written =
                parsed.map(|trace| (trace.trace_id.to_string(), trace.parent_id.to_string()));
            let expected = is_valid.then(|| (TRACE.to_owned(), SPAN.to_owned()));
            assert_eq!(written, expected, "{text}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_none() {
        let mut headers = HeaderMap::new();
        let value = format!("00-{TRACE}-{SPAN}-01").parse().unwrap();
        headers.append("traceparent", value);
        let once = TraceContext::read(&headers);
        assert_eq!(
            once.map(|context| context.parent_id.to_string()).as_deref(),
            Some(SPAN)
        );
        headers.append(
            "traceparent",
            format!("00-{TRACE}-{SPAN}-00").parse().unwrap(),
        );
        assert_eq!(TraceContext::read(&headers), None);
    }
}
