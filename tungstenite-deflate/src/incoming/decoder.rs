//! The frame at the start of the buffer (RFC 6455 §5.2).

use bytes::{Buf, BytesMut};

use super::payload::Payload;
use crate::error::ProtocolError;
use crate::frame::Header;
use crate::mask;

/// Takes frames from the start of a buffer, and remembers the one that is not there whole.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    arriving: Option<Arriving>,
}

/// A frame whose header was read and whose payload has not arrived whole.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    header: Header,
    /// Payload bytes at the start of the buffer that are unmasked.
    unmasked: usize,
    /// Payload bytes at the start of the buffer that [`Decoder::fresh`] has given.
    previewed: usize,
}

/// A frame, or a part of one, whose payload is at the start of the buffer.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) payload: Payload<'a>,
    /// The payload reaches to the end of the frame. Always so but where messages are received in pieces.
    pub(super) complete: bool,
}

impl Decoder {
    /// Returns the header of the frame that has not arrived whole.
    pub(super) fn arriving(&self) -> Option<&Header> {
        self.arriving.as_ref().map(|frame| &frame.header)
    }

    /// Returns the frame at the start of `buffer`; `None` if it is not complete. With `pieces`, what has arrived of a
    /// data frame is a frame of its own.
    ///
    /// `admit` judges a header before its frame is waited for.
    pub(super) fn next<'a>(
        &mut self,
        buffer: &'a mut BytesMut,
        pieces: bool,
        admit: impl FnOnce(&Header) -> Result<(), ProtocolError>,
    ) -> Result<Option<Frame<'a>>, ProtocolError> {
        let frame = match self.arriving {
            Some(frame) => frame,
            None => match Header::parse(buffer)? {
                // The header itself is incomplete.
                None => return Ok(None),
                Some((header, bytes)) => {
                    admit(&header)?;
                    buffer.advance(bytes);
                    Arriving::new(header)
                }
            },
        };
        let length = usize::try_from(frame.header.length).unwrap_or(usize::MAX);
        if buffer.len() >= length {
            self.arriving = None;
            return Ok(Some(frame.complete(buffer, length)));
        }
        let frame = frame.unmask(buffer);
        self.arriving = Some(frame);
        Ok(if pieces && frame.unmasked > 0 {
            Some(self.part(frame, buffer))
        } else {
            None
        })
    }

    /// Returns what has arrived of `frame`, and leaves the rest of it to arrive.
    fn part<'a>(&mut self, frame: Arriving, buffer: &'a mut BytesMut) -> Frame<'a> {
        let length = frame.unmasked;
        let key = frame.header.masking_key;
        self.arriving = Some(Arriving::new(Header {
            length: frame.header.length - length as u64,
            masking_key: key.map(|key| mask::rotated(key, length)),
            ..frame.header
        }));
        Frame {
            header: frame.header,
            payload: Payload {
                buffer,
                length,
                masking_key: None,
                unmasked: length,
            },
            complete: false,
        }
    }

    /// Puts the rest of a frame back of whose payload `consumed` bytes were taken and `left` are at the start of the buffer,
    /// unmasked.
    #[cold]
    pub(super) fn put_back(&mut self, header: Header, consumed: usize, left: usize) {
        let key = header.masking_key;
        self.arriving = Some(Arriving {
            header: Header {
                length: header.length - consumed as u64,
                masking_key: key.map(|key| mask::rotated(key, consumed)),
                ..header
            },
            unmasked: left,
            previewed: left,
        });
    }

    /// Returns the unmasked bytes at the start of `buffer` that it has not returned before, with their frame's header;
    /// `None` if there are none, or if the frame is a control frame.
    pub(super) fn fresh<'a>(&mut self, buffer: &'a [u8]) -> Option<(Header, &'a [u8])> {
        let frame = self.arriving.as_mut()?;
        let fresh = frame.previewed..frame.unmasked;
        frame.previewed = frame.unmasked;
        (!fresh.is_empty()).then(|| (frame.header, &buffer[fresh]))
    }
}

impl Arriving {
    fn new(header: Header) -> Self {
        Self {
            header,
            unmasked: 0,
            previewed: 0,
        }
    }

    /// Unmasks what has arrived while it is still in the cache. A control frame stays as it is until it is complete.
    fn unmask(mut self, buffer: &mut BytesMut) -> Self {
        if !self.header.opcode.is_control() {
            if let Some(key) = self.header.masking_key {
                mask::apply(&mut buffer[self.unmasked..], key, self.unmasked);
            }
            self.unmasked = buffer.len();
        }
        self
    }

    /// Returns the frame, all of whose `length` bytes are in `buffer`.
    fn complete(self, buffer: &mut BytesMut, length: usize) -> Frame<'_> {
        Frame {
            header: self.header,
            payload: Payload {
                buffer,
                length,
                masking_key: self.header.masking_key,
                unmasked: self.unmasked,
            },
            complete: true,
        }
    }
}
