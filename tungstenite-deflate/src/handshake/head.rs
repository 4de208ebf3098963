//! Finds the head of an HTTP/1.1 message in bytes as they arrive.

use std::borrow::Cow;

use bytes::{Buf, BytesMut};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::options::HeadLimits;

/// Cause for which a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// More than [`HeadLimits::max_bytes`].
    TooLong,
    /// The request target is longer than [`HeadLimits::max_target_bytes`].
    TargetTooLong,
    /// More than [`HeadLimits::max_fields`].
    TooManyFields,
    /// Against the grammar of RFC 9112.
    Malformed(httparse::Error),
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            other => Self::Malformed(other),
        }
    }
}

/// Waits for the empty line that ends a head; what stands after it stays in the buffer.
#[derive(Debug)]
pub(super) struct HeadReader {
    limits: HeadLimits,
    /// Bytes dropped before this head: empty lines (RFC 9112 §2.2) and interim responses. They count against the limit.
    skipped: usize,
    /// So many bytes of the buffer hold no end of the head.
    searched: usize,
    /// An unfinished head is looked at when it has so many bytes, then at twice as many: nonsense is refused early, and
    /// a head that comes byte by byte costs no more than twice its length.
    look_at: usize,
}

impl HeadReader {
    pub(super) fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            skipped: 0,
            searched: 0,
            look_at: 1,
        }
    }

    /// Takes the head off the front of `buffer` once it is whole; `parse` gets the bytes, whole or not, and returns
    /// `None` for those that are not.
    pub(super) fn receive<T>(
        &mut self,
        buffer: &mut BytesMut,
        parse: fn(&[u8], &HeadLimits) -> Result<Option<T>, HeadError>,
    ) -> Result<Option<T>, HeadError> {
        self.skip_empty_lines(buffer);
        if buffer.starts_with(b"\n") {
            return Err(HeadError::Malformed(httparse::Error::NewLine));
        }
        match self.end_of_head(buffer) {
            Some(end) if self.skipped + end > self.limits.max_bytes => {
                Err(self.too_long(buffer, parse))
            }
            Some(end) => {
                refuse_bare_line_feeds(&buffer[..end])?;
                let head = parse(&buffer[..end], &self.limits)?;
                buffer.advance(end);
                // An interim response may have been it: what comes next counts on.
                self.skipped += end;
                self.searched = 0;
                self.look_at = 1;
                head.map(Some)
                    .ok_or(HeadError::Malformed(httparse::Error::NewLine))
            }
            None if self.skipped + buffer.len() >= self.limits.max_bytes => {
                Err(self.too_long(buffer, parse))
            }
            None if buffer.len() >= self.look_at => {
                self.look_at = buffer.len() * 2;
                parse(buffer, &self.limits).map(|_| None)
            }
            None => Ok(None),
        }
    }

    /// A head that is too long and has another fault is refused with the other fault.
    fn too_long<T>(
        &self,
        head: &[u8],
        parse: fn(&[u8], &HeadLimits) -> Result<Option<T>, HeadError>,
    ) -> HeadError {
        parse(head, &self.limits)
            .err()
            .unwrap_or(HeadError::TooLong)
    }

    fn skip_empty_lines(&mut self, buffer: &mut BytesMut) {
        while buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            self.skipped += 2;
            self.searched = 0;
        }
    }

    /// The length of the head with its empty line. A line that ends in LF alone counts as one here, to be refused.
    fn end_of_head(&mut self, buffer: &[u8]) -> Option<usize> {
        let from = self.searched.saturating_sub(2);
        self.searched = buffer.len();
        let new = &buffer[from..];
        let end = (0..new.len()).find_map(|at| {
            let rest = &new[at..];
            if rest.starts_with(b"\n\n") {
                Some(at + 2)
            } else {
                rest.starts_with(b"\n\r\n").then_some(at + 3)
            }
        });
        end.map(|end| from + end)
    }
}

/// httparse takes LF for CRLF; proxies differ in that, so a request could mean two things (RFC 9112 §2.2 allows to refuse it).
fn refuse_bare_line_feeds(head: &[u8]) -> Result<(), HeadError> {
    let bare = head
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r'));
    if bare {
        Err(HeadError::Malformed(httparse::Error::NewLine))
    } else {
        Ok(())
    }
}

/// httparse's fields as a map; values keep bytes above 127 as they are (RFC 9110 §5.5).
pub(super) fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| httparse::Error::HeaderName)?;
        let value = HeaderValue::from_bytes(&unfolded(field.value))
            .map_err(|_| httparse::Error::HeaderValue)?;
        headers
            .try_append(name, value)
            .map_err(|_| HeadError::TooManyFields)?;
    }
    Ok(headers)
}

/// A value that was folded over several lines, with a space for each fold (RFC 9112 §5.2).
///
/// httparse lets folds through in responses alone.
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    Cow::Owned(lines.join(&b' '))
}

/// Room for as many fields as `limits` allow.
pub(super) fn room<'a>(limits: &HeadLimits) -> Vec<httparse::Header<'a>> {
    vec![httparse::EMPTY_HEADER; limits.max_fields]
}
