//! Showing a peer's text on a terminal without letting it steer the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces what could steer a terminal or forge a line: C0 except tab, DEL, C1, bidi controls, line separators.
///
/// Printable text such as `Olá` stays as it is; the rest reads `\n`, `\x1b`, `\u{202e}`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            c if !steers(c) => shown.push(c),
            c if (c as u32) < 0x100 => {
                let _ = write!(shown, "\\x{:02x}", c as u32);
            }
            c => {
                let _ = write!(shown, "\\u{{{:x}}}", c as u32);
            }
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal might do something other than print this character.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_stays() {
        for text in ["Olá, servidor WebSocket!", "a\tb", "日本語 👍", ""] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn every_control_is_escaped() {
        let controls = (0..=0x1f_u32)
            .filter(|&c| c != 9)
            .chain(0x7f..=0x9f)
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069);
        for number in controls {
            let c = char::from_u32(number).unwrap();
            let shown = escaped(&c.to_string()).into_owned();
            assert!(
                shown.starts_with('\\') && shown.chars().all(|c| c.is_ascii_graphic()),
                "{number:x}: {shown}"
            );
        }
    }

    #[test]
    fn sequences_lose_their_effect() {
        assert_eq!(escaped("\x1b]52;c;aGk=\x07"), "\\x1b]52;c;aGk=\\x07");
        assert_eq!(escaped("a\nforged"), "a\\nforged");
        assert_eq!(escaped("\u{202e}txt"), "\\u{202e}txt");
    }
}
