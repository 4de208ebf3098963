//! The reasons why a text is no name.

/// Cause for which a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it, or too much.
    #[error("a {what} name has 1 to {MAX_NAME_BYTES} bytes, this one has {bytes}")]
    Length {
        /// `room` or `member`.
        what: &'static str,
        /// The length of the text in bytes.
        bytes: usize,
    },
    /// A character is not allowed.
    #[error("{character:?} (U+{:04X}) is not allowed in a {what} name: use {allowed}", u32::from(*.character))]
    Character {
        /// `room` or `member`.
        what: &'static str,
        /// The first that is not allowed.
        character: char,
        /// The characters that are allowed.
        allowed: &'static str,
    },
    /// Characters that are allowed do not stand together.
    #[error("this is no member name: {problem}")]
    Spelling {
        /// The rule.
        problem: &'static str,
    },
}

/// Maximum length of the name of a room or a member, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
