//! The number of wrong signatures from one address (H21).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use values::limiter::{KeyedRateLimiter, Rate, source};

use crate::config::Limit;
use crate::log::failure;

/// Counts tokens with a wrong signature per address.
///
/// Each of them has been checked by then, so exceeding the limit changes the answer (429 for 401) and never what a good
/// token gets.
#[derive(Debug)]
pub(super) struct Guesses {
    /// `None` counts nothing.
    limiter: Option<KeyedRateLimiter>,
    /// One line of the log per address and minute.
    reports: KeyedRateLimiter,
}

impl Guesses {
    /// At most `limit` a minute.
    pub(super) fn new(limit: Limit<usize>) -> Self {
        let rate = |limit| Rate::per(limit, limit, MINUTE);
        let limiter = |limit| {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            KeyedRateLimiter::new(rate(limit), MAX_ADDRESSES)
        };
        Self {
            limiter: limit.0.map(limiter),
            reports: KeyedRateLimiter::new(rate(1), MAX_ADDRESSES),
        }
    }

    /// Counts a wrong signature from `address` and tells if it is within the limit.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> bool {
        let Some(limiter) = &self.limiter else {
            return true;
        };
        let source = source(address);
        let admitted = limiter.admit(source, now).is_ok();
        if !admitted && self.reports.admit(source, now).is_ok() {
            failure!(
                WARN,
                address = %source,
                "tokens with a wrong signature exceed --rooms-token-failures; good tokens from there still pass"
            );
        }
        admitted
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses remembered at once by a limiter of requests: about 0.5 MiB.
pub(super) const MAX_ADDRESSES: usize = 10_000;
