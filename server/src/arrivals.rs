//! How often one source may begin a TLS handshake (T7).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Network;
use crate::limits::source;

/// A bucket of handshakes per source, refilled at a rate.
///
/// A handshake costs the server a signature, some hundred microseconds, before the client has proven anything.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Handshakes a second; `None` counts nothing.
    rate: Option<f64>,
    burst: f64,
    loopback: bool,
    buckets: Mutex<Buckets>,
}

/// Every source that has lately been here.
#[derive(Debug, Default)]
struct Buckets {
    by_source: HashMap<IpAddr, Bucket>,
    /// When those that are full again were last forgotten.
    swept: Option<Instant>,
}

/// What one source has left.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Arrivals {
    /// The rate, the burst and the exemption of `network`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody sets a rate beyond 2^52 a second"
    )]
    pub(crate) fn new(network: &Network) -> Self {
        Self {
            rate: network.handshake_rate.0.map(|rate| rate as f64),
            burst: network.handshake_burst as f64,
            loopback: network.handshake_rate_loopback.is_on(),
            buckets: Mutex::default(),
        }
    }

    /// Whether `address` may begin another handshake; if so it is counted.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        match self.rate {
            Some(rate) if self.loopback || !address.is_loopback() => {
                let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
                buckets.take(source(address), rate, self.burst, now)
            }
            _ => true,
        }
    }
}

impl Buckets {
    /// Takes one handshake out of the bucket of `source`.
    fn take(&mut self, source: IpAddr, rate: f64, burst: f64, now: Instant) -> bool {
        let source = if self.by_source.contains_key(&source) || self.has_room(rate, burst, now) {
            source
        } else {
            // Sources for which there is no room share one bucket.
            Ipv4Addr::UNSPECIFIED.into()
        };
        let bucket = self.by_source.entry(source).or_insert(Bucket {
            left: burst,
            at: now,
        });
        bucket.left = bucket.filled(rate, burst, now);
        bucket.at = now;
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }

    /// Whether one more source can be remembered; forgets, now and then, those that have their whole burst again.
    fn has_room(&mut self, rate: f64, burst: f64, now: Instant) -> bool {
        let due = self
            .swept
            .is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_INTERVAL);
        if self.by_source.len() >= MAX_SOURCES && due {
            self.swept = Some(now);
            self.by_source
                .retain(|_, bucket| bucket.filled(rate, burst, now) < burst);
        }
        self.by_source.len() < MAX_SOURCES
    }
}

impl Bucket {
    /// What is left at `now`.
    fn filled(&self, rate: f64, burst: f64, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + since * rate).min(burst)
    }
}

/// Sources remembered at once: some 5 MiB.
const MAX_SOURCES: usize = 65_536;
/// How often sources are forgotten at most; looking through all of them takes about a millisecond.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn arrivals() -> Arrivals {
        Arrivals::new(&Config::default().network)
    }

    /// How many of `count` handshakes from `address` at once are admitted.
    fn admitted(arrivals: &Arrivals, address: &str, count: usize, now: Instant) -> usize {
        let address = address.parse().unwrap();
        (0..count).filter(|_| arrivals.admit(address, now)).count()
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
        for number in 0..70_000_u32 {
            arrivals.admit(Ipv4Addr::from(0x0a00_0000 + number).into(), start);
        }
        let remembered = || arrivals.buckets.lock().unwrap().by_source.len();
        assert_eq!(remembered(), MAX_SOURCES + 1);
        arrivals.admit(
            "192.0.2.9".parse().unwrap(),
            start + Duration::from_secs(10),
        );
        assert_eq!(remembered(), 1, "who has its burst again is forgotten");
    }
}
