//! Happy Eyeballs: the first of many addresses that answers (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

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

/// Alternates the families, beginning with that of the first address (RFC 8305 §4).
fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let first_is_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while first.len() + second.len() > 0 {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate() {
        for (addresses, expected) in [
            (
                "[::1]:1 [::2]:1 1.1.1.1:1 2.2.2.2:1 3.3.3.3:1",
                "[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 3.3.3.3:1",
            ),
            ("1.1.1.1:1 2.2.2.2:1 [::1]:1", "1.1.1.1:1 [::1]:1 2.2.2.2:1"),
            ("1.1.1.1:1 2.2.2.2:1", "1.1.1.1:1 2.2.2.2:1"),
            ("", ""),
        ] {
            let addresses = addresses
                .split_whitespace()
                .map(|text| text.parse::<SocketAddr>().expect("an address"));
            let ordered: Vec<String> = interleaved(addresses)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(ordered.join(" "), expected);
        }
    }
}
