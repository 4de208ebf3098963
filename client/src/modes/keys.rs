//! The bytes of a keyboard on their way to the line editor: made UTF-8, and followed as far as pastes are concerned.

/// The key that tells the editor to print what waits. Nobody types it: it is taken out of what comes from the terminal.
pub(crate) const WAKE: u8 = 0x1e;

/// Ctrl-Z.
const SUSPEND: u8 = 0x1a;

/// Ctrl-D.
const END: u8 = 0x04;

/// The sequences that a terminal sends before and after a paste.
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Follows what is typed.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Bytes of a character that is not complete.
    partial: Vec<u8>,
    /// The newest bytes, as many as a mark of a paste has.
    newest: Vec<u8>,
    is_paste: bool,
    /// The last byte was the Enter key, or the first half of a line end of two bytes.
    is_after_return: bool,
    /// Bytes still to come that went through the kernel's line editing.
    cooked: u64,
}

/// The result of passing bytes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes that were used up.
    pub(crate) used: usize,
    /// The bytes for the editor.
    pub(crate) passed: Vec<u8>,
    /// Ctrl-Z was typed.
    pub(crate) is_suspend: bool,
}

impl Keys {
    /// The first `bytes` went through the kernel's line editing, which keeps Ctrl-D as NUL.
    pub(crate) fn after_line_editing(bytes: u64) -> Self {
        Self {
            cooked: bytes,
            ..Self::default()
        }
    }

    /// Reports whether the last byte ended a key: not within a character, nor within a paste.
    pub(crate) fn is_between(&self) -> bool {
        self.partial.is_empty() && !self.is_paste
    }

    /// Takes bytes up to the first Ctrl-Z. What is no UTF-8 becomes U+FFFD, so that it can be seen and deleted.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut taken = Taken::default();
        for &byte in bytes {
            taken.used += 1;
            let was_return = std::mem::replace(&mut self.is_after_return, byte == b'\r');
            let was_cooked = self.cooked > 0;
            self.cooked = self.cooked.saturating_sub(1);
            match byte {
                SUSPEND if !self.is_paste => {
                    taken.is_suspend = true;
                    break;
                }
                WAKE => {}
                // One line end, as in text pasted without marks: no empty line is between them.
                b'\n' if was_return && !self.is_paste => {}
                0 if was_cooked => self.pass(END, &mut taken.passed),
                byte => self.pass(byte, &mut taken.passed),
            }
        }
        taken
    }

    fn pass(&mut self, byte: u8, passed: &mut Vec<u8>) {
        self.follow_paste(byte);
        self.partial.push(byte);
        while !self.partial.is_empty() {
            match str::from_utf8(&self.partial) {
                Ok(_) => passed.append(&mut self.partial),
                Err(error) => {
                    // Cut short: the rest may come yet.
                    let Some(wrong) = error.error_len() else {
                        return;
                    };
                    passed.extend(self.partial.drain(..error.valid_up_to()));
                    self.partial.drain(..wrong);
                    passed.extend("\u{fffd}".as_bytes());
                }
            }
        }
    }

    fn follow_paste(&mut self, byte: u8) {
        self.newest.push(byte);
        if self.newest.len() > PASTE_BEGINS.len() {
            self.newest.remove(0);
        }
        if self.newest == PASTE_BEGINS {
            self.is_paste = true;
        } else if self.newest == PASTE_ENDS {
            self.is_paste = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the editor's bytes, however the input is cut.
    fn passed(bytes: &[u8]) -> Vec<String> {
        let cut = |size| {
            let mut keys = Keys::default();
            let mut all = Vec::new();
            for mut piece in bytes.chunks(size) {
                while !piece.is_empty() {
                    let taken = keys.take(piece);
                    all.extend(taken.passed);
                    piece = &piece[taken.used..];
                }
            }
            String::from_utf8(all).unwrap()
        };
        (1..=bytes.len()).map(cut).collect()
    }

    #[test]
    fn everything_passed_is_utf8_however_it_is_cut() {
        for (typed, seen) in [
            (&b"um\rdois\r"[..], "um\rdois\r"),
            ("três João 😀\r".as_bytes(), "três João 😀\r"),
            (b"a\xffb\r", "a\u{fffd}b\r"),
            (b"Jo\xe3o\r", "Jo\u{fffd}o\r"),
            (b"\xc3(\r", "\u{fffd}(\r"),
            (b"\xf0\x9f\x98x", "\u{fffd}x"),
            (b"\xed\xa0\x80x", "\u{fffd}\u{fffd}\u{fffd}x"),
            (
                b"\x1b[Aup\x1b[200~a\nb\x1b[201~",
                "\x1b[Aup\x1b[200~a\nb\x1b[201~",
            ),
            (b"a\x1eb\x1a", "ab"),
            (b"a\r\nb\r\n", "a\rb\r"),
            (b"a\nb\n\n\r\r", "a\nb\n\n\r\r"),
            (b"\x1b[200~a\r\nb\x1b[201~", "\x1b[200~a\r\nb\x1b[201~"),
            (b"\x1b[200~a\x1ab\x1b[201~", "\x1b[200~a\x1ab\x1b[201~"),
        ] {
            for one in passed(typed) {
                assert_eq!(one, seen, "{typed:?}");
            }
        }
    }

    #[test]
    fn pastes_and_characters_are_not_broken_into() {
        let mut keys = Keys::default();
        for (typed, is_between) in [
            (&b"a"[..], true),
            (b"\xc3", false),
            (b"\xa3", true),
            (b"\x1b[200~one", false),
            (b"\ntwo", false),
            (b"\x1b[201~", true),
        ] {
            keys.take(typed);
            assert_eq!(keys.is_between(), is_between, "{typed:?}");
        }
    }

    #[test]
    fn the_end_of_input_survives_the_kernels_line_editing() {
        let mut keys = Keys::after_line_editing(3);
        assert_eq!(keys.take(b"a\n\0\0b").passed, b"a\n\x04\0b");
        assert!(Keys::default().take(b"\x1a").is_suspend);
    }
}
