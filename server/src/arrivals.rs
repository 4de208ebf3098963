//! Rate of TLS handshakes that one source may begin (T7).

use std::net::IpAddr;
use std::time::Instant;

use values::limiter::{KeyedRateLimiter, Rate, source};

use crate::config::Network;

/// The rate of handshakes of each source.
///
/// A handshake costs the server a signature, some hundred microseconds, before the client has proven anything.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// `None` counts nothing.
    limiter: Option<KeyedRateLimiter>,
    loopback: bool,
}

impl Arrivals {
    /// The rate, the burst and the exemption of `network`.
    pub(crate) fn new(network: &Network) -> Self {
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let limiter = network.handshake_rate.0.map(|per_second| {
            let rate = Rate::per_second(number(network.handshake_burst), number(per_second));
            KeyedRateLimiter::new(rate, MAX_SOURCES)
        });
        Self {
            limiter,
            loopback: network.handshake_rate_loopback.is_on(),
        }
    }

    /// Counts a handshake from `address`, which is this host if `is_local`, and tells if it may begin.
    pub(crate) fn admit(&self, address: IpAddr, is_local: bool, now: Instant) -> bool {
        let Some(limiter) = &self.limiter else {
            return true;
        };
        let is_exempt = !self.loopback && is_local;
        is_exempt || limiter.admit(source(address), now).is_ok()
    }
}

/// Sources remembered at once: about 4 MiB.
const MAX_SOURCES: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    fn arrivals() -> Arrivals {
        Arrivals::new(&Config::default().network)
    }

    /// Counts the admitted ones of `count` handshakes from `address` at the same instant.
    fn admitted(arrivals: &Arrivals, address: &str, count: usize, now: Instant) -> usize {
        let address: IpAddr = address.parse().unwrap();
        let is_local = rooms::Caller::from(address).is_local;
        (0..count)
            .filter(|_| arrivals.admit(address, is_local, now))
            .count()
    }

    #[test]
    fn t7_a_source_has_its_burst_and_then_its_rate() {
        let (arrivals, start) = (arrivals(), Instant::now());
        assert_eq!(admitted(&arrivals, "192.0.2.1", 200, start), 100);
        assert_eq!(admitted(&arrivals, "::ffff:192.0.2.1", 5, start), 0);
        assert_eq!(admitted(&arrivals, "192.0.2.2", 200, start), 100);
        assert_eq!(admitted(&arrivals, "2001:db8::1", 60, start), 60);
        assert_eq!(admitted(&arrivals, "2001:db8::2", 60, start), 40, "one /64");
        let later = start + Duration::from_secs(1);
        assert_eq!(admitted(&arrivals, "192.0.2.1", 200, later), 50);
        let much_later = start + Duration::from_secs(60);
        assert_eq!(admitted(&arrivals, "192.0.2.1", 200, much_later), 100);
    }

    #[test]
    fn t7_this_host_is_exempt_unless_told() {
        let now = Instant::now();
        assert_eq!(admitted(&arrivals(), "127.0.0.1", 1_000, now), 1_000);
        assert_eq!(admitted(&arrivals(), "::1", 1_000, now), 1_000);
        let mut network = Config::default().network;
        network.handshake_rate_loopback = crate::config::Switch::On;
        assert_eq!(
            admitted(&Arrivals::new(&network), "127.0.0.1", 1_000, now),
            100
        );
        network.handshake_rate = crate::config::Limit(None);
        assert_eq!(
            admitted(&Arrivals::new(&network), "127.0.0.1", 1_000, now),
            1_000
        );
    }

    #[test]
    fn t7_the_sources_remembered_are_bounded() {
        let (arrivals, start) = (arrivals(), Instant::now());
        let admitted = (0..70_000_u32).filter(|number| {
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            arrivals.admit(address.into(), false, start)
        });
        assert_eq!(
            admitted.count(),
            MAX_SOURCES + 100,
            "the others share a burst"
        );
        assert_eq!(arrivals.limiter.unwrap().len(), MAX_SOURCES);
    }
}
