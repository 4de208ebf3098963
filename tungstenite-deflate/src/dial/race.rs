//! Happy Eyeballs: the first of many addresses that answers (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::family::interleaved;

/// Connects to the first of `addresses` that answers (RFC 8305 §4, §5).
///
/// The families alternate, beginning with that of the first address. A further attempt starts when one has failed, or
/// after `attempt_delay` without an answer; the earlier attempts go on. Without a delay each attempt waits for the end of
/// the one before, and no timer is used. RFC 8305 §8 recommends 250 ms.
///
/// # Errors
/// The error of the attempt that failed last, or one of kind `AddrNotAvailable` if there is no address.
///
/// # Panics
/// If there is a delay and tokio's time driver is not enabled.
///
/// # Cancel safety
/// Dropping the future closes all attempts.
pub async fn happy_eyeballs(
    addresses: impl IntoIterator<Item = SocketAddr>,
    attempt_delay: Option<Duration>,
) -> io::Result<TcpStream> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut running = FuturesUnordered::new();
    let mut last_error = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
    while let Some(address) = waiting.next() {
        running.push(TcpStream::connect(address));
        let ended = match attempt_delay.filter(|_| waiting.len() > 0) {
            Some(delay) => tokio::time::timeout(delay, running.next()).await.ok(),
            None if waiting.len() > 0 => Some(running.next().await),
            None => None,
        };
        match ended.flatten() {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last_error = error,
            // The delay has passed, or this was the last address.
            None => {}
        }
    }
    while let Some(ended) = running.next().await {
        match ended {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}
