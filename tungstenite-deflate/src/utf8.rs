//! Incremental, fail-fast validation of UTF-8 (RFC 6455 §8.1).

/// The text seen so far was valid, or could still become it with more bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validator {
    /// The begun character at the end of what was seen.
    begun: [u8; LONGEST],
    begun_len: u8,
}

/// A byte that no continuation makes valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl Validator {
    /// Takes the next bytes of the text; fails at the first byte that cannot be part of UTF-8.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), InvalidUtf8> {
        while self.begun_len > 0 {
            let Some((&next, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.push(next)?;
        }
        let (whole, begun) = bytes.split_at(bytes.len() - begun_bytes(bytes));
        simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)?;
        begun.iter().try_for_each(|&next| self.push(next))
    }

    /// Takes the next byte of the begun character, or begins one with it.
    fn push(&mut self, next: u8) -> Result<(), InvalidUtf8> {
        self.begun[usize::from(self.begun_len)] = next;
        self.begun_len += 1;
        match std::str::from_utf8(&self.begun[..usize::from(self.begun_len)]) {
            Ok(_) => self.begun_len = 0,
            // `error_len` is `None` only for a beginning that more bytes can complete.
            Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
            Err(_) => {}
        }
        Ok(())
    }

    /// Ends the text: fails if it stops amid a character.
    pub(crate) fn finish(self) -> Result<(), InvalidUtf8> {
        if self.begun_len == 0 {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }
}

/// Counts the bytes at the end that are fewer than their first one announces (RFC 3629 §3). It does not check that they
/// can become a character.
fn begun_bytes(bytes: &[u8]) -> usize {
    let mut end = bytes.iter().rev().zip(1..LONGEST);
    end.find(|(byte, _)| byte.leading_ones() != 1)
        .filter(|(byte, count)| byte.leading_ones() as usize > *count)
        .map_or(0, |(_, count)| count)
}

/// Bytes of the longest characters.
const LONGEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result of the standard library's whole-string check of `bytes`, at the first offending byte.
    fn expected(bytes: &[u8]) -> Result<bool, InvalidUtf8> {
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(true),
            Err(error) if error.error_len().is_none() => Ok(false),
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Feeds byte by byte and whole; both must agree with the standard library.
    fn check(bytes: &[u8]) {
        let mut one_by_one = Validator::default();
        let fed: Result<Vec<()>, _> = bytes.iter().map(|byte| one_by_one.feed(&[*byte])).collect();
        let mut whole = Validator::default();
        let fed_whole = whole.feed(bytes);
        match expected(bytes) {
            Err(InvalidUtf8) => assert!(fed.is_err() && fed_whole.is_err(), "{bytes:x?}"),
            Ok(complete) => {
                assert!(fed.is_ok() && fed_whole.is_ok(), "{bytes:x?}");
                assert_eq!(one_by_one.finish().is_ok(), complete, "{bytes:x?}");
                assert_eq!(whole.finish().is_ok(), complete, "{bytes:x?}");
            }
        }
    }

    /// Threats F15: all sequences of three bytes, and so of two. What fails at a byte fails whatever follows, so only
    /// beginnings that can still become text are followed further.
    #[test]
    fn every_two_and_three_byte_sequence() {
        /// Tries every next byte after `prefix`, which `validator` has seen.
        fn extend(validator: Validator, prefix: &[u8]) {
            for next in 0..=255u8 {
                let bytes = [prefix, &[next]].concat();
                let mut validator = validator;
                let fed = validator.feed(&[next]);
                match expected(&bytes) {
                    Err(InvalidUtf8) => assert!(fed.is_err(), "{bytes:x?}"),
                    Ok(complete) => {
                        assert!(fed.is_ok(), "{bytes:x?}");
                        assert_eq!(validator.finish().is_ok(), complete, "{bytes:x?}");
                        if bytes.len() < 3 {
                            extend(validator, &bytes);
                        }
                    }
                }
            }
        }
        extend(Validator::default(), &[]);
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                check(&[first, second]);
            }
        }
    }

    #[test]
    fn text_cut_at_every_position() {
        let text = "κόσμε – Olá, 世界 🌍".as_bytes();
        for cut in 0..=text.len() {
            let mut validator = Validator::default();
            validator.feed(&text[..cut]).unwrap();
            validator.feed(&text[cut..]).unwrap();
            validator.finish().unwrap();
        }
        for size in 1..=text.len() {
            let mut validator = Validator::default();
            for piece in text.chunks(size) {
                validator.feed(piece).unwrap();
            }
            validator.finish().unwrap();
        }
    }

    #[test]
    fn code_points_past_the_last_fail_at_their_second_byte() {
        let mut validator = Validator::default();
        validator.feed(&[0xf4]).unwrap();
        assert_eq!(validator.feed(&[0x90]), Err(InvalidUtf8));
    }
}
