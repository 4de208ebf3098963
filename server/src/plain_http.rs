//! Plain HTTP that arrives where TLS is spoken: one sentence in place of an alert that no HTTP client understands.
//!
//! ```text
//! first byte ─┬─ no upper-case letter ────────────→ TLS
//!             └─ upper-case ─→ method SP target ─┬→ 400 and the end
//!                                                └→ not HTTP: TLS, which answers with its alert
//! ```
//! No TLS record begins with a letter (RFC 8446 §5.1). The deadline is the handshake's.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use values::escape::Escaped;

use crate::linger::linger;
use crate::socket::Socket;

/// The opening bytes of a connection to the TLS port, by kind.
pub(crate) enum Opening {
    /// Bytes that may be TLS; none has been taken from the stream.
    Tls(Socket),
    /// A plain request, to be refused.
    Http(PlainRequest),
    /// Letters that are no request, with the bytes that were read put back.
    Other(Socket),
}

/// The beginning of a plain request and the connection that it came on.
pub(crate) struct PlainRequest {
    stream: Socket,
    bytes: Vec<u8>,
}

/// The error of a handshake whose peer spoke plain HTTP.
#[derive(Debug, thiserror::Error)]
#[error("plain HTTP on the TLS port: {request}")]
pub(crate) struct PlainHttp {
    /// The request's first line, escaped.
    request: String,
}

/// Tells from the first bytes whether `stream` is to be given to TLS.
pub(crate) async fn receive(mut stream: Socket) -> io::Result<Opening> {
    // The end of the stream is a matter for TLS as well.
    if !stream
        .peek()
        .await?
        .is_some_and(|first| first.is_ascii_uppercase())
    {
        return Ok(Opening::Tls(stream));
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    let verdict = loop {
        match judge(&bytes) {
            Verdict::Undecided if stream.read_buf(&mut bytes).await? > 0 => {}
            verdict => break verdict,
        }
    };
    Ok(if verdict == Verdict::Http {
        Opening::Http(PlainRequest { stream, bytes })
    } else {
        stream.put_back(bytes.into());
        Opening::Other(stream)
    })
}

impl PlainRequest {
    /// Returns the error that the handshake ends with.
    pub(crate) fn error(&self) -> io::Error {
        let line = self
            .bytes
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .next();
        let line = Escaped::new(line.unwrap_or_default()).max_bytes(SHOWN_BYTES);
        io::Error::other(PlainHttp {
            request: line.to_string(),
        })
    }

    /// Answers with 400 and closes the connection, whose peer has `time` to take it.
    pub(crate) async fn refuse(mut self, time: Duration) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            SENTENCE.len()
        );
        // The answer to HEAD has no content (RFC 9110 §9.3.2).
        let content = if self.bytes.starts_with(b"HEAD ") {
            ""
        } else {
            SENTENCE
        };
        self.stream.write_all((head + content).as_bytes()).await?;
        self.stream.shutdown().await?;
        linger(&mut self.stream, time).await;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Http,
    Other,
    /// More bytes may decide.
    Undecided,
}

/// Tells if `bytes` begin a request line (RFC 9112 §3): a method in upper case, a space and the beginning of a target.
fn judge(bytes: &[u8]) -> Verdict {
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    let length = bytes.iter().take_while(|byte| is_method(byte)).count();
    let (method, rest) = bytes.split_at(length);
    if length > METHOD_BYTES {
        return Verdict::Other;
    }
    let [space, target @ ..] = rest else {
        return Verdict::Undecided;
    };
    if *space != b' ' || method.is_empty() {
        return Verdict::Other;
    }
    match target {
        [] => Verdict::Undecided,
        [b'/' | b'*', ..] => Verdict::Http,
        _ if method == b"CONNECT" => Verdict::Http,
        _ => {
            let compared = target.len().min(SCHEME.len());
            let is_same = target[..compared].eq_ignore_ascii_case(&SCHEME[..compared]);
            match (is_same, compared == SCHEME.len()) {
                (false, _) => Verdict::Other,
                (true, false) => Verdict::Undecided,
                (true, true) => Verdict::Http,
            }
        }
    }
}

/// Content of the answer.
const SENTENCE: &str = "This port speaks TLS: use https:// or wss://.\n";
/// Beginning of a target in absolute form.
const SCHEME: &[u8] = b"http";
/// Maximum length of a method; the longest registered one has 17 bytes.
const METHOD_BYTES: usize = 20;
/// Bytes that are read at once; a verdict needs fewer.
const HEAD_BYTES: usize = 512;
/// Maximum of bytes of the request in the log.
const SHOWN_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_protocols_as_early_as_possible() {
        for (bytes, verdict) in [
            (&b""[..], Verdict::Undecided),
            (b"G", Verdict::Undecided),
            (b"GET", Verdict::Undecided),
            (b"GET ", Verdict::Undecided),
            (b"GET /", Verdict::Http),
            (b"M-SEARCH * HTTP/1.1", Verdict::Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Verdict::Http),
            (b"OPTIONS * HTTP/1.1", Verdict::Http),
            (b"CONNECT h:443 HTTP/1.1", Verdict::Http),
            (b"GET ht", Verdict::Undecided),
            (b"GET HTTP://a/ HTTP/1.1", Verdict::Http),
            (b"GET hx", Verdict::Other),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Verdict::Other),
            (b"HELO mail.example\r\n", Verdict::Other),
            (b"USER anonymous\r\n", Verdict::Other),
            (b"GET\t/", Verdict::Other),
            (b"GET\r\n", Verdict::Other),
            (b"GET  /", Verdict::Other),
            (b" GET /", Verdict::Other),
            (b"GeT /", Verdict::Other),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAA", Verdict::Other),
        ] {
            assert_eq!(judge(bytes), verdict, "{}", bytes.escape_ascii());
        }
    }
}
