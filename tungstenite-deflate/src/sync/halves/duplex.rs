//! Streams that two threads can use at once, one for each direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A stream that two threads can use at once, one for each direction.
///
/// TCP and Unix sockets, and rustls over them. For other streams implement it, or [`HalfWriter`] for a writer.
pub trait Duplex {
    /// The half that reads, while the other thread writes.
    type Reader: Read;
    /// The half that writes.
    type Writer: HalfWriter + Send + 'static;

    /// Splits the stream.
    ///
    /// # Errors
    /// It cannot be split: `native-tls`, whose sessions serve one thread at a time, is of kind `Unsupported`.
    fn into_halves(self) -> io::Result<(Self::Reader, Self::Writer)>;
}

/// A half that writes.
pub trait HalfWriter: Write {
    /// Ends the writing direction, after everything is flushed: the peer reads the end of the stream.
    ///
    /// # Errors
    /// The stream failed.
    fn end(&mut self) -> io::Result<()>;
}

/// Sockets, each of which two threads use by handles of their own.
macro_rules! socket {
    ($socket:ty) => {
        impl Duplex for $socket {
            type Reader = Self;
            type Writer = Self;

            fn into_halves(self) -> io::Result<(Self::Reader, Self::Writer)> {
                Ok((self.try_clone()?, self))
            }
        }

        impl HalfWriter for $socket {
            fn end(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }

        impl HalfWriter for &$socket {
            fn end(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }
    };
}

socket!(TcpStream);
#[cfg(unix)]
socket!(std::os::unix::net::UnixStream);
