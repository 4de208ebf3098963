//! Rules for members' names: people's names in every living script, and nothing that deceives.
//!
//! | rule | source |
//! |---|---|
//! | a name is compared and kept in Normalization Form C | UAX #15; file names and keyboards of macOS decompose |
//! | letters, marks and digits, by their type: Recommended, Limited Use, Uncommon Use | UTS #39 §3.1 |
//! | one script in a word, or Han, Kana, Hangul or Bopomofo with Latin | UTS #39 §5.1 and §5.2, Highly Restrictive |
//! | at most four marks in a row, none at the beginning | UTS #39 §5.4 |
//! | nothing invisible: default-ignorable characters, controls of direction, fillers, spaces but U+0020 | UTS #39 §3.1 |
//! | U+200C and U+200D only where letters are drawn by them: after a virama, between Arabic letters | RFC 5892 A.1, A.2 |
//! | nothing that looks like `*` or `!`, with which the server's own lines begin | UTS #39 §4, skeletons |

use std::borrow::Cow;

use icu_properties::props::{Emoji, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile, skeleton};
use values::joiner;

use super::error::{MAX_NAME_BYTES, NameError};

/// Brings a member's name into the form in which it is kept.
///
/// # Errors
/// It is none.
pub(super) fn member(text: &str) -> Result<String, NameError> {
    // Composing makes no text shorter than a third; what is longer than that need not be looked at.
    check_length(text.len(), 3 * MAX_NAME_BYTES)?;
    let name = normalized(text);
    check_length(name.len(), MAX_NAME_BYTES)?;
    match first_not_allowed(&name) {
        Some(character) => Err(NameError::Character {
            what: "member",
            character,
            allowed: "letters, digits, emoji, single spaces and - _ . '",
        }),
        None => check_words(&name).map(|()| name),
    }
}

fn check_length(bytes: usize, max: usize) -> Result<(), NameError> {
    if (1..=max).contains(&bytes) {
        return Ok(());
    }
    let what = "member";
    Err(NameError::Length { what, bytes })
}

/// Form C, with one spelling of what keyboards write in two ways: the apostrophe, and emoji with or without a selector.
fn normalized(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut after_emoji = false;
    for character in text.nfc() {
        match character {
            EMOJI_SELECTOR if after_emoji => {}
            TYPOGRAPHIC_APOSTROPHE => name.push('\''),
            _ => name.push(character),
        }
        after_emoji = is_emoji(character);
    }
    name
}

/// The first character of `name` that may not be where it is.
fn first_not_allowed(name: &str) -> Option<char> {
    let mut characters = name.chars().peekable();
    let mut previous = None;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        if !is_allowed(character) && !joiner::is_drawn(previous, character, next) {
            return Some(character);
        }
        previous = Some(character);
    }
    None
}

/// Reports whether a character may be part of a name wherever it stands.
fn is_allowed(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric()
            || matches!(character, ' ' | '-' | '_' | '.' | '\'');
    }
    let is_of_names = match character.identifier_type() {
        Some(
            IdentifierType::Recommended
            | IdentifierType::Limited_Use
            | IdentifierType::Uncommon_Use,
        ) => is_letter_mark_or_digit(character),
        _ => SEPARATORS.contains(&character) || SARA_AM.contains(&character) || is_emoji(character),
    };
    is_of_names && !looks_like_the_server(character)
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

fn is_letter_mark_or_digit(character: char) -> bool {
    let group = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Number);
    group.contains(category(character))
}

fn is_mark(character: char) -> bool {
    GeneralCategoryGroup::Mark.contains(category(character))
}

/// Pictures, which do not look like punctuation as some older ones do (U+2757, U+2733).
fn is_emoji(character: char) -> bool {
    character >= FIRST_PICTURE && CodePointSetData::new::<Emoji>().contains(character)
}

/// Reports whether a character can be taken for the first one of a line of the server's own.
fn looks_like_the_server(character: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    skeleton(text).any(|prototype| matches!(prototype, '*' | '!'))
}

/// Checks what follows from how characters stand together.
fn check_words(name: &str) -> Result<(), NameError> {
    let wrong = |problem: &'static str| Err(NameError::Spelling { problem });
    if name.split(' ').any(str::is_empty) {
        return wrong("spaces stand between words, one at a time");
    }
    if !name
        .chars()
        .any(|character| is_emoji(character) || is_letter_mark_or_digit(character))
    {
        return wrong("a name has at least one letter, digit or emoji");
    }
    let words = || name.split(|character: char| is_separator(character));
    if words().any(|word| word.chars().next().is_some_and(is_mark)) {
        return wrong("a mark follows a letter");
    }
    let mut marks = 0;
    for character in name.chars() {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        if marks > MAX_MARKS {
            return wrong("at most four marks stand on one letter");
        }
    }
    // Letters of two scripts in one word look like another name (UTS #39 §5).
    if words().all(is_of_one_writing_system) {
        return Ok(());
    }
    wrong("a word is written in one script, or in Han, Kana, Hangul or Bopomofo with Latin")
}

fn is_separator(character: char) -> bool {
    matches!(character, ' ' | '-' | '_' | '.' | '\'') || SEPARATORS.contains(&character)
}

/// Reports whether the letters of a word are of one script, or of those that are written together.
fn is_of_one_writing_system(word: &str) -> bool {
    let scripts = AugmentedScriptSet::for_str(word);
    if !scripts.is_empty() {
        return true;
    }
    let without_latin: Cow<'_, str> = word
        .chars()
        .filter(|character| !character.is_ascii())
        .collect();
    let scripts = AugmentedScriptSet::for_str(&without_latin);
    scripts.kore || scripts.hanb || scripts.jpan
}

/// Points within and between the words of names: Catalan, Hebrew, Tibetan, Japanese.
const SEPARATORS: [char; 5] = ['\u{b7}', '\u{5f3}', '\u{5f4}', '\u{f0b}', '\u{30fb}'];

/// Vowels of Thai and Lao that have a decomposition, which nobody writes.
const SARA_AM: [char; 2] = ['\u{e33}', '\u{eb3}'];

/// U+2019, which keyboards of phones write for `'`.
const TYPOGRAPHIC_APOSTROPHE: char = '\u{2019}';

/// U+FE0F, which asks for the coloured form of an emoji.
const EMOJI_SELECTOR: char = '\u{fe0f}';

/// The first of the blocks that hold pictures alone.
const FIRST_PICTURE: char = '\u{1f000}';

/// Marks on one letter (UTS #39 §5.4).
const MAX_MARKS: usize = 4;
