//! Close codes that may be sent, the payload of a Close frame, how a connection ended.

use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{ProtocolError, SendError};
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::text;
use crate::tungstenite::protocol::CloseFrame;
use crate::tungstenite::protocol::frame::coding::CloseCode;

/// Status 1005: stands for "no code in the Close frame" and is never sent (RFC 6455 §7.4.1).
const NO_STATUS_RECEIVED: u16 = 1005;

/// Returns true if an endpoint may send `code` in a Close frame: the codes of RFC 6455 §7.4.1, 1012 to 1014 of the IANA
/// registry, and 3000 to 4999 for libraries and applications (§7.4.2).
pub(crate) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Side that ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The peer's Close came before ours was sent.
    Peer,
    /// Our Close was sent first, or we failed the connection.
    Us,
    /// The byte stream ended without a closing handshake (status 1006).
    Transport,
}

/// The end of a connection, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The peer's Close frame; the inner `None` is one without a code (status 1005).
    pub received: Option<Option<CloseFrame>>,
    /// Our Close frame.
    pub sent: Option<Option<CloseFrame>>,
    /// Side that began.
    pub by: Initiator,
}

impl Closed {
    /// The code that tells how the connection ended, as RFC 6455 §7.1.5 defines it: the peer's, 1005 if its Close had
    /// none, 1006 if there was no Close from the peer.
    pub fn code(&self) -> CloseCode {
        match &self.received {
            Some(Some(frame)) => frame.code,
            Some(None) => CloseCode::Status,
            None => CloseCode::Abnormal,
        }
    }
}

/// The end of a connection, readable by those who do not own the connection, once it is dropped.
///
/// Handed out by [`WebSocketStream::close_report`](crate::WebSocketStream::close_report) and
/// [`Connection::close_report`](crate::Connection::close_report).
#[derive(Clone, Debug)]
pub struct CloseReport(Arc<OnceLock<Box<Closed>>>);

impl CloseReport {
    /// Returns how the connection ended; `None` before it is dropped, or if it was dropped while it was open.
    pub fn closed(&self) -> Option<&Closed> {
        self.0.get().map(AsRef::as_ref)
    }
}

/// The engine's record of the end, which a [`CloseReport`] gets when the engine is dropped.
#[derive(Debug, Default)]
pub(crate) struct CloseRecord {
    closed: Option<Box<Closed>>,
    report: Option<CloseReport>,
}

impl CloseRecord {
    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// Returns the record to change; the first change says who began.
    pub(crate) fn begun_by(&mut self, by: Initiator) -> &mut Closed {
        self.closed.get_or_insert_with(|| {
            Box::new(Closed {
                received: None,
                sent: None,
                by,
            })
        })
    }

    pub(crate) fn report(&mut self) -> CloseReport {
        self.report
            .get_or_insert_with(|| CloseReport(Arc::default()))
            .clone()
    }
}

impl Drop for CloseRecord {
    fn drop(&mut self) {
        if let (Some(report), Some(closed)) = (&self.report, self.closed.take()) {
            report.0.set(closed).expect("a report has one record");
        }
    }
}

/// Reads the payload of a Close frame (RFC 6455 §5.5.1).
pub(crate) fn parse(payload: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
    match payload.len() {
        0 => Ok(None),
        1 => Err(ProtocolError::CloseTooShort),
        _ => {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            if !may_be_sent(code) {
                return Err(ProtocolError::InvalidCloseCode { code });
            }
            let reason = text::copied(&payload[2..])?;
            Ok(Some(CloseFrame {
                code: code.into(),
                reason,
            }))
        }
    }
}

/// Reads the payload of a Close frame that the caller made.
pub(crate) fn parse_to_send(payload: &[u8]) -> Result<Option<CloseFrame>, SendError> {
    if payload.len() > MAX_CONTROL_PAYLOAD {
        let bytes = payload.len();
        return Err(SendError::ControlFrameTooLong { bytes });
    }
    match payload {
        [] => Ok(None),
        [code] => Err(SendError::InvalidCloseCode {
            code: (*code).into(),
        }),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(SendError::InvalidCloseCode { code });
            }
            let reason = text::copied(reason).map_err(|_| SendError::InvalidUtf8)?;
            Ok(Some(CloseFrame {
                code: code.into(),
                reason,
            }))
        }
    }
}

/// Writes the payload of a Close frame. A code of 1005 stands for a Close without one.
pub(crate) fn encode(frame: Option<&CloseFrame>) -> Result<Bytes, SendError> {
    let Some(frame) = frame else {
        return Ok(Bytes::new());
    };
    let code = u16::from(frame.code);
    if code == NO_STATUS_RECEIVED {
        return Ok(Bytes::new());
    }
    if !may_be_sent(code) {
        return Err(SendError::InvalidCloseCode { code });
    }
    let bytes = 2 + frame.reason.len();
    if bytes > MAX_CONTROL_PAYLOAD {
        return Err(SendError::ControlFrameTooLong { bytes });
    }
    let mut payload = BytesMut::with_capacity(bytes);
    payload.put_u16(code);
    payload.put_slice(frame.reason.as_bytes());
    Ok(payload.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tungstenite::Utf8Bytes;

    #[test]
    fn a_report_gets_the_end_when_the_engine_is_dropped() {
        use std::time::Instant;

        use crate::tungstenite::protocol::Role;
        use crate::{Connection, Options};

        let connection = || {
            let options = Options::default().into();
            Connection::new(Role::Client, options, None, Instant::now)
        };
        let mut open = connection();
        let report = open.close_report();
        drop(open);
        assert_eq!(report.closed(), None);

        let mut closed = connection();
        let (first, second) = (closed.close_report(), closed.close_report());
        closed.close(None, Instant::now).unwrap();
        assert_eq!(first.closed(), None, "it is still there");
        drop(closed);
        let end = first.closed().expect("it was closed");
        assert_eq!((end.by, &end.sent), (Initiator::Us, &Some(None)));
        assert_eq!(second.closed(), Some(end));
    }

    /// Threats F12 and F13: every code there is.
    #[test]
    fn every_close_code_is_judged() {
        for code in 0..=u16::MAX {
            let expected = (1000..1004).contains(&code)
                || (1007..1015).contains(&code)
                || (3000..5000).contains(&code);
            let parsed = parse(&code.to_be_bytes());
            assert_eq!(parsed.is_ok(), expected, "received {code}");
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: Utf8Bytes::default(),
            };
            assert_eq!(
                encode(Some(&frame)).is_ok(),
                expected || code == 1005,
                "sent {code}"
            );
        }
    }

    #[test]
    fn close_payloads() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[3]), Err(ProtocolError::CloseTooShort));
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: Utf8Bytes::from_static("até"),
        };
        assert_eq!(parse(b"\x03\xe8at\xc3\xa9"), Ok(Some(frame.clone())));
        assert_eq!(encode(Some(&frame)).unwrap(), &b"\x03\xe8at\xc3\xa9"[..]);
        assert_eq!(parse(b"\x03\xe8at\xc3"), Err(ProtocolError::InvalidUtf8));
        let long = CloseFrame {
            code: CloseCode::Normal,
            reason: "x".repeat(124).into(),
        };
        assert!(matches!(
            encode(Some(&long)),
            Err(SendError::ControlFrameTooLong { bytes: 126 })
        ));
    }
}
