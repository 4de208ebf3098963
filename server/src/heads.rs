//! Heads of HTTP/1.1 requests looked at as they pass on their way to hyper, which reads more than we permit.
//!
//! ```text
//! Before ─→ Request ─→ Field ─┬→ Before                       no body
//!                             ├→ Body ─→ Before               Content-Length
//!                             ├→ Size ⇄ Chunk, ─→ Trailer ─→ Before
//!                             └→ Upgrade                      until it is refused
//! ```
//! The preface of HTTP/2 is refused in its own frames where ALPN did not agree on HTTP/2 (RFC 9113 §3.2, §3.4). Instead of a line feed without a carriage return hyper gets [`REFUSED`], for which it answers with 400 in the request's
//! turn. A version that is not spoken here becomes 1.1, and the service answers with 505. Only what hyper accepts
//! has to be followed: whatever else comes is the last on its connection.

use std::sync::{Mutex, MutexGuard};

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use values::sync::lock;

use crate::log::Reason;

/// The heads of one connection, shared by its transport and its service.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<Scanner>);

impl Heads {
    /// Looks at what was read, and makes foreign versions 1.1.
    pub(crate) fn pass(&self, bytes: &mut [u8]) -> Option<Objection> {
        self.scanner().pass(bytes)
    }

    /// Tests whether the connection began with the preface of HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.scanner().preface == Preface::Whole
    }

    /// Counts the request that is answered now, and tells if its version is none of ours.
    pub(crate) fn begin(&self) -> bool {
        let mut scanner = self.scanner();
        scanner.begun += 1;
        scanner.foreign == Some(scanner.begun)
    }

    /// The number of heads before the one that is due, if one is: it has begun, or the connection has brought none yet.
    pub(crate) fn due(&self) -> Option<u64> {
        let scanner = self.scanner();
        let is_due = match scanner.position {
            ScanState::Before => scanner.passed == 0,
            ScanState::Request | ScanState::Field => true,
            _ => false,
        };
        is_due.then_some(scanner.passed)
    }

    /// Goes on after an upgrade that `response` refuses; with bytes after it that nobody looked at, the connection ends.
    /// hyper keeps the transport for `upgrade` until then.
    pub(crate) fn end(&self, response: &mut Response<Body>, upgrade: Option<OnUpgrade>) {
        let mut scanner = self.scanner();
        let is_upgrade = scanner.position == ScanState::Upgrade && scanner.begun == scanner.passed;
        if !is_upgrade || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        scanner.refused = upgrade;
        if scanner.is_behind {
            close(response);
        } else {
            scanner.position = ScanState::Before;
        }
    }

    /// The end in order of a connection whose last upgrade was refused, which hyper would only drop.
    pub(crate) async fn finish(&self) {
        let refused = self.scanner().refused.take();
        if let Some(refused) = refused
            && let Ok(transport) = refused.await
        {
            let _ = TokioIo::new(transport).shutdown().await;
        }
    }

    fn scanner(&self) -> MutexGuard<'_, Scanner> {
        lock(&self.0)
    }
}

/// The reason for which nothing more of a connection may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// A line feed without a carriage return at this position.
    LineFeed(usize),
    /// The preface of HTTP/2, on which ALPN did not agree.
    Http2,
}

/// The answer to a version that is not spoken here; it ends the connection.
pub(crate) fn foreign_version() -> Response<Body> {
    let mut response = Response::new(Body::from(FOREIGN));
    *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    close(&mut response);
    Reason(FOREIGN.into()).attach(response)
}

fn close(response: &mut Response<Body>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// Position in the stream of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScanState {
    /// Before a request, where empty lines may stand.
    #[default]
    Before,
    Request,
    Field,
    /// Bytes of a body that are still to come.
    Body(u64),
    /// The number of a chunk, and whether all of its digits were seen.
    Size(u64, bool),
    /// Bytes of a chunk that are still to come, with its end of line.
    Chunk(u64),
    Trailer,
    /// After the head of an upgrade: frames, if it is accepted.
    Upgrade,
}

/// The first bytes of a connection, compared with the preface of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preface {
    /// So many bytes are the same.
    Begun(usize),
    /// The connection began otherwise.
    Other,
    /// Everything that looks like a request is the same, which no request of HTTP/1.1 is (RFC 9113 §11.6).
    Whole,
}

impl Default for Preface {
    fn default() -> Self {
        Self::Begun(0)
    }
}

impl Preface {
    /// Compares the next byte.
    fn pass(&mut self, byte: u8) {
        if let Self::Begun(count) = *self {
            *self = match PREFACE.get(count) {
                Some(expected) if *expected != byte => Self::Other,
                _ if count + 1 == PREFACE.len() => Self::Whole,
                _ => Self::Begun(count + 1),
            };
        }
    }
}

#[derive(Debug, Default)]
struct Scanner {
    preface: Preface,
    position: ScanState,
    line: Line,
    head: Head,
    /// Heads that have passed.
    passed: u64,
    /// Requests that the service has begun to answer.
    begun: u64,
    /// The first head with a foreign version, counted from one.
    foreign: Option<u64>,
    /// True if bytes came after the head of an upgrade.
    is_behind: bool,
    /// The last upgrade that was refused.
    refused: Option<OnUpgrade>,
}

/// The framing of what follows a head.
#[derive(Debug, Default)]
struct Head {
    is_foreign: bool,
    is_chunked: bool,
    is_upgrade: bool,
    length: u64,
}

/// The state within a line.
#[derive(Debug, Default)]
struct Line {
    /// Bytes before the line's end.
    count: usize,
    /// True if the last byte was a carriage return.
    is_return: bool,
    /// Spaces before the version, and the position in it.
    spaces: usize,
    at: usize,
    major: u8,
    /// The field's name in lower case, as far as it is needed.
    name: [u8; NAME_BYTES],
    is_value: bool,
    /// The number in the value.
    number: u64,
}

impl Scanner {
    fn pass(&mut self, bytes: &mut [u8]) -> Option<Objection> {
        for byte in bytes.iter().take(PREFACE.len()) {
            self.preface.pass(*byte);
        }
        if self.preface == Preface::Whole {
            return Some(Objection::Http2);
        }
        let mut at = 0;
        while let Some(byte) = bytes.get_mut(at) {
            at += match self.position {
                ScanState::Body(left) => {
                    self.skip(left, bytes.len() - at, ScanState::Body, ScanState::Before)
                }
                ScanState::Chunk(left) => {
                    let next = ScanState::Size(0, false);
                    self.skip(left, bytes.len() - at, ScanState::Chunk, next)
                }
                ScanState::Size(size, is_whole) => self.size(size, is_whole, *byte),
                ScanState::Upgrade => {
                    self.is_behind = true;
                    return None;
                }
                _ if *byte == b'\n' && !self.line.is_return => {
                    return Some(Objection::LineFeed(at));
                }
                _ => self.line(byte),
            };
        }
        None
    }

    /// Passes over what is here of `left` bytes.
    fn skip(
        &mut self,
        left: u64,
        here: usize,
        more: fn(u64) -> ScanState,
        next: ScanState,
    ) -> usize {
        let taken = usize::try_from(left).map_or(here, |left| left.min(here));
        let left = left - taken as u64;
        self.position = if left == 0 { next } else { more(left) };
        taken
    }

    /// Reads the line in front of a chunk (RFC 9112 §7.1).
    fn size(&mut self, size: u64, is_whole: bool, byte: u8) -> usize {
        let digit = char::from(byte).to_digit(16).filter(|_| !is_whole);
        self.position = match (digit, byte) {
            (Some(digit), _) => {
                ScanState::Size(size.saturating_mul(16).saturating_add(digit.into()), false)
            }
            (None, b'\n') if size == 0 => ScanState::Trailer,
            (None, b'\n') => ScanState::Chunk(size.saturating_add(2)),
            (None, _) => ScanState::Size(size, true),
        };
        1
    }

    /// Reads a byte of a line.
    fn line(&mut self, byte: &mut u8) -> usize {
        self.line.is_return = *byte == b'\r';
        match *byte {
            b'\r' => return 1,
            b'\n' => {
                self.end_of_line();
                return 1;
            }
            _ => {}
        }
        if self.position == ScanState::Before {
            self.position = ScanState::Request;
        }
        match self.position {
            ScanState::Request => self.head.is_foreign |= self.line.request(byte),
            _ => self.line.field(*byte),
        }
        self.line.count += 1;
        1
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match self.position {
            ScanState::Request => self.position = ScanState::Field,
            ScanState::Field if line.count == 0 => self.end_of_head(),
            ScanState::Field => self.head.add(&line),
            ScanState::Trailer if line.count == 0 => self.position = ScanState::Before,
            _ => {}
        }
    }

    fn end_of_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.passed += 1;
        if head.is_foreign && self.foreign.is_none() {
            self.foreign = Some(self.passed);
        }
        self.is_behind = false;
        self.position = match head {
            Head {
                is_upgrade: true, ..
            } => ScanState::Upgrade,
            Head {
                is_chunked: true, ..
            } => ScanState::Size(0, false),
            Head { length: 0, .. } => ScanState::Before,
            Head { length, .. } => ScanState::Body(length),
        };
    }
}

impl Head {
    /// Adds a field. Contradictions are refused by hyper.
    fn add(&mut self, line: &Line) {
        match line.name.split(|byte| *byte == 0).next() {
            Some(b"content-length") => self.length = line.number,
            Some(b"transfer-encoding") => self.is_chunked = true,
            Some(b"upgrade") => self.is_upgrade = true,
            _ => {}
        }
    }
}

impl Line {
    /// Reads a byte of a request line, and tells if the version turns out to be foreign, which makes it 1.1.
    fn request(&mut self, byte: &mut u8) -> bool {
        if *byte == b' ' {
            self.spaces += 1;
            return false;
        }
        if self.spaces < 2 {
            return false;
        }
        let digit = byte.is_ascii_digit();
        let is_foreign = match self.at {
            MAJOR if digit => {
                self.major = std::mem::replace(byte, b'1');
                false
            }
            MINOR if digit && (self.major != b'1' || *byte > b'1') => {
                *byte = b'1';
                true
            }
            _ => false,
        };
        self.at += 1;
        is_foreign
    }

    /// Reads a byte of a field.
    fn field(&mut self, byte: u8) {
        if self.is_value {
            if byte.is_ascii_digit() {
                let digit = u64::from(byte - b'0');
                self.number = self.number.saturating_mul(10).saturating_add(digit);
            }
        } else if byte == b':' {
            self.is_value = true;
        } else if let Some(letter) = self.name.get_mut(self.count) {
            *letter = byte.to_ascii_lowercase();
        }
    }
}

/// No head, whatever came before it, and the end of one, without which hyper would wait for more.
pub(crate) const REFUSED: &[u8] = b"\0\r\n\r\n";
/// SETTINGS without any, and GOAWAY for stream 0 with `HTTP_1_1_REQUIRED` (RFC 9113 §6.8, §7).
pub(crate) const HTTP2_REFUSAL: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d";
/// The first 18 of the 24 bytes of HTTP/2's preface (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
/// Content of the answer to a foreign version.
const FOREIGN: &str = "the versions of HTTP that are spoken here are 2 and 1.1\n";
/// Longer than the longest name that matters, so that longer ones are not taken for it.
const NAME_BYTES: usize = "transfer-encoding".len() + 1;
/// Position of the two digits in `HTTP/1.1`.
const MAJOR: usize = 5;
const MINOR: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests one after the other, with bodies that look like heads.
    const GOOD: &[u8] = b"\r\nGET / HTTP/1.0\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 004\r\n\r\n\n\n\n\n\
        POST / HTTP/1.1\r\ntransfer-ENCODING:chunked\r\n\r\n3;a=2\r\n\n\n\n\r\n0A\r\n01234\n\n789\r\n0\r\nA: b\r\n\r\n\
        POST / HTTP/1.1\r\nContent-Lengths: 9\r\nTransfer-Encodings: chunked\r\n\r\n\
        GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n\n\n\n";

    /// Returns the result of `bytes`, cut at `cut`.
    fn passed(bytes: &[u8], cut: usize) -> (Vec<u8>, Option<Objection>, Heads) {
        let heads = Heads::default();
        let mut bytes = bytes.to_vec();
        let (front, back) = bytes.split_at_mut(cut);
        let refused = heads.pass(front);
        let refused = refused.or_else(|| {
            heads.pass(back).map(|objection| match objection {
                Objection::LineFeed(at) => Objection::LineFeed(at + cut),
                Objection::Http2 => Objection::Http2,
            })
        });
        (bytes, refused, heads)
    }

    #[test]
    fn h2_the_preface_of_http2_is_told_wherever_it_is_cut() {
        let whole = [PREFACE, b"SM\r\n\r\n"].concat();
        for cut in 0..whole.len() {
            let (_, refused, heads) = passed(&whole, cut);
            assert_eq!(refused, Some(Objection::Http2), "{cut}");
            assert!(heads.is_http2());
        }
        // After a request, and with another target or version, it is a request like any other.
        for bytes in [
            [b"GET / HTTP/1.1\r\n\r\n", PREFACE].concat(),
            [b"\r\n", PREFACE].concat(),
            b"PRI / HTTP/2.0\r\n\r\n".to_vec(),
            b"PRI * HTTP/2.1\r\n\r\n".to_vec(),
            PREFACE[..PREFACE.len() - 1].to_vec(),
        ] {
            for cut in 0..bytes.len() {
                let (_, refused, heads) = passed(&bytes, cut);
                assert_eq!((refused, heads.is_http2()), (None, false), "{cut}");
            }
        }
    }

    #[test]
    fn h13_what_is_permitted_passes_unchanged() {
        for cut in 0..GOOD.len() {
            let (bytes, refused, heads) = passed(GOOD, cut);
            assert_eq!((&bytes[..], refused), (GOOD, None), "{cut}");
            let scanner = heads.scanner();
            assert_eq!(
                (scanner.passed, scanner.position),
                (5, ScanState::Upgrade),
                "{cut}"
            );
            assert!(scanner.is_behind);
        }
    }

    #[test]
    fn h13_a_line_feed_alone_is_found_wherever_a_line_may_end() {
        let heads: Vec<u8> = GOOD[..GOOD.len() - 3].to_vec();
        let ends: Vec<usize> = (1..heads.len())
            .filter(|&at| heads[at - 1..=at] == *b"\r\n")
            // The lines within chunks are hyper's to check.
            .filter(|&at| {
                !heads[..at - 1].ends_with(b"3;a=2") && !heads[..at - 1].ends_with(b"\n\n\n")
            })
            .filter(|&at| {
                !heads[..at - 1].ends_with(b"0A")
                    && !heads[..at - 1].ends_with(b"9\r\n0")
                    && !heads[..at - 1].ends_with(b"\n\n789")
            })
            .collect();
        assert!(ends.len() >= 14, "{}", ends.len());
        for end in ends {
            let mut bytes = heads.clone();
            bytes.remove(end - 1);
            for cut in 0..bytes.len() {
                let expected = Objection::LineFeed(end - 1);
                assert_eq!(passed(&bytes, cut).1, Some(expected), "{end} {cut}");
            }
        }
    }

    /// From its first byte to its last, and from the start of the connection.
    #[test]
    fn h3_a_head_is_due_until_it_is_there() {
        let heads = Heads::default();
        for (bytes, is_due) in [
            (&b""[..], true),
            (b"\r\n", true),
            (b"POST / HTTP/1.1\r\nContent-", true),
            (b"Length: 3\r\n\r", true),
            (b"\n", false),
            (b"ab", false),
            (b"c", false),
            (b"G", true),
            (b"ET / HTTP/1.1\r\n\r\n", false),
        ] {
            assert_eq!(heads.pass(&mut bytes.to_vec()), None);
            assert_eq!(heads.due().is_some(), is_due, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn h2_foreign_versions_are_told_in_their_turn() {
        let bytes = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/3.0\r\n\r\n";
        for cut in 0..bytes.len() {
            let (bytes, refused, heads) = passed(bytes, cut);
            assert_eq!(refused, None);
            assert_eq!(&bytes[..], b"GET / HTTP/1.1\r\n\r\n".repeat(2));
            assert_eq!((heads.begin(), heads.begin()), (false, true));
        }
    }
}
