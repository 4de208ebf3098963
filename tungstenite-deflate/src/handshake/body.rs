//! The body of a response that refuses a handshake (RFC 9112 §6.3).

use http::header::{self, HeaderMap};
use http::{Response, StatusCode};

use super::fields::elements;

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes; 0 where there is no body.
    Length(usize),
    /// After the last chunk (RFC 9112 §7.1).
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Framing {
    /// The framing that the head of a final response tells, in the order of RFC 9112 §6.3.
    pub(crate) fn of<B>(response: &Response<B>) -> Self {
        let (status, headers) = (response.status(), response.headers());
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Length(0);
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let last = elements(headers, header::TRANSFER_ENCODING).last();
            return match last {
                Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
                _ => Self::UntilClose,
            };
        }
        match length(headers) {
            Ok(Some(length)) => Self::Length(length),
            // The connection is never used again, so an unreadable length need not be an error of its own (item 5).
            Ok(None) | Err(Invalid) => Self::UntilClose,
        }
    }

    /// The body within `received`, which is what followed the head, and whether it is whole.
    pub(crate) fn decode(self, received: &[u8]) -> (Vec<u8>, bool) {
        match self {
            Self::Length(length) => {
                let end = length.min(received.len());
                (received[..end].to_vec(), end == length)
            }
            Self::Chunked => decode_chunks(received),
            Self::UntilClose => (received.to_vec(), false),
        }
    }
}

/// Content-Length has something other than one number.
struct Invalid;

/// Content-Length; the same number may stand there several times (RFC 9110 §8.6).
fn length(headers: &HeaderMap) -> Result<Option<usize>, Invalid> {
    let mut found = None;
    for element in elements(headers, header::CONTENT_LENGTH) {
        let text = std::str::from_utf8(element).map_err(|_| Invalid)?;
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond all limits is one all the same.
        let length = if is_number {
            text.parse().unwrap_or(usize::MAX)
        } else {
            return Err(Invalid);
        };
        if found.is_some_and(|other| other != length) {
            return Err(Invalid);
        }
        found = Some(length);
    }
    match found {
        None if headers.contains_key(header::CONTENT_LENGTH) => Err(Invalid),
        found => Ok(found),
    }
}

/// The data of all chunks that have arrived. Framing that cannot be read ends the body.
fn decode_chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((start, size))) => {
                (start, usize::try_from(size).unwrap_or(usize::MAX))
            }
            Ok(httparse::Status::Partial) => return (body, false),
            Err(_) => return (body, true),
        };
        if size == 0 {
            return (body, true);
        }
        let data = &rest[start..];
        if data.len() < size {
            body.extend_from_slice(data);
            return (body, false);
        }
        body.extend_from_slice(&data[..size]);
        rest = &data[size..];
        match rest.strip_prefix(b"\r\n") {
            Some(behind) => rest = behind,
            None => return (body, !b"\r\n".starts_with(rest)),
        }
    }
}
