//! The listening socket: IPv6 and IPv4 on one port, or what the service manager handed over.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// A socket could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; choose another address")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Listens on `address`.
///
/// The unspecified IPv6 address takes IPv4 connections too; on a host without IPv6 the unspecified IPv4 address takes
/// its place. Port 0 lets the system choose: ask the listener for its address.
///
/// # Errors
/// The address is in use or not ours, or the port needs rights that the process lacks.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let fallback = match address {
        SocketAddr::V6(six) if six.ip().is_unspecified() => {
            Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, six.port())))
        }
        _ => None,
    };
    match (open(address), fallback) {
        (Err(error), Some(fallback)) if is_without_ipv6(&error) => {
            open(fallback).map_err(|source| ListenError {
                address: fallback,
                source,
            })
        }
        (result, _) => result.map_err(|source| ListenError { address, source }),
    }
}

/// Takes the first listening socket that the service manager passed (`LISTEN_FDS`), if it passed one.
///
/// # Errors
/// What was passed is no TCP listener.
pub fn inherited() -> io::Result<Option<TcpListener>> {
    let listener = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

/// A listener ready for tokio.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // On Unix this lets a restarted server have its port back at once; on Windows it would let others steal it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether the system knows no IPv6, or has it switched off.
fn is_without_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Connections that the system holds until they are accepted; it takes its own maximum if that is smaller.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn one_socket_takes_both_families() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_ne!(port, 0);
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect(("::1", port)).unwrap();
        }
    }

    #[test]
    fn address_in_use_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
    }
}
