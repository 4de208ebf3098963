//! Address families, and the order in which their addresses are tried.

use std::net::SocketAddr;

/// The addresses of a name that may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both families.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Returns true if `address` is of this family.
    pub fn contains(self, address: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Alternates the families, beginning with that of the first address (RFC 8305 §4).
pub(crate) fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
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
