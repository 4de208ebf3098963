//! Texts that are names and texts that are none.

use super::*;

#[test]
fn names_are_what_the_alphabet_allows() {
    for name in ["a", "room-1", "A_b-9", &"x".repeat(64)] {
        assert_eq!(name.parse::<RoomName>().unwrap().as_str(), name);
    }
}

/// Names of people, as phones, macOS and programs write them: the text, and what is kept of it.
#[test]
fn people_may_have_their_names() {
    for (text, kept) in [
        ("ana", "ana"),
        ("ana.b-c_d7", "ana.b-c_d7"),
        ("ana maria", "ana maria"),
        ("João", "João"),
        ("Joa\u{303}o", "João"),
        ("Nguye\u{302}\u{303}n Tha\u{309}o", "Nguyễn Thảo"),
        ("Ωμέγα", "Ωμέγα"),
        ("Иван Петров", "Иван Петров"),
        ("हिंदी नाम", "हिंदी नाम"),
        ("दुःख", "दुःख"),
        ("बिस्मिल्लाह", "बिस्मिल्लाह"),
        ("বাংলা", "বাংলা"),
        ("தமிழ்", "தமிழ்"),
        ("സഞ്ജയ്", "സഞ്ജയ്"),
        ("తెలుగు", "తెలుగు"),
        ("ಕನ್ನಡ", "ಕನ್ನಡ"),
        ("ગુજરાતી", "ગુજરાતી"),
        ("ਪੰਜਾਬੀ", "ਪੰਜਾਬੀ"),
        ("සිංහල", "සිංහල"),
        ("ไทยน้ำ", "ไทยน้ำ"),
        ("ລາວ", "ລາວ"),
        ("မြန်မာ", "မြန်မာ"),
        ("ភាសាខ្មែរ", "ភាសាខ្មែរ"),
        ("བོད་ཡིག", "བོད་ཡིག"),
        ("አማርኛ", "አማርኛ"),
        ("ქართული", "ქართული"),
        ("Հայերեն", "Հայերեն"),
        ("محمد", "محمد"),
        ("مُحَمَّد", "مُحَمَّد"),
        ("דָּוִד", "דָּוִד"),
        ("名前", "名前"),
        ("山田ハナコ", "山田ハナコ"),
        ("アナ・マリア", "アナ・マリア"),
        ("김하나", "김하나"),
        ("\u{1100}\u{1161}", "가"),
        ("DJ花子", "DJ花子"),
        ("ᏣᎳᎩ", "ᏣᎳᎩ"),
        ("ߒߞߏ", "ߒߞߏ"),
        ("ⴰⵎⴰⵣⵉⵖ", "ⴰⵎⴰⵣⵉⵖ"),
        ("ශ්\u{200d}රීමාල්", "ශ්\u{200d}රීමාල්"),
        ("അനില്\u{200d}", "അനില്\u{200d}"),
        ("क्\u{200d}षमा", "क्\u{200d}षमा"),
        ("علی\u{200c}رضا", "علی\u{200c}رضا"),
        ("O'Brien", "O'Brien"),
        ("O’Brien", "O'Brien"),
        ("Ana Иванова", "Ana Иванова"),
        ("😀", "😀"),
        ("ana 😀", "ana 😀"),
        ("🕵\u{fe0f}", "🕵"),
        ("👍🏽", "👍🏽"),
        ("🇧🇷", "🇧🇷"),
        ("४२", "४२"),
    ] {
        let name = text.parse::<MemberName>();
        assert_eq!(name.unwrap().as_str(), kept, "{text}");
        assert_eq!(kept.parse::<MemberName>().unwrap().as_str(), kept);
    }
}

/// Invisible characters, changes of direction, look-alikes of other names and of the server.
#[test]
fn names_cannot_deceive() {
    let groups = [
        INVISIBLE,
        SPACES,
        LIKE_THE_SERVER,
        LIKE_PUNCTUATION,
        LIKE_LETTERS,
    ];
    for character in groups.into_iter().flatten() {
        for text in [
            format!("{character}"),
            format!("{character}ana"),
            format!("ana{character}"),
            format!("a{character}na"),
            format!("{character} ana"),
            format!("한{character}"),
        ] {
            assert!(
                text.parse::<MemberName>().is_err(),
                "{}",
                text.escape_unicode()
            );
        }
    }
    #[rustfmt::skip]
    let cases = [
        "", " ", " ana", "ana ", "ana  maria", "-", "...", "\u{301}ana", "ana \u{301}x",
        "\u{430}na", "p\u{430}ypal", "\u{3b1}na", "a\u{d30}na", "\u{13aa}na", "😀\u{200d}😀",
        "ක්\u{200d}\u{200d}ර", "क\u{200d}ष", "क्\u{200c}", "علی\u{200c}", "ana\u{200c}", "علی\u{200d}رضا",
        "a\u{316}\u{317}\u{318}\u{319}\u{31c}", "* messages are missing here (slow)",
    ];
    for text in cases {
        assert!(
            text.parse::<MemberName>().is_err(),
            "{}",
            text.escape_unicode()
        );
    }
}

/// A name that is taken is taken again as the same, and holds nothing invisible.
#[test]
fn every_character_is_kept_as_it_is_or_refused() {
    let ignorable =
        icu_properties::CodePointSetData::new::<icu_properties::props::DefaultIgnorableCodePoint>();
    let mut taken = 0;
    for character in '\u{0}'..=char::MAX {
        let text = format!("a\u{20}{character}");
        let Ok(name) = text.parse::<MemberName>() else {
            continue;
        };
        taken += 1;
        assert_eq!(name.as_str().parse::<MemberName>().as_ref(), Ok(&name));
        assert!(
            !ignorable.contains(character),
            "U+{:04X}",
            u32::from(character)
        );
        assert!(!character.is_whitespace() && !character.is_control());
    }
    assert!((90_000..200_000).contains(&taken), "{taken}");
}

#[test]
fn others_are_told_what_is_wrong() {
    for (name, part) in [
        ("", "this one has 0"),
        ("a b", "' '"),
        ("a/b", "'/'"),
        ("a.b", "'.'"),
        ("ä", "a-z A-Z 0-9 - _"),
        ("*", "'*'"),
        (&"x".repeat(65), "this one has 65"),
    ] {
        let error = name.parse::<RoomName>().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for (name, part) in [
        ("", "this one has 0"),
        ("a  b", "one at a time"),
        ("a\u{3164}", "(U+3164)"),
        ("p\u{430}ypal", "one script"),
        (&"é".repeat(33), "this one has 66"),
        (&"e\u{301}".repeat(33), "this one has 66"),
        (&"x".repeat(1 << 20), "this one has 1048576"),
    ] {
        let error = name.parse::<MemberName>().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn names_in_json_are_checked_too() {
    assert!(serde_json::from_str::<RoomName>("\"tea\"").is_ok());
    assert!(serde_json::from_str::<RoomName>("\"t\\u0065a\"").is_ok());
    let error = serde_json::from_str::<RoomName>("\"te a\"").unwrap_err();
    assert!(error.to_string().contains("room name"), "{error}");
}

#[rustfmt::skip]
const INVISIBLE: &[char] = &[
    '\u{ad}', '\u{34f}', '\u{61c}', '\u{115f}', '\u{1160}', '\u{17b4}', '\u{180b}', '\u{180e}',
    '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}',
    '\u{202e}', '\u{2060}', '\u{2061}', '\u{2066}', '\u{2069}', '\u{206a}', '\u{2800}', '\u{3164}',
    '\u{fe00}', '\u{fe0f}', '\u{feff}', '\u{ffa0}', '\u{fff9}', '\u{fffc}', '\u{16fe4}',
    '\u{1bca0}', '\u{1d159}', '\u{1d173}', '\u{e0001}', '\u{e0061}', '\u{e0100}', '\u{0}',
    '\u{7f}', '\u{85}', '\t', '\n',
];

const SPACES: &[char] = &[
    '\u{a0}', '\u{1680}', '\u{2000}', '\u{2003}', '\u{2007}', '\u{200a}', '\u{202f}', '\u{205f}',
    '\u{3000}',
];

#[rustfmt::skip]
const LIKE_THE_SERVER: &[char] = &[
    '*', '!', '\u{1c3}', '\u{2d51}', '\u{ff01}', '\u{fe57}', '\u{203c}', '\u{2757}', '\u{2755}',
    '\u{a1}', '\u{66d}', '\u{204e}', '\u{2217}', '\u{2731}', '\u{2733}', '\u{2055}', '\u{ff0a}',
    '\u{fe61}', '\u{1031f}', '\u{2b50}',
];

const LIKE_PUNCTUATION: &[char] = &[
    ':', '\u{2d0}', '\u{a789}', '\u{ff1a}', '\u{589}', '\u{2236}', '/', '<', '"', '\\', '@', '#',
];

const LIKE_LETTERS: &[char] = &[
    '\u{ff41}',
    '\u{1d41a}',
    '\u{2170}',
    '\u{fb01}',
    '\u{b2}',
    '\u{24d0}',
];
