//! The address of somebody who uses rooms, and if that is on this machine.

use std::net::IpAddr;

/// The address of somebody who uses rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's address, by which rates and lock-outs are counted.
    pub address: IpAddr,
    /// Returns whether the client runs on this machine; never true for a forwarded request, whatever address it reports.
    pub is_local: bool,
}

impl From<IpAddr> for Caller {
    /// Takes `address` for that of a direct connection.
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            is_local: address.to_canonical().is_loopback(),
        }
    }
}
