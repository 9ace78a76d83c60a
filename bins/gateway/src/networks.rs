//! Addresses and the networks that they belong to.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Whether one of the networks has this address, which is canonical.
pub(crate) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// What one client can hold many addresses of is counted as one: an IPv6 client has a whole /64.
pub(crate) fn of_one_client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}
