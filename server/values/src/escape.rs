//! Text of a peer, made safe for a log and for a terminal.

use std::borrow::Cow;
use std::fmt::{self, Display};

use icu_properties::props::{DefaultIgnorableCodePoint, Emoji, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::joiner;

/// Displays bytes of a peer so that they can neither forge a line nor steer a terminal nor hide.
///
/// Visible characters, spaces and tabs stay as they are.
/// Everything else is escaped: `\n` and `\r`, other ASCII controls as `\x1b`, other characters as `\u{202e}`, bytes that
/// are not UTF-8 as `\xff`.
/// That covers controls (C0, DEL, C1), line and paragraph separators, every format character (bidirectional controls and
/// isolates, zero-width characters, byte order mark, interlinear annotations, tags), default ignorable characters such as
/// Hangul fillers, private use and unassigned code points, and a combining mark without a character of the peer before it.
/// Variation selectors stay inside an emoji, and joiners inside an emoji or where letters are drawn by them
/// ([`joiner::is_drawn`]).
///
/// A backslash stays as it is, so the result is for reading, not for decoding.
///
/// The output is bounded: [`MAX_BYTES`] unless [`max_bytes`](Self::max_bytes) says otherwise, then `…` and the length of the
/// whole.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    max_bytes: usize,
}

/// Default limit for the output of one [`Escaped`], in bytes.
pub const MAX_BYTES: usize = 4096;

impl<'a> Escaped<'a> {
    /// Wraps text or bytes of a peer.
    pub fn new<T: AsRef<[u8]> + ?Sized>(bytes: &'a T) -> Self {
        Self {
            bytes: bytes.as_ref(),
            max_bytes: MAX_BYTES,
        }
    }

    /// Sets the maximum of bytes that are written before the text is cut.
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }
}

/// Escapes a whole text, without a limit; borrows it if nothing is escaped.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_plain_ascii) {
        return Cow::Borrowed(text);
    }
    let shown = Escaped::new(text).max_bytes(usize::MAX).to_string();
    if shown == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(shown)
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = Bounded {
            formatter,
            left: self.max_bytes,
        };
        match output.bytes(self.bytes) {
            Ok(()) => Ok(()),
            Err(Stop::Full) => write!(formatter, "… ({} bytes in all)", self.bytes.len()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Writes escaped text until a number of bytes is used up.
struct Bounded<'a, 'b> {
    formatter: &'a mut fmt::Formatter<'b>,
    left: usize,
}

/// Ends a text before it is written whole.
enum Stop {
    Full,
    Failed(fmt::Error),
}

impl From<fmt::Error> for Stop {
    fn from(error: fmt::Error) -> Self {
        Self::Failed(error)
    }
}

impl Bounded<'_, '_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        for chunk in bytes.utf8_chunks() {
            self.text(chunk.valid())?;
            for byte in chunk.invalid() {
                self.escape(format_args!("\\x{byte:02x}"), 4)?;
            }
        }
        Ok(())
    }

    /// Writes runs of visible characters whole and escapes what stands between them.
    fn text(&mut self, text: &str) -> Result<(), Stop> {
        let mut rest = text;
        let mut previous = None;
        while !rest.is_empty() {
            let plain = rest
                .bytes()
                .take_while(|&byte| is_plain_ascii(byte))
                .count();
            // A mark after plain ASCII belongs to the last character of it, so the run before it may end anywhere.
            previous = rest[..plain].chars().next_back().or(previous);
            self.plain(&rest[..plain])?;
            let mut characters = rest[plain..].chars();
            let Some(character) = characters.next() else {
                return Ok(());
            };
            rest = characters.as_str();
            if is_visible(previous, character, rest.chars().next()) {
                let mut buffer = [0; 4];
                self.plain(character.encode_utf8(&mut buffer))?;
                previous = Some(character);
            } else {
                self.character(character)?;
                previous = None;
            }
        }
        Ok(())
    }

    /// Writes as much of `text` as fits.
    fn plain(&mut self, text: &str) -> Result<(), Stop> {
        let end = (0..=self.left.min(text.len()))
            .rfind(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        self.formatter.write_str(&text[..end])?;
        self.left -= end;
        if end < text.len() {
            return Err(Stop::Full);
        }
        Ok(())
    }

    fn character(&mut self, character: char) -> Result<(), Stop> {
        match character {
            '\n' => self.escape(format_args!("\\n"), 2),
            '\r' => self.escape(format_args!("\\r"), 2),
            '\0'..='\x7f' => self.escape(format_args!("\\x{:02x}", u32::from(character)), 4),
            _ => {
                let escape = character.escape_unicode();
                let bytes = escape.len();
                self.escape(format_args!("{escape}"), bytes)
            }
        }
    }

    /// Writes an escape of `bytes` bytes whole or not at all.
    fn escape(&mut self, escape: fmt::Arguments<'_>, bytes: usize) -> Result<(), Stop> {
        self.left = self.left.checked_sub(bytes).ok_or(Stop::Full)?;
        Ok(self.formatter.write_fmt(escape)?)
    }
}

/// Returns true for ASCII that stays as it is wherever it stands.
fn is_plain_ascii(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t')
}

/// Returns true if `character` is seen as itself between its neighbours; `previous` is `None` at the start of the text and
/// after an escape.
fn is_visible(previous: Option<char>, character: char, next: Option<char>) -> bool {
    match character {
        // Emoji or text presentation; the keycap of a digit has it too (UTS #51 §1.4).
        '\u{fe0e}' | '\u{fe0f}' => {
            previous.is_some_and(|previous| is_emoji(previous) || is_keycap(previous, next))
        }
        joiner::JOINER | joiner::NON_JOINER if joiner::is_drawn(previous, character, next) => true,
        // Zero-width joiner inside a sequence of emoji.
        '\u{200d}' => {
            previous.is_some_and(|previous| previous == '\u{fe0f}' || is_emoji(previous))
                && next.is_some_and(is_emoji)
        }
        _ if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character) => false,
        _ => match CodePointMapData::<GeneralCategory>::new().get(character) {
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned => false,
            // It would be drawn over what the program itself wrote before it.
            GeneralCategory::NonspacingMark
            | GeneralCategory::EnclosingMark
            | GeneralCategory::SpacingMark => previous.is_some(),
            _ => true,
        },
    }
}

/// Returns true for emoji beyond ASCII, whose digits, `#` and `*` have the property too.
fn is_emoji(character: char) -> bool {
    !character.is_ascii() && CodePointSetData::new::<Emoji>().contains(character)
}

/// Returns true for the beginning of a keycap such as `1️⃣`.
fn is_keycap(base: char, after_selector: Option<char>) -> bool {
    matches!(base, '0'..='9' | '#' | '*') && after_selector == Some('\u{20e3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of character that must not reach a terminal, by ranges.
    const HIDDEN: [(&str, u32, u32); 31] = [
        ("C0 before tab", 0x00, 0x08),
        ("C0 after tab", 0x0a, 0x1f),
        ("DEL and C1", 0x7f, 0x9f),
        ("soft hyphen", 0xad, 0xad),
        ("combining grapheme joiner", 0x34f, 0x34f),
        ("Arabic letter mark", 0x61c, 0x61c),
        ("Hangul fillers", 0x115f, 0x1160),
        ("Khmer inherent vowels", 0x17b4, 0x17b5),
        ("Mongolian variation selectors", 0x180b, 0x180f),
        ("zero-width space to right-to-left mark", 0x200b, 0x200f),
        ("separators, embeddings and overrides", 0x2028, 0x202e),
        ("word joiner, invisible operators", 0x2060, 0x2064),
        ("isolates, deprecated format characters", 0x2066, 0x206f),
        ("Hangul filler", 0x3164, 0x3164),
        ("private use", 0xe000, 0xe010),
        ("variation selectors", 0xfe00, 0xfe0f),
        ("noncharacters", 0xfdd0, 0xfdef),
        ("byte order mark", 0xfeff, 0xfeff),
        ("halfwidth Hangul filler", 0xffa0, 0xffa0),
        ("specials", 0xfff0, 0xfff8),
        ("interlinear annotation", 0xfff9, 0xfffb),
        ("noncharacters at the end of a plane", 0xfffe, 0xffff),
        ("Egyptian format controls", 0x13430, 0x13438),
        ("shorthand format controls", 0x1bca0, 0x1bca3),
        ("musical format controls", 0x1d173, 0x1d17a),
        ("unassigned", 0x3fff0, 0x3ffff),
        ("tags", 0xe0000, 0xe007f),
        ("variation selectors supplement", 0xe0100, 0xe01ef),
        ("unassigned, ignorable", 0xe01f0, 0xe0fff),
        ("private use, plane 15", 0xf_fff0, 0xf_ffff),
        ("private use, plane 16", 0x10_fff0, 0x10_ffff),
    ];

    #[test]
    fn hidden_characters_are_escaped_alone_and_inside_a_word() {
        for (kind, first, last) in HIDDEN {
            for character in (first..=last).filter_map(char::from_u32) {
                for text in [
                    character.to_string(),
                    format!("a{character}b"),
                    format!("é{character}"),
                    format!("{character}{character}"),
                ] {
                    let shown = escaped(&text).into_owned();
                    assert!(
                        !shown.contains(character) && shown.contains('\\'),
                        "{kind}: U+{:04X} in {text:?}",
                        u32::from(character)
                    );
                    assert_eq!(Escaped::new(&text).to_string(), shown);
                }
            }
        }
    }

    #[test]
    fn visible_text_stays() {
        for text in [
            "",
            "Olá, servidor WebSocket!",
            "a\tb",
            "C:\\path \"quoted\"",
            "日本語\u{3000}한국어",
            "नमस्ते বাংলা தமிழ் ไทย",
            "ශ්\u{200d}රී අනිල් അനില്\u{200d} علی\u{200c}رضا",
            "Joa\u{303}o",
            "שלום עולם",
            "👋 ❤️ 1️⃣ 👩🏽‍💻 ❤️‍🔥 👨‍👩‍👧 🇵🇹",
        ] {
            assert!(
                matches!(escaped(text), Cow::Borrowed(same) if same == text),
                "{text:?}"
            );
            assert_eq!(Escaped::new(text).to_string(), text);
        }
    }

    #[test]
    fn sequences_lose_their_effect() {
        for (text, shown) in [
            (&b"\x1b]52;c;aGk=\x07"[..], "\\x1b]52;c;aGk=\\x07"),
            (b"a\nforged\r\n", "a\\nforged\\r\\n"),
            ("\u{202e}txt\u{9b}2J".as_bytes(), "\\u{202e}txt\\u{9b}2J"),
            (
                "a\u{200d}b 👩\u{200d}".as_bytes(),
                "a\\u{200d}b 👩\\u{200d}",
            ),
            ("1\u{fe0f}2".as_bytes(), "1\\u{fe0f}2"),
            (
                "\u{301}a\u{301}\u{200b}\u{301}".as_bytes(),
                "\\u{301}a\u{301}\\u{200b}\\u{301}",
            ),
            (b"ok\xff\xc3(\xf0\x9f", "ok\\xff\\xc3(\\xf0\\x9f"),
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ] {
            assert_eq!(Escaped::new(text).to_string(), shown);
        }
    }

    #[test]
    fn output_is_bounded_and_cut_between_characters() {
        for text in [
            "é".repeat(9000),
            "\x1b".repeat(9000),
            "a\u{e0041}".repeat(9000),
        ] {
            for limit in [0, 1, 2, 3, 9, 10, 11, 4095, 4096] {
                let shown = Escaped::new(&text).max_bytes(limit).to_string();
                let end = format!("… ({} bytes in all)", text.len());
                let start = shown.strip_suffix(&end).unwrap();
                assert!(
                    start.len() <= limit && start.len() + 10 > limit,
                    "{limit}: {shown}"
                );
            }
        }
        assert_eq!(Escaped::new("abc").max_bytes(3).to_string(), "abc");
        assert_eq!(
            Escaped::new("abcd").max_bytes(3).to_string(),
            "abc… (4 bytes in all)"
        );
    }
}
