//! The caller's position in a distributed trace: `traceparent` (W3C Trace Context, section 3.2).

use http::HeaderMap;

/// The ids of a valid `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TraceContext {
    /// The whole trace, 32 hexadecimal digits.
    pub(super) trace_id: String,
    /// The caller's span, 16 hexadecimal digits.
    pub(super) parent_id: String,
}

impl TraceContext {
    /// Reads the field; `None` unless there is one and it is valid, since a broken one must not be used (section 4.2).
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
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
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        // Later versions may append fields.
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        (is_known && !is_zero(trace_id) && !is_zero(parent_id)).then(|| Self {
            trace_id: trace_id.to_owned(),
            parent_id: parent_id.to_owned(),
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
            let expected = is_valid.then(|| TraceContext {
                trace_id: TRACE.to_owned(),
                parent_id: SPAN.to_owned(),
            });
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_none() {
        let mut headers = HeaderMap::new();
        let value = format!("00-{TRACE}-{SPAN}-01").parse().unwrap();
        headers.append("traceparent", value);
        let once = TraceContext::read(&headers);
        assert_eq!(once.map(|context| context.parent_id).as_deref(), Some(SPAN));
        headers.append(
            "traceparent",
            format!("00-{TRACE}-{SPAN}-00").parse().unwrap(),
        );
        assert_eq!(TraceContext::read(&headers), None);
    }
}
