//! The halves of a stream that may be encrypted.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::duplex::{Duplex, HalfWriter};
use crate::tungstenite::stream::MaybeTlsStream;

/// Plain, or by rustls.
impl Duplex for MaybeTlsStream<TcpStream> {
    type Reader = MaybeTlsReader;
    type Writer = MaybeTlsWriter;

    fn into_halves(self) -> io::Result<(Self::Reader, Self::Writer)> {
        match self {
            Self::Plain(stream) => {
                let (reader, writer) = stream.into_halves()?;
                Ok((
                    MaybeTlsReader(Reader::Plain(reader)),
                    MaybeTlsWriter(Writer::Plain(writer)),
                ))
            }
            #[cfg(feature = "__rustls")]
            Self::Rustls(stream) => {
                let (reader, writer) = stream.into_halves()?;
                Ok((
                    MaybeTlsReader(Reader::Rustls(reader)),
                    MaybeTlsWriter(Writer::Rustls(writer)),
                ))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a session of native-tls serves one thread at a time: use rustls",
            )),
        }
    }
}

/// The half of a [`MaybeTlsStream`] that reads.
#[derive(Debug)]
pub struct MaybeTlsReader(Reader);

/// The half of a [`MaybeTlsStream`] that writes.
#[derive(Debug)]
pub struct MaybeTlsWriter(Writer);

#[derive(Debug)]
enum Reader {
    Plain(TcpStream),
    #[cfg(feature = "__rustls")]
    Rustls(super::tls::TlsReader<TcpStream>),
}

#[derive(Debug)]
enum Writer {
    Plain(TcpStream),
    #[cfg(feature = "__rustls")]
    Rustls(super::tls::TlsWriter<TcpStream>),
}

impl Read for MaybeTlsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Reader::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "__rustls")]
            Reader::Rustls(stream) => stream.read(buffer),
        }
    }
}

impl Write for MaybeTlsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writer::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "__rustls")]
            Writer::Rustls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writer::Plain(stream) => stream.flush(),
            #[cfg(feature = "__rustls")]
            Writer::Rustls(stream) => stream.flush(),
        }
    }
}

impl HalfWriter for MaybeTlsWriter {
    fn end(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writer::Plain(stream) => stream.end(),
            #[cfg(feature = "__rustls")]
            Writer::Rustls(stream) => stream.end(),
        }
    }
}
