//! Maximum number of connections, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use prometheus_client::metrics::gauge::Gauge;
use values::limiter::source;
use values::sync::lock;

/// Counts the connections that are held; [`Permit`] is one of them.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    total: usize,
    per_address: usize,
    held: Mutex<Counts>,
}

/// The count in all and per source.
#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// One connection that is held; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Permit {
    limits: Arc<ConnectionLimits>,
    /// `None` counts in the total alone.
    source: Option<IpAddr>,
}

/// Limit that a connection exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The server holds as many as it may.
    Total,
    /// The address holds as many as it may.
    Address,
}

/// A TCP connection in the metrics and in the limits, from its acceptance to its end.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    open: Gauge,
    _permit: Permit,
}

impl OpenConnection {
    /// Counts in `open` a connection that was admitted.
    pub(crate) fn new(open: &Gauge, permit: Permit) -> Self {
        open.inc();
        Self {
            open: open.clone(),
            _permit: permit,
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl ConnectionLimits {
    /// At most `total` connections, and `per_address` from one source.
    pub(crate) fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            held: Mutex::default(),
        })
    }

    /// Counts a connection for as long as the permit lives: in the total, and among those from `address` unless that is
    /// `None`.
    ///
    /// # Errors
    /// A limit is reached.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Full> {
        let mut held = lock(&self.held);
        if held.total >= self.total {
            return Err(Full::Total);
        }
        let source = address.map(source);
        if let Some(source) = source {
            held.add(source, self.per_address)?;
        }
        held.total += 1;
        Ok(Permit {
            limits: Arc::clone(self),
            source,
        })
    }
}

impl Counts {
    /// Counts one more from `source`, of which there may be `max`.
    fn add(&mut self, source: IpAddr, max: usize) -> Result<(), Full> {
        let from_source = self.by_source.get(&source).copied().unwrap_or(0);
        if from_source >= max {
            return Err(Full::Address);
        }
        self.by_source.insert(source, from_source + 1);
        Ok(())
    }
}

impl Permit {
    /// Counts the connection, which so far is in the total alone, among those from `address` too.
    ///
    /// # Errors
    /// The address holds as many as it may.
    pub(crate) fn attribute(&mut self, address: IpAddr) -> Result<(), Full> {
        debug_assert!(self.source.is_none(), "a connection has one client");
        let source = source(address);
        let mut held = lock(&self.limits.held);
        held.add(source, self.limits.per_address)?;
        self.source = Some(source);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = lock(&self.limits.held);
        held.total -= 1;
        if let Some(source) = self.source
            && let Some(count) = held.by_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                held.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_given_back_when_dropped() {
        let limits = ConnectionLimits::new(2, 2);
        let address = Some("127.0.0.1".parse().unwrap());
        let first = limits.admit(address).unwrap();
        let second = limits.admit(address).unwrap();
        assert_eq!(limits.admit(address).unwrap_err(), Full::Total);
        drop(first);
        drop(limits.admit(address).unwrap());
        drop(second);
        let held = limits.held.lock().unwrap();
        assert_eq!((held.total, held.by_source.len()), (0, 0));
    }

    #[test]
    fn one_source_cannot_take_the_place_of_others() {
        let limits = ConnectionLimits::new(3, 1);
        let admit = |address: &str| limits.admit(Some(address.parse().unwrap()));
        let _mapped = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Full::Address);
        let _six = admit("2001:db8::1").unwrap();
        assert_eq!(admit("2001:db8::ffff").unwrap_err(), Full::Address);
        assert!(admit("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn n3_a_proxy_is_not_an_address_and_its_clients_are() {
        let limits = ConnectionLimits::new(4, 1);
        let mut permits: Vec<Permit> = (0..4).map(|_| limits.admit(None).unwrap()).collect();
        assert_eq!(limits.admit(None).unwrap_err(), Full::Total);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        permits[0].attribute(address).unwrap();
        assert_eq!(permits[1].attribute(address), Err(Full::Address));
        permits.remove(0);
        permits[0].attribute(address).unwrap();
        drop(permits);
        let held = limits.held.lock().unwrap();
        assert_eq!((held.total, held.by_source.len()), (0, 0));
    }
}
