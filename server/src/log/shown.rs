//! Text from strangers, made safe to look at.

use std::fmt::{self, Write};

use tungstenite_deflate::tungstenite::Message;

/// Text with its control characters escaped, so that it can neither forge a line nor steer a terminal.
///
/// Escaped are C0 (but tab), DEL, C1 and the characters that change the direction of writing; anything else stays as it
/// is. At most 4 KiB are shown, and then how many there were.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

/// A message as the log shows it: text escaped, binary data as its length.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a Message);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = (0..=LONGEST.min(self.0.len()))
            .rfind(|&at| self.0.is_char_boundary(at))
            .unwrap_or(0);
        let mut rest = &self.0[..end];
        // What is harmless is written at once: character by character it costs more than all else about a message.
        while let Some(at) = rest.find(is_dangerous) {
            formatter.write_str(&rest[..at])?;
            let mut characters = rest[at..].chars();
            for escape in characters.next().into_iter().flat_map(char::escape_default) {
                formatter.write_char(escape)?;
            }
            rest = characters.as_str();
        }
        formatter.write_str(rest)?;
        if end < self.0.len() {
            write!(formatter, "… ({} bytes in all)", self.0.len())
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Text(text) => Escaped(text.as_str()).fmt(formatter),
            message => write!(formatter, "({} bytes)", message.len()),
        }
    }
}

/// Whether a terminal or a reader would take the character for more than a letter.
fn is_dangerous(character: char) -> bool {
    let directs = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    directs || (character.is_control() && character != '\t')
}

/// Bytes of one text that the log shows.
pub(crate) const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        for code in (0..0x20)
            .chain(0x7f..0xa0)
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069)
        {
            let character = char::from_u32(code).unwrap();
            let shown = Escaped(&character.to_string()).to_string();
            assert_eq!(shown.contains(character), character == '\t', "U+{code:04X}");
        }
        assert_eq!(Escaped("a\nb\x1b[2J").to_string(), "a\\nb\\u{1b}[2J");
    }

    #[test]
    fn letters_stay_as_they_are() {
        assert_eq!(
            Escaped("Olá, servidor WebSocket! 👋").to_string(),
            "Olá, servidor WebSocket! 👋"
        );
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let shown = Escaped(&"é".repeat(4000)).to_string();
        assert!(shown.ends_with("… (8000 bytes in all)"));
        assert!(shown.len() < LONGEST + 40);
    }
}
