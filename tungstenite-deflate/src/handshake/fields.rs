//! Values of header fields that are lists of tokens (RFC 9110 §5.6.1, RFC 6455 §4.3).

use std::collections::HashSet;

use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

/// Returns true if any line of field `name` lists `token`, compared without regard to ASCII case.
pub(super) fn lists_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The only line of field `name`: `None` if absent, an error if there are several.
pub(super) fn only(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&HeaderValue>, Repeated> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    match lines.next() {
        None => Ok(first),
        Some(_) => Err(Repeated),
    }
}

/// A field that may stand once stands more often.
#[derive(Debug)]
pub(super) struct Repeated;

/// The subprotocols that field `name` lists over all its lines, in order.
///
/// # Errors
/// The first element that is not a token, or there twice (RFC 6455 §4.1 item 10).
pub(super) fn protocols(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Vec<HeaderValue>, Vec<u8>> {
    let mut seen = HashSet::new();
    elements(headers, name)
        .map(|element| match HeaderValue::from_bytes(element) {
            Ok(value) if is_token(element) && seen.insert(element) => Ok(value),
            _ => Err(element.to_vec()),
        })
        .collect()
}

/// The one element that field `name` lists over all its lines: `None` if there is none, an error if there are several.
pub(super) fn sole(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&[u8]>, Repeated> {
    let mut elements = elements(headers, name);
    let first = elements.next();
    match elements.next() {
        None => Ok(first),
        Some(_) => Err(Repeated),
    }
}

/// Comma-separated elements over all lines of field `name`, without the white space around them. Empty ones are ignored
/// (RFC 9110 §5.6.1.2).
pub(super) fn elements(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// RFC 9110 §5.6.2: one or more characters that are neither control, space nor separator.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (http::header::CONNECTION, HeaderValue::from_static(line)))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            })
    }

    #[test]
    fn tokens_are_compared_whole() {
        for (lines, found) in [
            (&["Upgrade"][..], true),
            (&["keep-alive, Upgrade"], true),
            (&["keep-alive", "\tuPGRADE "], true),
            (&["keep-alive,,upgrade"], true),
            (&["notupgrade"], false),
            (&["upgrade2", "up grade"], false),
            (&["upgrade;q=1"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(
                lists_token(&headers(lines), "connection", "upgrade"),
                found,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn protocol_lists_follow_the_grammar() {
        for (lines, expected) in [
            (&["chat, superchat"][..], Ok(&["chat", "superchat"][..])),
            (&["chat", "v1.json"], Ok(&["chat", "v1.json"])),
            (&[], Ok(&[])),
            (&[""], Ok(&[])),
            (&["chat,"], Ok(&["chat"])),
            (&[", ,chat,\t,v1.json ,", ""], Ok(&["chat", "v1.json"])),
            (&["chat, chat"], Err("chat")),
            (&["a b"], Err("a b")),
            (&["\"a\""], Err("\"a\"")),
            (&["chat", "a=b"], Err("a=b")),
        ] {
            let expected: Result<Vec<_>, _> = expected.map(|names: &[&'static str]| {
                names
                    .iter()
                    .map(|name| HeaderValue::from_static(name))
                    .collect()
            });
            assert_eq!(
                protocols(&headers(lines), "connection"),
                expected.map_err(|bad: &str| bad.as_bytes().to_vec()),
                "{lines:?}"
            );
        }
    }
}
