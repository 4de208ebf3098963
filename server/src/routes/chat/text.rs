//! Plain text: a line in, `name: line` out.
//!
//! Lines of the server itself begin with `* ` (a notice) or `! ` (an error), which no name does.

use rooms::Draft;
use rooms::event::{Event, Gap};

/// Returns the line of an event; joins and leaves have none.
pub(super) fn event(event: &Event) -> Option<String> {
    match event {
        Event::Message(stored) => Some(message(&stored.draft)),
        Event::Provisional(draft) => Some(message(draft)),
        Event::Gap(gap) => Some(self::gap(gap)),
        Event::Presence { .. } | Event::Count(_) => None,
    }
}

/// A message. Further lines of its text are indented, so that none can pass for somebody else's.
pub(crate) fn message(draft: &Draft) -> String {
    let text = draft.text.trim_end_matches(is_line_break);
    let lines: Vec<&str> = text.split(is_line_break).collect();
    format!("{}: {}", draft.from, lines.join("\n    "))
}

/// Messages are missing.
pub(super) fn gap(gap: &Gap) -> String {
    format!("* messages are missing here ({})", gap.reason.name())
}

/// Something cannot be done.
pub(super) fn error(message: &str) -> String {
    format!("! {message}")
}

/// Returns true for characters that some terminal or editor takes for the end of a line.
fn is_line_break(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_can_pass_for_two() {
        for (text, expected) in [
            ("hello", "ana: hello"),
            ("hello\n", "ana: hello"),
            ("hi\nbob: pay me", "ana: hi\n    bob: pay me"),
            ("hi\r\n* x\u{2028}! y", "ana: hi\n    \n    * x\n    ! y"),
        ] {
            let draft = Draft {
                id: "1".parse().unwrap(),
                from: "ana".parse().unwrap(),
                member: None,
                text: text.into(),
                at: 0,
            };
            assert_eq!(message(&draft), expected);
        }
    }
}
