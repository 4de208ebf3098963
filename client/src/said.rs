//! The server's explanation in the body of a refusal, as one line.

use serde_json::Value;

/// Longest text taken from a body, in characters.
const MAX_CHARACTERS: usize = 300;

/// Members of a JSON object that explain, the most telling first (RFC 9457 §3.1, OAuth, and what services use).
const TELLING: [&str; 6] = [
    "detail",
    "message",
    "error_description",
    "error",
    "title",
    "reason",
];

/// The explanation in `body`: the telling member of a JSON object, the title of a page, or the text itself. Not escaped.
pub(crate) fn explanation(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let said = match serde_json::from_str(text) {
        Ok(Value::Object(members)) => TELLING
            .iter()
            .find_map(|name| members.get(*name).and_then(words)),
        Ok(value) => words(&value),
        Err(_) if text.starts_with('<') => title(text),
        Err(_) => Some(text.to_owned()),
    };
    said.map(|said| one_line(&said))
        .filter(|said| !said.is_empty())
}

/// A string, or the one within `{"error": {"message": …}}`.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(members) => TELLING
            .iter()
            .find_map(|name| members.get(*name).and_then(Value::as_str))
            .map(Into::into),
        _ => None,
    }
}

fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title>")? + "<title>".len();
    let end = begin + lower[begin..].find("</title>")?;
    Some(page[begin..end].to_owned())
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_found_in_what_servers_send() {
        for (body, said) in [
            ("token expired\n", Some("token expired")),
            ("two\r\n  lines\n", Some("two lines")),
            (
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"token expired"}"#,
                Some("token expired"),
            ),
            (r#"{"title":"Unauthorized"}"#, Some("Unauthorized")),
            (r#"{"error":"invalid_token"}"#, Some("invalid_token")),
            (r#"{"error":{"message":"no"}}"#, Some("no")),
            (
                r#"{"error":"invalid_token","error_description":"it is old"}"#,
                Some("it is old"),
            ),
            (
                "<html><head><TITLE>403 Forbidden</TITLE>",
                Some("403 Forbidden"),
            ),
            ("<html><p>x", None),
            (r#"{"status":401}"#, None),
            ("[1]", None),
            ("", None),
            (" \n", None),
        ] {
            assert_eq!(explanation(body.as_bytes()).as_deref(), said, "{body}");
        }
        let long = explanation("é".repeat(1000).as_bytes()).unwrap();
        assert_eq!(long.chars().count(), MAX_CHARACTERS + 1);
        assert_eq!(explanation(b"\xff\xfe").unwrap(), "\u{fffd}\u{fffd}");
    }
}
