//! The address of somebody who uses rooms, and if that is on this machine.

use std::net::IpAddr;

/// The address of somebody who uses rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's address, by which rates and lock-outs are counted.
    pub address: IpAddr,
    /// Whether the client runs on this machine. Never true for what a proxy forwarded, whatever address it reported.
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
