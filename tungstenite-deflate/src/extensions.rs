//! Grammar of the Sec-WebSocket-Extensions header (RFC 6455 §9.1).
//!
//! ```
//! use tungstenite_deflate::extensions::parse;
//!
//! let mut extensions = parse(b"permessage-deflate; client_max_window_bits, x-other; a=\"b\"");
//! let first = extensions.next().unwrap().unwrap();
//! assert_eq!((first.name, first.parameters[0].name), ("permessage-deflate", "client_max_window_bits"));
//! let second = extensions.next().unwrap().unwrap();
//! assert_eq!(second.parameters[0].value.as_deref(), Some("b"));
//! ```

use std::borrow::Cow;

/// One extension of a header line, with its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its registered name; upper and lower case differ.
    pub name: &'a str,
    /// Its parameters; a name may stand there more than once.
    pub parameters: Vec<Parameter<'a>>,
}

/// One parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name; upper and lower case differ.
    pub name: &'a str,
    /// Value after the `=`, without quotes and their escapes; always a token.
    pub value: Option<Cow<'a, str>>,
    /// The value was written as a quoted string.
    pub quoted: bool,
}

/// An element that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of Sec-WebSocket-Extensions: expected {expected} (RFC 6455 §9.1)")]
pub struct GrammarError {
    /// Offset in the header line.
    pub at: usize,
    /// Description of what is allowed there.
    pub expected: &'static str,
}

/// The extensions of one header line, one by one; see [`parse`].
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    line: &'a [u8],
    at: usize,
}

/// Reads the value of one Sec-WebSocket-Extensions header line; several lines are read one after the other.
///
/// Empty elements are passed over (RFC 9110 §5.6.1). An element that does not follow the grammar gives its error, and
/// reading goes on after the next comma outside quotes. Time is linear in the line's length.
pub fn parse(line: &[u8]) -> Extensions<'_> {
    Extensions { line, at: 0 }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, GrammarError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.skip(b',') {}
        if self.at == self.line.len() {
            return None;
        }
        let start = self.at;
        let result = self.extension();
        if result.is_err() {
            self.at = self.end_of_element(start);
        }
        Some(result)
    }
}

impl std::iter::FusedIterator for Extensions<'_> {}

impl<'a> Extensions<'a> {
    /// `extension = extension-token *( ";" extension-param )`, up to a comma or the end.
    fn extension(&mut self) -> Result<Extension<'a>, GrammarError> {
        let name = self.token("an extension's name")?;
        let mut parameters = Vec::new();
        while self.skip(b';') {
            parameters.push(self.parameter()?);
        }
        self.skip_space();
        match self.peek() {
            None | Some(b',') => Ok(Extension { name, parameters }),
            Some(_) => Err(self.error("';', ',' or the end")),
        }
    }

    /// `extension-param = token [ "=" (token | quoted-string) ]`.
    fn parameter(&mut self) -> Result<Parameter<'a>, GrammarError> {
        let name = self.token("a parameter's name")?;
        if !self.skip(b'=') {
            return Ok(Parameter {
                name,
                value: None,
                quoted: false,
            });
        }
        self.skip_space();
        let quoted = self.peek() == Some(b'"');
        let value = if quoted {
            self.quoted_string()?
        } else {
            Cow::Borrowed(self.token("a parameter's value")?)
        };
        Ok(Parameter {
            name,
            value: Some(value),
            quoted,
        })
    }

    /// One or more token characters, spaces before them passed over.
    fn token(&mut self, expected: &'static str) -> Result<&'a str, GrammarError> {
        self.skip_space();
        let rest = &self.line[self.at..];
        let length = rest
            .iter()
            .position(|&byte| !is_token(byte))
            .unwrap_or(rest.len());
        match std::str::from_utf8(&rest[..length]) {
            Ok(token) if !token.is_empty() => {
                self.at += length;
                Ok(token)
            }
            _ => Err(self.error(expected)),
        }
    }

    /// A quoted string whose content, after unescaping, is a token.
    fn quoted_string(&mut self) -> Result<Cow<'a, str>, GrammarError> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            let (byte, length) = match (self.peek(), self.line.get(self.at + 1)) {
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(&escaped)) => (escaped, 2),
                (Some(byte), _) => (byte, 1),
                (None, _) => return Err(self.error("a closing quote")),
            };
            if !is_token(byte) {
                return Err(self.error("a token within quotes"));
            }
            if length == 2 && unescaped.is_none() {
                unescaped = Some(
                    self.line[start..self.at]
                        .iter()
                        .map(|&byte| char::from(byte))
                        .collect(),
                );
            }
            if let Some(unescaped) = &mut unescaped {
                unescaped.push(char::from(byte));
            }
            self.at += length;
        }
        let text = std::str::from_utf8(&self.line[start..self.at]).unwrap_or_default();
        if text.is_empty() {
            return Err(self.error("a token within quotes"));
        }
        self.at += 1;
        Ok(unescaped.map_or(Cow::Borrowed(text), Cow::Owned))
    }

    /// Passes spaces, and `delimiter` after them if it is there.
    fn skip(&mut self, delimiter: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(delimiter);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn error(&self, expected: &'static str) -> GrammarError {
        GrammarError {
            at: self.at,
            expected,
        }
    }

    /// Returns the offset of the first comma outside quotes from `start` on, or the end.
    fn end_of_element(&self, start: usize) -> usize {
        let (mut quoted, mut escaped) = (false, false);
        let ends = |&byte: &u8| {
            let ends = byte == b',' && !quoted;
            match byte {
                _ if escaped => escaped = false,
                b'"' => quoted = !quoted,
                b'\\' if quoted => escaped = true,
                _ => {}
            }
            ends
        };
        self.line[start..]
            .iter()
            .position(ends)
            .map_or(self.line.len(), |length| start + length)
    }
}

/// Returns true if `byte` is a token character (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line's elements as text, errors as their position.
    fn shown(line: &[u8]) -> Vec<String> {
        let parameter = |parameter: &Parameter<'_>| match &parameter.value {
            Some(value) => format!(";{}={value}", parameter.name),
            None => format!(";{}", parameter.name),
        };
        let extension = |extension: Extension<'_>| {
            extension.name.to_owned()
                + &extension
                    .parameters
                    .iter()
                    .map(parameter)
                    .collect::<String>()
        };
        parse(line)
            .map(|element| element.map_or_else(|error| format!("!{}", error.at), extension))
            .collect()
    }

    #[test]
    fn grammar_of_rfc_6455_is_read() {
        let cases: &[(&str, &[&str])] = &[
            // RFC 6455 §9.1 itself.
            ("foo", &["foo"]),
            ("bar; baz=2", &["bar;baz=2"]),
            ("foo, bar; baz=2", &["foo", "bar;baz=2"]),
            ("deflate-stream", &["deflate-stream"]),
            (
                "mux; max-channels=4; flow-control, deflate-stream",
                &["mux;max-channels=4;flow-control", "deflate-stream"],
            ),
            ("private-extension", &["private-extension"]),
            // Spaces, empty elements, quoting.
            ("", &[]),
            (" \t, ,,", &[]),
            ("\ta ; b = c ,\td", &["a;b=c", "d"]),
            ("a;b=\"c\"", &["a;b=c"]),
            ("a;b=\"c\\d\\e\"; f", &["a;b=cde;f"]),
            ("a;b=c;b=d", &["a;b=c;b=d"]),
            // Not the grammar; what follows a comma outside quotes still is read.
            ("a;", &["!2"]),
            ("a;;b, c", &["!2", "c"]),
            ("a;b=, c", &["!4", "c"]),
            ("a;=b, c", &["!2", "c"]),
            ("a b, c", &["!2", "c"]),
            ("a=b, c", &["!1", "c"]),
            ("a;b=\"\", c", &["!5", "c"]),
            ("a;b=\"c, d\", e", &["!6", "e"]),
            ("a;b=\"c\\\",d\", e", &["!6", "e"]),
            ("a;b=\"c, d", &["!6"]),
            ("a;b=\"c", &["!6"]),
            ("a;b=\"c\\", &["!6"]),
            ("a;b=c d, e", &["!6", "e"]),
            ("a;b=\"c\"d, e", &["!7", "e"]),
            (";a, b", &["!0", "b"]),
            ("\u{a0}a, b", &["!0", "b"]),
            ("a\u{a0}, b", &["!1", "b"]),
            ("a\0, b", &["!1", "b"]),
            ("a\r\n b, c", &["!1", "c"]),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line.as_bytes()), *expected, "{line:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic() {
        let alphabet: &[u8] = b"a;=,\" \\\t\xff";
        let count = alphabet.len();
        for number in 0..count.pow(6) {
            let line: Vec<u8> = (0..6)
                .map(|digit| alphabet[number / count.pow(digit) % count])
                .collect();
            assert!(parse(&line).count() <= line.len());
        }
    }

    #[test]
    fn long_lines_take_linear_time() {
        for piece in ["a,", ";", "a;b=\"", "\"", "a;b=\"\\", ",", "a;", "a b,"] {
            let line = piece.repeat(1 << 19);
            assert!(parse(line.as_bytes()).count() <= line.len(), "{piece}");
        }
    }
}
