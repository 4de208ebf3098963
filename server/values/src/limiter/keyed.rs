//! One rate for many subjects, in a table of bounded size.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{Bucket, Exceeded, Rate};
use crate::sync::lock;

/// Limits the events of each key to a [`Rate`], and remembers at most a given number of keys.
///
/// A key is remembered until its burst is whole again. When the table is full, **the keys that it does not know share
/// one bucket**: together they have the rate of a single key. Known keys keep their own buckets. So a flood of
/// new keys neither grows the table, nor lifts the limit, nor touches those that are known.
///
/// For addresses, take [`source`](super::source) as the key.
#[derive(Debug)]
pub struct KeyedRateLimiter<K = IpAddr> {
    rate: Rate,
    capacity: usize,
    table: Mutex<Table<K>>,
}

/// The keys whose burst is not whole.
#[derive(Debug)]
struct Table<K> {
    buckets: HashMap<K, Bucket>,
    /// The bucket of all keys that find no slot.
    shared: Bucket,
    /// Instant at which whole buckets were last removed.
    swept_at: Option<Instant>,
}

impl<K: Eq + Hash> KeyedRateLimiter<K> {
    /// A limiter that remembers at most `capacity` keys.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self {
            rate,
            capacity,
            table: Mutex::new(Table {
                buckets: HashMap::new(),
                shared: Bucket::default(),
                swept_at: None,
            }),
        }
    }

    /// Counts one event of `key`.
    ///
    /// # Errors
    /// The event exceeds the rate; it has not been counted.
    pub fn admit(&self, key: K, now: Instant) -> Result<(), Exceeded> {
        let mut table = self.table();
        let bucket = if table.buckets.contains_key(&key) || table.has_space(self.capacity, now) {
            table.buckets.entry(key).or_default()
        } else {
            &mut table.shared
        };
        bucket.admit(self.rate, 1, now)
    }

    /// Looks if one event of `key` would be admitted, without counting it.
    ///
    /// # Errors
    /// It would exceed the rate.
    pub fn check(&self, key: &K, now: Instant) -> Result<(), Exceeded> {
        let mut table = self.table();
        let known = table.buckets.get(key).copied();
        let bucket = match known {
            Some(bucket) => bucket,
            None if table.has_space(self.capacity, now) => Bucket::default(),
            None => table.shared,
        };
        bucket.check(self.rate, 1, now).map(drop)
    }

    /// The number of keys remembered.
    pub fn len(&self) -> usize {
        self.table().buckets.len()
    }

    /// Tells if no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        lock(&self.table)
    }
}

impl<K: Eq + Hash> Table<K> {
    /// Tells if one more key can be remembered. A full table is searched for whole buckets once per [`SWEEP_INTERVAL`]:
    /// looking through 65,536 keys takes about a millisecond.
    fn has_space(&mut self, capacity: usize, now: Instant) -> bool {
        if self.buckets.len() < capacity {
            return true;
        }
        let is_due = self
            .swept_at
            .is_none_or(|swept_at| now.saturating_duration_since(swept_at) >= SWEEP_INTERVAL);
        if is_due {
            self.swept_at = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        self.buckets.len() < capacity
    }
}

/// Minimum time between two searches of a full table.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
