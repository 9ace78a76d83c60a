//! What is the gateway's own and no destination for what users name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use parking_lot::RwLock;

use super::allow::canonical;
use super::range::embedded_v4;

/// Endpoints that are closed whatever networks are allowed. They may be added while others judge.
#[derive(Debug, Default)]
pub(super) struct Closed {
    listeners: RwLock<Vec<SocketAddr>>,
    hosts: RwLock<Vec<(String, u16)>>,
}

impl Closed {
    pub(super) fn add_listener(&self, listening: SocketAddr) {
        self.listeners.write().push(listening);
    }

    pub(super) fn add_host(&self, host: &str, port: u16) {
        self.hosts.write().push((canonical(host), port));
    }

    /// Judges a host by its text, in the form that a parsed URL shows it.
    pub(super) fn has_host(&self, host: &str, port: u16) -> bool {
        let host = canonical(host);
        if self.hosts.read().iter().any(|(closed, at)| *at == port && *closed == host) {
            return true;
        }
        if host == "localhost" || host.ends_with(".localhost") {
            return self.has_address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        }
        host.parse().is_ok_and(|address| self.has_address(SocketAddr::new(address, port)))
    }

    /// Judges an address that is about to be connected to.
    pub(super) fn has_address(&self, address: SocketAddr) -> bool {
        let (ip, port) = (inner(address.ip()), address.port());
        let is_host =
            |(host, at): &(String, u16)| *at == port && host.parse().is_ok_and(|host| inner(host) == ip);
        if self.hosts.read().iter().any(is_host) {
            return true;
        }
        // Which of this machine's addresses a listener hears is for the system to say: none of them is anybody else's.
        self.listeners
            .read()
            .iter()
            .any(|listener| listener.port() == port && (inner(listener.ip()) == ip || is_of_this_machine(ip)))
    }

    /// The names among the closed hosts with this port: an address may be theirs.
    pub(super) fn names(&self, port: u16) -> Vec<String> {
        let hosts = self.hosts.read();
        let names = hosts.iter().filter(|(host, at)| *at == port && host.parse::<IpAddr>().is_err());
        names.map(|(host, _)| host.clone()).collect()
    }
}

/// The address that a packet ends at: IPv4 without its IPv6 disguise, and this machine for "any".
fn inner(address: IpAddr) -> IpAddr {
    let plain = match address {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    if plain.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { plain }
}

/// The system lets a socket be bound to an address of its own only.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_this_machine_is_closed_with_the_port_of_the_listener() {
        let closed = Closed::default();
        closed.add_listener("0.0.0.0:3000".parse().unwrap());
        for address in [
            "127.0.0.1:3000",
            "127.255.0.9:3000",
            "0.0.0.0:3000",
            "[::]:3000",
            "[::1]:3000",
            "[::ffff:127.0.0.1]:3000",
        ] {
            assert!(closed.has_address(address.parse().unwrap()), "{address}");
        }
        for address in ["127.0.0.1:3001", "192.0.2.1:3000", "1.1.1.1:3000"] {
            assert!(!closed.has_address(address.parse().unwrap()), "{address}");
        }
    }
}
