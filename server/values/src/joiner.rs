//! Zero-width characters that decide how the letters beside them are drawn.

use icu_properties::CodePointMapData;
use icu_properties::props::{
    CanonicalCombiningClass, GeneralCategory, GeneralCategoryGroup, JoiningType,
};

/// Zero-width non-joiner.
pub const NON_JOINER: char = '\u{200c}';
/// Zero-width joiner.
pub const JOINER: char = '\u{200d}';

/// Returns true if `character` is [`NON_JOINER`] or [`JOINER`] in a position where it changes what is seen (RFC 5892, appendices
/// A.1 and A.2): after a virama, as in Sinhala and Malayalam, or between Arabic letters that would join, as in Persian.
///
/// A mark or another joiner never follows it, and a non-joiner is never the last.
pub fn is_drawn(previous: Option<char>, character: char, next: Option<char>) -> bool {
    if !matches!(character, NON_JOINER | JOINER) {
        return false;
    }
    let group = GeneralCategoryGroup::Letter;
    let letter = |next: char| group.contains(CodePointMapData::<GeneralCategory>::new().get(next));
    let is_before_letter = next.is_some_and(letter);
    let is_last = next.is_none_or(|next| !letter(next) && !is_mark(next) && !is_joiner(next));
    let Some(previous) = previous else {
        return false;
    };
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(previous);
    if class == CanonicalCombiningClass::Virama {
        return is_before_letter || (character == JOINER && is_last);
    }
    let joining = CodePointMapData::<JoiningType>::new();
    let joins_on = [JoiningType::DualJoining, JoiningType::LeftJoining];
    let joins_back = [JoiningType::DualJoining, JoiningType::RightJoining];
    character == NON_JOINER
        && joins_on.contains(&joining.get(previous))
        && next.is_some_and(|next| joins_back.contains(&joining.get(next)))
}

fn is_joiner(character: char) -> bool {
    matches!(character, NON_JOINER | JOINER)
}

fn is_mark(character: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_count_where_they_change_what_is_seen() {
        for (text, drawn) in [
            // Sinhala "Shri", Malayalam with an older chillu, Devanagari half form, Persian "Alireza".
            ("ශ්\u{200d}රී", true),
            ("അനില്\u{200d}", true),
            ("അനില്\u{200d} b", true),
            ("क्\u{200d}ष", true),
            ("क्\u{200c}ष", true),
            ("علی\u{200c}رضا", true),
            ("क्\u{200c}", false),
            ("क\u{200d}ष", false),
            ("क्\u{200d}\u{200d}ष", false),
            ("क्\u{200d}ि", false),
            ("علی\u{200d}رضا", false),
            ("رضا\u{200c}رضا", false),
            ("علی\u{200c}", false),
            ("a\u{200c}b", false),
            ("a\u{200d}b", false),
            ("\u{200d}a", false),
        ] {
            let characters: Vec<char> = text.chars().collect();
            let at = characters.iter().position(|&one| is_joiner(one)).unwrap();
            let previous = at.checked_sub(1).map(|before| characters[before]);
            let next = characters.get(at + 1).copied();
            assert_eq!(
                is_drawn(previous, characters[at], next),
                drawn,
                "{}",
                text.escape_unicode()
            );
        }
    }
}
