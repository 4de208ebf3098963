//! Listening sockets: IPv6 and IPv4 on one port, Unix sockets, or what the service manager handed over.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{ListenAddress, Network};
#[cfg(unix)]
use crate::unix_listener::UnixListening;

/// A socket could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}{}", remedy(reason))]
pub struct ListenError {
    /// The address as the settings write it.
    pub address: String,
    /// The system's error.
    pub reason: io::Error,
}

impl ListenError {
    fn new(address: &impl fmt::Display, reason: io::Error) -> Self {
        Self {
            address: address.to_string(),
            reason,
        }
    }
}

/// Returns the remedy for `error`, to follow it; empty where nothing is known to help.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, or choose another port or path",
        io::ErrorKind::AddrNotAvailable => "; choose an address of this machine",
        io::ErrorKind::PermissionDenied => {
            "; choose a port from 1024 on or a directory of this user, or give the server the right"
        }
        io::ErrorKind::InvalidInput => "; choose another address",
        _ => "",
    }
}

/// A listening socket, and what is spoken on its connections.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: ListeningSocket,
    pub(crate) kind: ListenerKind,
}

/// The protocol of a listener's connections, and the paths that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerKind {
    /// TLS comes first.
    pub(crate) is_tls: bool,
    pub(crate) service: Service,
}

/// The paths of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Those for clients.
    Public,
    /// Those for operators.
    Admin,
    /// gRPC alone.
    Grpc,
}

/// A listening socket by its family.
#[derive(Debug)]
pub(crate) enum ListeningSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListening),
}

impl Listener {
    /// Listens on `address`; `unix_mode` is the file mode of a Unix socket.
    fn open(
        address: &ListenAddress,
        service: Service,
        unix_mode: u32,
    ) -> Result<Self, ListenError> {
        let is_tls = matches!(address, ListenAddress::Tls(_));
        let socket = match address {
            ListenAddress::Tls(address) | ListenAddress::Plain(address) => {
                ListeningSocket::Tcp(listen(*address)?)
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let opened = UnixListening::open(path, unix_mode, BACKLOG);
                ListeningSocket::Unix(opened.map_err(|error| ListenError::new(address, error))?)
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => {
                let _ = unix_mode;
                return Err(ListenError::new(address, io::ErrorKind::Unsupported.into()));
            }
        };
        let kind = ListenerKind { is_tls, service };
        Ok(Self { socket, kind })
    }

    /// The TCP address; `None` for a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            ListeningSocket::Unix(_) => None,
        }
    }

    /// The address for the log.
    pub(crate) fn shown(&self) -> String {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            #[cfg(unix)]
            ListeningSocket::Unix(listening) => listening.shown(),
        }
    }
}

impl From<TcpListener> for Listener {
    /// A listener for clients that speak TLS.
    fn from(listener: TcpListener) -> Self {
        Self {
            socket: ListeningSocket::Tcp(listener),
            kind: ListenerKind {
                is_tls: true,
                service: Service::Public,
            },
        }
    }
}

/// Opens every listening socket that `network` names, except those that the service manager passed.
///
/// Sockets for clients that were passed take the place of `--listen`, those for operators of `--admin-listen`, one for
/// gRPC that of `--grpc-listen`.
///
/// # Errors
/// An address is in use or not ours, a port needs rights that the process lacks, or what was passed is no listener.
pub fn listeners(network: &Network) -> Result<Vec<Listener>, ListenError> {
    let passed = inherited()
        .map_err(|error| ListenError::new(&"the sockets of the service manager", error))?;
    complete(network, passed)
}

/// Opens the listening sockets of `network` that are not for clients.
pub(crate) fn further(network: &Network) -> Result<Vec<Listener>, ListenError> {
    let without_clients = Network {
        listen: Vec::new(),
        ..network.clone()
    };
    complete(&without_clients, Vec::new())
}

/// Opens what `network` names and `listeners` lacks.
fn complete(network: &Network, mut listeners: Vec<Listener>) -> Result<Vec<Listener>, ListenError> {
    let is_given = |service| {
        let mut kinds = listeners.iter().map(|listener| listener.kind);
        kinds.any(|kind| kind.service == service)
    };
    let (public, admin, grpc) = (
        is_given(Service::Public),
        is_given(Service::Admin),
        is_given(Service::Grpc),
    );
    let grpc_address = network.grpc_listen.map(ListenAddress::Plain);
    let wanted = [
        (public, Service::Public, &network.listen[..]),
        (admin, Service::Admin, &network.admin_listen[..]),
        (grpc, Service::Grpc, grpc_address.as_slice()),
    ];
    for (is_given, service, addresses) in wanted {
        for address in addresses.iter().filter(|_| !is_given) {
            let opened = Listener::open(address, service, network.unix_socket_mode);
            listeners.push(opened?);
        }
    }
    Ok(listeners)
}

/// Listens on `address`.
///
/// The unspecified IPv6 address takes IPv4 connections too; on a host without IPv6 the unspecified IPv4 address takes
/// its place. Port 0 lets the system choose: ask the listener for its address.
///
/// # Errors
/// The address is in use or not ours, or the port needs rights that the process lacks.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    or_without_ipv6(address, open)
}

/// Calls `open` with `address`, or on a host without IPv6 with the unspecified IPv4 address in place of that of IPv6.
fn or_without_ipv6<T>(
    address: SocketAddr,
    open: fn(SocketAddr) -> io::Result<T>,
) -> Result<T, ListenError> {
    let fallback = match address {
        SocketAddr::V6(six) if six.ip().is_unspecified() => {
            Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, six.port())))
        }
        _ => None,
    };
    match (open(address), fallback) {
        (Err(error), Some(fallback)) if is_without_ipv6(&error) => {
            open(fallback).map_err(|error| ListenError::new(&fallback, error))
        }
        (result, _) => result.map_err(|error| ListenError::new(&address, error)),
    }
}

/// Finds out if every address of `network` could be listened on, without listening and without changing a file.
///
/// An address in use is no error: the server that uses it may be the one whose settings are checked.
///
/// # Errors
/// An address is not ours, a port or a directory needs rights that the process lacks, or a Unix socket cannot be where
/// its path says.
pub(crate) fn check(network: &Network) -> Result<(), ListenError> {
    let grpc = network.grpc_listen.map(ListenAddress::Plain);
    let mut files = HashSet::new();
    for address in network
        .listen
        .iter()
        .chain(&network.admin_listen)
        .chain(&grpc)
    {
        match address {
            ListenAddress::Tls(tcp) | ListenAddress::Plain(tcp) => {
                match or_without_ipv6(*tcp, bind) {
                    Err(error) if error.reason.kind() != io::ErrorKind::AddrInUse => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let place =
                    UnixListening::check(path).map_err(|error| ListenError::new(address, error))?;
                if !files.insert(place) {
                    let text = "two addresses name the same file";
                    let error = io::Error::new(io::ErrorKind::InvalidInput, text);
                    return Err(ListenError::new(address, error));
                }
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(path) => {
                files.insert(path.clone());
                return Err(ListenError::new(address, io::ErrorKind::Unsupported.into()));
            }
        }
    }
    Ok(())
}

/// Takes the listening sockets that the service manager passed (`LISTEN_FDS`), each by its name (`LISTEN_FDNAMES`):
/// `plain`, `admin`, `admin-plain` and `grpc`; every other one is for clients that speak TLS. Unix sockets are without TLS.
///
/// # Errors
/// A socket that was passed does not listen for streams.
fn inherited() -> io::Result<Vec<Listener>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..passed.len() {
        let kind = ListenerKind::named(names.next().unwrap_or_default());
        listeners.extend(take(&mut passed, at, kind)?);
    }
    Ok(listeners)
}

/// Takes the socket at position `at`, unless it is taken.
fn take(
    passed: &mut listenfd::ListenFd,
    at: usize,
    kind: ListenerKind,
) -> io::Result<Option<Listener>> {
    #[cfg(unix)]
    if let Ok(Some(listener)) = passed.take_unix_listener(at) {
        let socket = ListeningSocket::Unix(UnixListening::inherited(listener)?);
        let kind = ListenerKind {
            is_tls: false,
            ..kind
        };
        return Ok(Some(Listener { socket, kind }));
    }
    let Some(listener) = passed.take_tcp_listener(at)? else {
        return Ok(None);
    };
    listener.set_nonblocking(true)?;
    let socket = ListeningSocket::Tcp(listener);
    Ok(Some(Listener { socket, kind }))
}

impl ListenerKind {
    /// The kind of a socket that the service manager calls `name`.
    fn named(name: &str) -> Self {
        let (is_tls, service) = match name {
            "plain" => (false, Service::Public),
            "admin" => (true, Service::Admin),
            "admin-plain" => (false, Service::Admin),
            "grpc" => (false, Service::Grpc),
            _ => (true, Service::Public),
        };
        Self { is_tls, service }
    }
}

/// A listener ready for tokio.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket at `address` that does not listen yet.
fn bind(address: SocketAddr) -> io::Result<Socket> {
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
    Ok(socket)
}

/// Returns true if the system knows no IPv6, or has it switched off.
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
