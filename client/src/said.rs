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

/// The title of a page, or its first heading where that says nothing.
fn title(page: &str) -> Option<String> {
    ["title", "h1"]
        .iter()
        .filter_map(|name| element(page, name))
        .find(|text| !text.trim().is_empty())
}

/// The text of the first element of this name, without the tags within.
fn element(page: &str, name: &str) -> Option<String> {
    // Letters keep their places.
    let lower = page.to_ascii_lowercase();
    let (opening, closing) = (format!("<{name}"), format!("</{name}"));
    let ends_name = |rest: &str| rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace());
    let attributes = lower
        .match_indices(&opening)
        .map(|(at, _)| at + opening.len())
        .find(|&at| ends_name(&lower[at..]))?;
    let begin = attributes + lower[attributes..].find('>')? + 1;
    let end = begin + lower[begin..].find(&closing)?;
    let mut pieces = page[begin..end].split('<');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (tag, rest) = piece.split_once('>').unwrap_or((piece, ""));
        if tag.starts_with("br") {
            text.push(' ');
        }
        text.push_str(rest);
    }
    Some(text)
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
            (
                "<html><title lang=\"en\">403 Forbidden</title >",
                Some("403 Forbidden"),
            ),
            ("<html><h1>Forbidden</h1><p>x<h1>y</h1>", Some("Forbidden")),
            (
                "<H1\nclass='a'>No <em>access</em>,<br>João</H1>",
                Some("No access, João"),
            ),
            ("<title></title><h1><img src=a></h1><h1>Gone</h1>", None),
            ("<title> </title><h1>Gone</h1>", Some("Gone")),
            ("<titles>x</titles><h1x>y</h1x>", None),
            ("<title>x", None),
            ("<h1>x", None),
            ("<title", None),
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
