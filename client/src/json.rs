//! JSON laid out for reading: order, numbers and escapes stay as the peer wrote them.

use crate::style::Style;

/// Lays out `text` over several lines when it is a JSON object or array; `None` when it is not.
///
/// Control characters cannot be in valid JSON outside strings, other than white space, which is dropped; inside
/// strings they are always escaped (RFC 8259 §7). C1 and bidi controls are escaped by the caller, line by line.
pub(crate) fn pretty(text: &str, style: Style) -> Option<String> {
    let trimmed = text.trim();
    if !trimmed.starts_with(['{', '['])
        || serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_err()
    {
        return None;
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut rest = trimmed;
    while let Some(c) = rest.chars().next() {
        match c {
            '{' | '[' => {
                // An empty object or array stays on its line.
                let after = rest[1..].trim_start();
                if after.starts_with(['}', ']']) {
                    out.push_str(if c == '{' { "{}" } else { "[]" });
                    rest = &after[1..];
                    continue;
                }
                depth += 1;
                out.push(c);
                new_line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                // A string with a colon after it is a key; both are escaped for the terminal.
                let end = string_end(rest);
                let is_key = rest[end..].trim_start().starts_with(':');
                let shown = values::escape::escaped(&rest[..end]).into_owned();
                out.push_str(&if is_key {
                    style.key(&shown)
                } else {
                    style.string(&shown)
                });
                rest = &rest[end..];
                continue;
            }
            c if c.is_ascii_whitespace() => {}
            _ => {
                let end = rest
                    .find([',', '}', ']', ' ', '\n', '\t', '\r'])
                    .unwrap_or(rest.len());
                out.push_str(&style.number(&rest[..end]));
                rest = &rest[end..];
                continue;
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    Some(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Length of the string literal that `text` begins with, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_keeps_order_and_numbers() {
        let shown = pretty(
            r#"{"b":1.50,"a":[true,{"x":"y, \"z\""}],"e":{ },"n":[]}"#,
            Style::plain(),
        )
        .unwrap();
        assert_eq!(
            shown,
            "{\n  \"b\": 1.50,\n  \"a\": [\n    true,\n    {\n      \"x\": \"y, \\\"z\\\"\"\n    }\n  ],\n  \"e\": {},\n  \"n\": []\n}"
        );
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["", "5", "\"a\"", "{", "[1,]", "Olá", "{\"a\":1} x"] {
            assert_eq!(pretty(text, Style::plain()), None, "{text}");
        }
    }

    #[test]
    fn bidi_controls_in_strings_are_escaped() {
        assert_eq!(
            pretty("[\"\u{202e}\"]", Style::plain()).unwrap(),
            "[\n  \"\\u{202e}\"\n]"
        );
    }
}
