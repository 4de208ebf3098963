//! The header of a frame (RFC 6455 §5.2), read with every rule that needs nothing but the header.

use super::MAX_CONTROL_PAYLOAD;
use crate::error::ProtocolError;

/// Opcode of a frame (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    /// Returns true for a Close, Ping or Pong (RFC 6455 §5.5).
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }
}

impl TryFrom<u8> for Opcode {
    type Error = ProtocolError;

    fn try_from(bits: u8) -> Result<Self, ProtocolError> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            opcode => Err(ProtocolError::ReservedOpcode { opcode }),
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    /// Compressed message, on its first frame, if permessage-deflate was agreed (RFC 7692 §6).
    pub(crate) rsv1: bool,
    pub(crate) opcode: Opcode,
    pub(crate) masking_key: Option<[u8; 4]>,
    /// Bytes of payload, at most 2^63 - 1.
    pub(crate) length: u64,
}

impl Header {
    /// Most bytes a header takes: two, eight of length, four of masking key.
    pub(crate) const MAX_BYTES: usize = 14;

    /// Reads a header from the start of `bytes`, with the number of bytes it takes; `None` if it is not there whole.
    ///
    /// Bits, opcode, and the rules for control frames are judged as soon as the two bytes that hold them are there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let reserved = (first >> 4) & 0b111;
        if reserved & 0b011 != 0 {
            return Err(ProtocolError::ReservedBits { bits: reserved });
        }
        let opcode = Opcode::try_from(first & 0xf)?;
        let (fin, masked, short) = (first & 0x80 != 0, second & 0x80 != 0, second & 0x7f);
        if opcode.is_control() {
            if !fin {
                return Err(ProtocolError::FragmentedControlFrame);
            }
            if usize::from(short) > MAX_CONTROL_PAYLOAD {
                return Err(ProtocolError::ControlFrameTooLong);
            }
        }
        let Some((length, rest)) = parse_length(short, rest)? else {
            return Ok(None);
        };
        let (masking_key, rest) = match (masked, rest.split_first_chunk()) {
            (false, _) => (None, rest),
            (true, Some((key, rest))) => (Some(*key), rest),
            (true, None) => return Ok(None),
        };
        let header = Self {
            fin,
            rsv1: reserved != 0,
            opcode,
            masking_key,
            length,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// Writes the header to the start of `bytes`; returns how many it takes.
    pub(crate) fn write(&self, bytes: &mut [u8; Self::MAX_BYTES]) -> usize {
        bytes[0] = u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode.bits();
        let masked = u8::from(self.masking_key.is_some()) << 7;
        let mut end = if let (short @ 0..126, Ok(_)) = (self.length, u8::try_from(self.length)) {
            bytes[1] = masked | short.to_le_bytes()[0];
            2
        } else if let Ok(length) = u16::try_from(self.length) {
            bytes[1] = masked | 0x7e;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            4
        } else {
            bytes[1] = masked | 0x7f;
            bytes[2..10].copy_from_slice(&self.length.to_be_bytes());
            10
        };
        if let Some(key) = self.masking_key {
            bytes[end..end + 4].copy_from_slice(&key);
            end += 4;
        }
        end
    }
}

/// Reads the payload length after its first seven bits, and gives back what follows it.
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let (length, minimum, rest) = match short {
        126 => match rest.split_first_chunk() {
            Some((&bytes, rest)) => (u64::from(u16::from_be_bytes(bytes)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((&bytes, rest)) => (u64::from_be_bytes(bytes), 65_536, rest),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, rest),
    };
    if length < minimum || length > i64::MAX.unsigned_abs() {
        return Err(ProtocolError::LengthEncoding { length });
    }
    Ok(Some((length, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(header: Header) {
        let mut bytes = [0; Header::MAX_BYTES];
        let end = header.write(&mut bytes);
        for cut in 0..end {
            assert_eq!(
                Header::parse(&bytes[..cut]),
                Ok(None),
                "{header:?} cut at {cut}"
            );
        }
        assert_eq!(Header::parse(&bytes), Ok(Some((header, end))));
    }

    #[test]
    fn headers_survive_a_round_trip() {
        let opcodes = [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ];
        for opcode in opcodes {
            for length in [
                0,
                1,
                125,
                126,
                127,
                65_535,
                65_536,
                1 << 40,
                i64::MAX.unsigned_abs(),
            ] {
                if opcode.is_control() && length > 125 {
                    continue;
                }
                for masking_key in [None, Some([1, 2, 3, 4])] {
                    round_trip(Header {
                        fin: true,
                        rsv1: false,
                        opcode,
                        masking_key,
                        length,
                    });
                    if !opcode.is_control() {
                        round_trip(Header {
                            fin: false,
                            rsv1: true,
                            opcode,
                            masking_key,
                            length,
                        });
                    }
                }
            }
        }
    }

    /// Threats F1 to F4, F6, F7.
    #[test]
    fn broken_headers_are_refused_as_soon_as_they_show() {
        use ProtocolError as E;
        for (bytes, expected) in [
            (&[0xa1, 0x00][..], E::ReservedBits { bits: 0b010 }),
            (&[0x91, 0x00], E::ReservedBits { bits: 0b001 }),
            (&[0xf1, 0x00], E::ReservedBits { bits: 0b111 }),
            (&[0x83, 0x00], E::ReservedOpcode { opcode: 3 }),
            (&[0x87, 0x7f], E::ReservedOpcode { opcode: 7 }),
            (&[0x8b, 0x00], E::ReservedOpcode { opcode: 11 }),
            (&[0x8f, 0x00], E::ReservedOpcode { opcode: 15 }),
            (&[0x08, 0x00], E::FragmentedControlFrame),
            (&[0x09, 0x80], E::FragmentedControlFrame),
            (&[0x89, 0x7e], E::ControlFrameTooLong),
            (&[0x8a, 0xff], E::ControlFrameTooLong),
            (&[0x82, 126, 0, 125], E::LengthEncoding { length: 125 }),
            (
                &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                E::LengthEncoding { length: 65_535 },
            ),
            (
                &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
                E::LengthEncoding { length: 1 << 63 },
            ),
        ] {
            assert_eq!(Header::parse(bytes), Err(expected), "{bytes:x?}");
        }
    }
}
