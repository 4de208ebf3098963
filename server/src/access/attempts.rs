//! How often one address may do something: a bucket of tokens for each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits::source;
use crate::rooms::rate::Rate;

/// How often one address may do something. An IPv6 /64 counts as one address.
#[derive(Debug)]
pub(crate) struct Attempts {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Rate>>,
}

impl Attempts {
    /// So many at once, and so many a second for ever.
    pub(crate) fn new(burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            buckets: Mutex::default(),
        }
    }

    /// Whether one more is allowed; it is not counted.
    pub(crate) fn may(&self, address: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(&source(address));
        bucket.is_none_or(|bucket| bucket.has_one(now))
    }

    /// Counts one; `false` when it is one too many.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets();
        if buckets.len() >= MAX_ADDRESSES {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let source = source(address);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(&source) {
            // So many addresses at once are one attacker; nobody new gets a chance until buckets are full again.
            return false;
        }
        let new = || Rate::new(self.burst, self.per_second, now);
        buckets.entry(source).or_insert_with(new).take(now)
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<IpAddr, Rate>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Addresses that are remembered at once.
const MAX_ADDRESSES: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_address_has_its_own_bucket_which_fills_again() {
        let (attempts, now) = (Attempts::new(5.0, 5.0 / 60.0), Instant::now());
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        assert!((0..5).all(|_| attempts.take(one, now)));
        assert!(!attempts.may(one, now) && !attempts.take(one, now));
        assert!(attempts.may(other, now) && attempts.take(other, now));
        assert!(attempts.may(one, now + Duration::from_secs(13)));
    }

    #[test]
    fn addresses_are_forgotten_once_their_buckets_are_full() {
        let (attempts, now) = (Attempts::new(1.0, 1.0), Instant::now());
        for number in 0..u32::try_from(MAX_ADDRESSES).unwrap() {
            assert!(attempts.take(std::net::Ipv4Addr::from(number).into(), now));
        }
        let new = "203.0.113.1".parse().unwrap();
        assert!(!attempts.take(new, now));
        assert!(attempts.take(new, now + Duration::from_secs(2)));
        assert_eq!(attempts.buckets().len(), 1);
    }
}
