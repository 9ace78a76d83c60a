//! Addresses and the networks that they belong to.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// An address or a network in CIDR notation; IPv4 that is written as IPv6 (`::ffff:10.0.0.1`) becomes what it is.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(crate) fn parse(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = parsed
        .map_err(|_| format!("must list IP addresses and CIDR ranges such as 10.0.0.0/8, not {text:?}."))?;
    if network.addr() != network.network() {
        return Err(format!("names an address within a range: {text:?}; {} may be meant.", network.trunc()));
    }
    Ok(canonical(network))
}

/// An IPv4 network that was written as one of IPv6 (RFC 4291, section 2.5.5.2).
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let inner = network.prefix_len().checked_sub(MAPPED);
    match (network.addr().to_canonical(), inner) {
        (IpAddr::V4(address), Some(length)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, length).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

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
