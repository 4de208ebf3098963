//! The PROXY protocol, versions 1 and 2, in front of everything else on a connection.
//!
//! | header | client of the connection |
//! |---|---|
//! | `TCP4`, `TCP6`, version 2 `PROXY` over TCP | its source address |
//! | `UNKNOWN`, `LOCAL`, `UNSPEC`, Unix addresses | the proxy itself, a health check for example |
//! | datagrams, a wrong `CRC32c`, a malformed field, anything else, too long | none: the connection is closed |
//!
//! Of the fields (TLV) `CRC32c` is checked, SSL tells if the client spoke TLS, and AUTHORITY is logged. ALPN is not needed,
//! since HTTP/2 shows by its preface; all others are skipped.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use proxy_header::{Error, ParseConfig, Protocol, Tlv};
use tokio::io::AsyncReadExt;

use crate::socket::Socket;

/// Content of a PROXY header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// The client; `None` if the proxy speaks for itself.
    pub(crate) client: Option<SocketAddr>,
    /// True if the client spoke TLS, which the proxy has ended.
    pub(crate) is_secure: bool,
    /// The server that the client named (SNI), unchecked.
    pub(crate) authority: Option<String>,
}

/// Cause for which a connection that has to begin with a PROXY header is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// The connection was lost or ended.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("a connection of a trusted proxy must begin with a PROXY header (--proxy-protocol)")]
    Missing,
    /// The header is not what the specification permits.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
    /// It is longer than it may be.
    #[error("PROXY header exceeds {max} bytes (--max-proxy-header-bytes)")]
    TooLong { max: usize },
}

impl ProxyHeader {
    /// Reads the header from `socket` and leaves whatever follows it.
    ///
    /// # Errors
    /// There is none, or it is malformed or longer than `max` bytes. The connection is of no use any more.
    pub(crate) async fn receive(socket: &mut Socket, max: usize) -> Result<Self, HeaderError> {
        let mut bytes = BytesMut::with_capacity(FIRST_BYTES.min(max));
        loop {
            if let Some((header, length)) = Self::parse(&bytes, max)? {
                let rest: Bytes = bytes.split_off(length).freeze();
                socket.put_back(rest);
                return Ok(header);
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Parses the header at the start of `bytes`, and gives its length; `None` if it is not there whole.
    pub(crate) fn parse(bytes: &[u8], max: usize) -> Result<Option<(Self, usize)>, HeaderError> {
        let bytes = match bytes {
            [] => return Ok(None),
            [b'P', ..] => {
                check_start(bytes, VERSION_1)?;
                let bytes = &bytes[..bytes.len().min(VERSION_1_BYTES)];
                // The last byte of the line alone tells that it is complete.
                if !bytes.contains(&b'\n') && bytes.len() < VERSION_1_BYTES {
                    return Ok(None);
                }
                bytes
            }
            [b'\r', ..] => {
                check_start(bytes, VERSION_2)?;
                let Some(length) = version_2_bytes(bytes) else {
                    return Ok(None);
                };
                if length > max {
                    return Err(HeaderError::TooLong { max });
                }
                let Some(whole) = bytes.get(..length) else {
                    return Ok(None);
                };
                check_sum(whole)?;
                whole
            }
            _ => return Err(HeaderError::Missing),
        };
        let (header, length) = proxy_header::ProxyHeader::parse(bytes, ParseConfig::default())
            .map_err(|error| malformed(&error))?;
        Ok(Some((Self::of(&header)?, length)))
    }

    /// Takes what matters here from a header.
    fn of(header: &proxy_header::ProxyHeader<'_>) -> Result<Self, HeaderError> {
        let address = header.proxied_address();
        if address.is_some_and(|address| address.protocol == Protocol::Datagram) {
            return Err(HeaderError::Malformed("it is about a datagram"));
        }
        let mut taken = Self {
            client: address.map(|address| address.source),
            ..Self::default()
        };
        for field in header.tlvs() {
            match field.map_err(|error| malformed(&error))? {
                Tlv::Ssl(ssl) => taken.is_secure = ssl.client_ssl(),
                Tlv::Authority(name) => taken.authority = Some(name.into_owned()),
                _ => {}
            }
        }
        Ok(taken)
    }
}

/// Checks that `bytes` are the start of `signature`, or begin with it.
fn check_start(bytes: &[u8], signature: &[u8]) -> Result<(), HeaderError> {
    let compared = bytes.len().min(signature.len());
    if bytes[..compared] == signature[..compared] {
        Ok(())
    } else {
        Err(HeaderError::Missing)
    }
}

/// The length of a whole header of version 2; `None` if it is not there yet.
fn version_2_bytes(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(14..FIXED_BYTES)?.try_into().ok()?;
    Some(FIXED_BYTES + usize::from(u16::from_be_bytes(length)))
}

/// Checks the `CRC32c` of a whole header of version 2, if it has one: it is that of the header with zeros in its place.
fn check_sum(header: &[u8]) -> Result<(), HeaderError> {
    let addresses = match header[13] >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    let mut at = FIXED_BYTES + addresses;
    while let Some(&[kind, high, low]) = header.get(at..at + 3) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = at + 3..at + 3 + length;
        let Some(given) = header.get(value.clone()) else {
            break;
        };
        if kind == CRC32C {
            let sum = crc32c::crc32c(&header[..value.start]);
            let sum = crc32c::crc32c_append(sum, &[0; 4]);
            let sum = crc32c::crc32c_append(sum, &header[value.end..]);
            if given != sum.to_be_bytes() {
                return Err(HeaderError::Malformed("its CRC32c is wrong"));
            }
        }
        at = value.end;
    }
    Ok(())
}

fn malformed(error: &Error) -> HeaderError {
    HeaderError::Malformed(match error {
        Error::BufferTooShort => "it ends within",
        Error::AddressFamilyMismatch => "its addresses are of two families",
        _ => "its version, addresses or fields are not those of the specification",
    })
}

/// Start of a header of version 1.
const VERSION_1: &[u8] = b"PROXY ";
/// Maximum length of a header of version 1, its line end included.
const VERSION_1_BYTES: usize = 107;
/// Start of a header of version 2.
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Length of what every header of version 2 begins with.
const FIXED_BYTES: usize = 16;
/// Type of the field with the checksum (`PP2_TYPE_CRC32C`).
const CRC32C: u8 = 3;
/// Bytes read at once: a header as most proxies send it, and the first message of TLS.
const FIRST_BYTES: usize = 2048;

#[cfg(test)]
mod tests;
