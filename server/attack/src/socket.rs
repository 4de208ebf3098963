//! A WebSocket that says what it wants, well-formed or not.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::dial::{Dialler, Protocol, Tls};
use crate::ends::End;

/// An open WebSocket whose frames are written by hand.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The head of the response.
    head: String,
    reader: Reader,
    writer: WriteHalf<Tls>,
}

/// The half of a [`Socket`] that reads.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: ReadHalf<Tls>,
    unread: BytesMut,
}

/// A frame of the server: first byte (FIN, RSV, opcode) and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, RSV and opcode.
    pub(crate) first: u8,
    /// The payload.
    pub(crate) payload: Bytes,
}

impl Socket {
    /// Opens `path`, with `more` lines in the request.
    ///
    /// # Errors
    /// No connection, or a response other than 101.
    pub(crate) async fn open(dial: &Dialler, path: &str, more: &str) -> Result<Self> {
        let mut stream = dial.tls(Protocol::Http1).await?;
        stream.write_all(request(path, more).as_bytes()).await?;
        stream.flush().await?;
        let (stream, writer) = tokio::io::split(stream);
        let mut reader = Reader {
            stream,
            unread: BytesMut::new(),
        };
        let head = timeout(PATIENCE, reader.head())
            .await
            .context("no answer to the handshake")??;
        ensure!(head.starts_with("HTTP/1.1 101 "), "refused: {head}");
        if more.contains("permessage-deflate") {
            ensure!(
                head.to_ascii_lowercase().contains("permessage-deflate"),
                "permessage-deflate was declined: {head}"
            );
        }
        Ok(Self {
            head,
            reader,
            writer,
        })
    }

    /// The head of the response that opened it.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// Writes bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        send(&mut self.writer, bytes).await
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>> {
        self.reader.next().await
    }

    /// Reads until the connection ends, for at most `patience`.
    pub(crate) async fn end(&mut self, patience: Duration) -> End {
        self.reader.end(patience).await
    }

    /// Sends `bytes` so many `times`, or until the server has enough of them; returns how the connection ends.
    pub(crate) async fn flood(self, bytes: &[u8], times: usize) -> End {
        let (mut reader, mut writer) = self.split();
        let sending = async {
            for _ in 0..times {
                // It is closed while it sends.
                if send(&mut writer, bytes).await.is_err() {
                    break;
                }
            }
        };
        let ((), end) = tokio::join!(sending, reader.end(Duration::from_secs(15)));
        end
    }

    /// Sends `bytes`, which may be closed before its end; returns how the connection ends within `patience`.
    pub(crate) async fn end_after(mut self, bytes: &[u8], patience: Duration) -> End {
        let _ = self.send(bytes).await;
        self.end(patience).await
    }

    /// Both halves, for tasks of their own.
    pub(crate) fn split(self) -> (Reader, WriteHalf<Tls>) {
        (self.reader, self.writer)
    }
}

impl Reader {
    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = take(&mut self.unread) {
                return Ok(Some(frame));
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads until the connection ends, for at most `patience`. A Close frame is an end.
    pub(crate) async fn end(&mut self, patience: Duration) -> End {
        let reading = async {
            loop {
                match self.next().await {
                    Ok(Some(Frame {
                        first: 0x88,
                        payload,
                    })) if payload.len() >= 2 => {
                        return End::Closed(u16::from_be_bytes([payload[0], payload[1]]));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return End::Cut,
                }
            }
        };
        timeout(patience, reading).await.unwrap_or(End::Open)
    }

    /// A response's head; what is after it stays.
    async fn head(&mut self) -> Result<String> {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.unread.split_to(end + 4);
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            ensure!(self.unread.len() < 64 * 1024, "the head has no end");
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                bail!("closed without an answer");
            }
        }
    }
}

/// Writes bytes and hands them to TCP.
pub(crate) async fn send(writer: &mut WriteHalf<Tls>, bytes: &[u8]) -> Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await?;
    Ok(())
}

/// An opening handshake for `path`, with `more` lines, each with its end.
pub(crate) fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A client's frame with the masking key 0, so that its payload stands there as it is (RFC 6455 §5.2).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

/// The header of a client's frame that announces `length` bytes.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 0x7e);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 0x7f);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// Takes a whole frame of the server, which masks nothing.
fn take(unread: &mut BytesMut) -> Option<Frame> {
    let [first, second, ..] = unread[..] else {
        return None;
    };
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(array(unread, 2)?))),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(array(unread, 2)?)).ok()?,
        ),
        length => (2, usize::from(length & 0x7f)),
    };
    if unread.len() < head + length {
        return None;
    }
    unread.advance(head);
    let payload = unread.split_to(length).freeze();
    Some(Frame { first, payload })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Longest wait for the answer to a handshake.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal() {
        assert_eq!(frame(0x81, b"a"), [0x81, 0x81, 0, 0, 0, 0, b'a']);
        assert_eq!(header(0x82, 126)[..4], [0x82, 0xfe, 0, 126]);
        assert_eq!(header(0x82, 65_536)[..4], [0x82, 0xff, 0, 0]);
        assert_eq!(header(0x82, 65_536).len(), 14);
    }

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        let mut unread = BytesMut::from(&[0x88, 2, 3, 0xf1, 0x81][..]);
        let close = take(&mut unread).unwrap();
        assert_eq!((close.first, &close.payload[..]), (0x88, &[3, 0xf1][..]));
        assert_eq!(take(&mut unread), None);
        assert_eq!(unread.len(), 1);
    }
}
