//! The TCP connection to a server by calls that block: addresses, families, proxies.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::deadline::Deadline;
#[cfg(feature = "proxy")]
use crate::dial::ProxyKind;
use crate::dial::{Dial, interleaved};
use crate::handshake::WebSocketUrl;
use crate::tungstenite::error::UrlError;
use crate::tungstenite::{Error, Result};

/// Opens the TCP connection to the server that `url` names, or to the proxy that is chosen for it; then `open` does the
/// rest, within the deadline too. `request` is the URL for an error.
///
/// # Errors
/// Those of `open`; [`Error::Io`] if the name has no address, the proxy refuses or the deadline has passed;
/// [`UrlError::UnableToConnect`] if no address accepts.
pub(super) fn connect<T>(
    dial: &Dial,
    url: &WebSocketUrl,
    request: &str,
    deadline: Deadline,
    open: impl FnOnce(TcpStream) -> Result<T>,
) -> Result<T> {
    let unable = || Error::Url(UrlError::UnableToConnect(request.to_owned()));
    #[cfg(feature = "proxy")]
    if let Some(proxy) = dial.proxy.for_url(url).map_err(io::Error::other)? {
        proxy.check_plain()?;
        let addresses = lookup(dial, &proxy.host, proxy.port)?;
        let socket = reach(dial, addresses, deadline)?.ok_or_else(unable)?;
        return deadline.watch(socket, |socket| {
            let host = if proxy.kind == ProxyKind::SOCKS5 {
                lookup(dial, url.host(), url.port())?[0].ip().to_string()
            } else {
                url.host().to_owned()
            };
            open(super::tunnel::tunnel(&proxy, socket, &host, url.port())?)
        });
    }
    let addresses = lookup(dial, url.host(), url.port())?;
    let socket = reach(dial, addresses, deadline)?.ok_or_else(unable)?;
    deadline.watch(socket, open)
}

/// Looks the name up. The operating system's call cannot be interrupted: it has a limit of its own.
fn lookup(dial: &Dial, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    dial.permitted(host, (host, port).to_socket_addrs()?)
}

/// Connects to the first address that accepts; `None` if none does.
fn reach(dial: &Dial, addresses: Vec<SocketAddr>, deadline: Deadline) -> Result<Option<TcpStream>> {
    match dial.attempt_delay {
        Some(delay) if addresses.len() > 1 => race(addresses, delay, deadline),
        _ => one_after_another(addresses, deadline),
    }
}

fn one_after_another(addresses: Vec<SocketAddr>, deadline: Deadline) -> Result<Option<TcpStream>> {
    for address in addresses {
        if let Ok(socket) = attempt(address, deadline.remaining()?) {
            return Ok(Some(socket));
        }
    }
    deadline.remaining()?;
    Ok(None)
}

fn attempt(address: SocketAddr, limit: Option<Duration>) -> io::Result<TcpStream> {
    match limit {
        Some(limit) => TcpStream::connect_timeout(&address, limit),
        None => TcpStream::connect(address),
    }
}

/// Happy Eyeballs (RFC 8305 §5): each attempt on a thread of its own, a further one when one has failed or after `delay`.
///
/// Threads of attempts that are no longer needed end by themselves, and close what they opened.
fn race(
    addresses: Vec<SocketAddr>,
    delay: Duration,
    deadline: Deadline,
) -> Result<Option<TcpStream>> {
    let (sender, results) = mpsc::channel();
    let mut running = 0_usize;
    let mut waiting = interleaved(addresses).into_iter();
    loop {
        let left = deadline.remaining()?;
        match waiting.next() {
            Some(address) => {
                start(address, left, sender.clone())?;
                running += 1;
            }
            None if running == 0 => return Ok(None),
            None => {}
        }
        let patience = if waiting.len() > 0 { Some(delay) } else { None };
        match next(&results, left.into_iter().chain(patience).min()) {
            Some(Ok(socket)) => return Ok(Some(socket)),
            Some(Err(_)) => running -= 1,
            // The delay has passed, or the deadline.
            None => {}
        }
    }
}

fn start(
    address: SocketAddr,
    limit: Option<Duration>,
    results: Sender<io::Result<TcpStream>>,
) -> io::Result<()> {
    thread::Builder::new()
        .name("websocket-connect".into())
        .spawn(move || {
            // Without a receiver another attempt was first.
            let _ = results.send(attempt(address, limit));
        })
        .map(drop)
}

/// The next result, within the time if there is a limit.
fn next<T>(results: &Receiver<T>, limit: Option<Duration>) -> Option<T> {
    match limit {
        Some(limit) => results.recv_timeout(limit).ok(),
        None => results.recv().ok(),
    }
}
