//! A listener while connections are accepted from it.

use std::io;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::listen::ListeningSocket;
use crate::peer::Peer;
use crate::socket::Socket;
#[cfg(unix)]
use crate::unix_listener::SocketFile;

/// A listener while connections are accepted from it.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        /// Goes with the listener.
        _file: Option<SocketFile>,
    },
}

impl Listening {
    /// Hands `socket` to the runtime.
    ///
    /// # Errors
    /// The runtime cannot take it.
    pub(crate) fn new(socket: ListeningSocket) -> io::Result<Self> {
        Ok(match socket {
            ListeningSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            ListeningSocket::Unix(listening) => {
                let (listener, file) = listening.into_parts();
                Self::Unix {
                    listener: UnixListener::from_std(listener)?,
                    _file: file,
                }
            }
        })
    }

    /// Accepts a connection. Cancel safe.
    ///
    /// # Errors
    /// The next connection has ended already, or the system cannot accept.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((stream.into(), Peer::direct(address)))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Peer::unix()))
            }
        }
    }
}
