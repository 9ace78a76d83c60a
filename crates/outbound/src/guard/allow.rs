//! What configuration opens in the address guard.

use std::collections::HashSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

use super::range::embedded_v4;

/// Destinations that outgoing requests may reach although they are not public.
///
/// Parsed from a list separated by commas or blanks. An entry is a network (`10.0.0.0/8`), an address
/// (`192.0.2.7`), a host name (`hooks.internal`: any port, whatever it resolves to) or either of the latter
/// two with a port (`hooks.internal:8080`, `127.0.0.1:9000`, `[::1]:9000`).
///
/// ```
/// let allow: outbound::OutboundAllow = "10.1.0.0/16, hooks.internal:8080".parse()?;
/// assert!("10.1.0.0/40".parse::<outbound::OutboundAllow>().is_err());
/// # Ok::<(), outbound::AllowError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundAllow {
    networks: Vec<IpNet>,
    hosts: HashSet<String>,
    endpoints: HashSet<(String, u16)>,
}

/// An entry of the list that can't be understood.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{entry}` is not a network, address, host or host:port")]
pub struct AllowError {
    /// The entry as given.
    pub entry: String,
}

impl OutboundAllow {
    /// True if `address` lies in an allowed network, itself or by the IPv4 address that it carries.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let inner = match address {
            IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let inside = |ip: IpAddr| self.networks.iter().any(|network| network.contains(&ip));
        inside(address) || inner.is_some_and(inside)
    }

    /// True if this host, in the form a parsed URL shows it, is allowed by name with any port.
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.contains(&canonical(host))
    }

    /// True if this host, in the form a parsed URL shows it, is allowed by name with this very port.
    pub(super) fn has_endpoint(&self, host: &str, port: u16) -> bool {
        self.endpoints.contains(&(canonical(host), port))
    }

    /// Allows this host, in the form a parsed URL shows it, with this port.
    pub(super) fn open(&mut self, host: &str, port: u16) {
        self.endpoints.insert((canonical(host), port));
    }

    fn insert(&mut self, entry: &str) -> Option<()> {
        if let Ok(network) = entry.parse::<IpNet>() {
            self.networks.push(network);
        } else if let Ok(address) = entry.parse::<IpAddr>() {
            self.networks.push(address.into());
        } else if let Some((host, port)) = entry.rsplit_once(':') {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            self.endpoints.insert((host_name(host)?, port));
        } else {
            self.hosts.insert(host_name(entry)?);
        }
        Some(())
    }
}

impl FromStr for OutboundAllow {
    type Err = AllowError;

    fn from_str(list: &str) -> Result<Self, AllowError> {
        let mut allow = Self::default();
        for entry in list.split([',', ' ', '\t', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
            allow.insert(entry).ok_or_else(|| AllowError { entry: entry.to_owned() })?;
        }
        Ok(allow)
    }
}

/// A host as entries of the list write it: an address (IPv6 in brackets) or a DNS name.
fn host_name(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = bare {
        return v6.parse::<std::net::Ipv6Addr>().ok().map(|v6| v6.to_string());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = canonical(host);
    (name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

/// Lower case, without the root dot and without the brackets that URLs put around IPv6.
pub(super) fn canonical(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_entry_is_understood() {
        let allow: OutboundAllow =
            "10.0.0.0/8,192.0.2.7 hooks.internal, Api.Internal.:8080,\n[::1]:9000 127.0.0.1:81 fd00::/8"
                .parse()
                .unwrap();
        for address in ["10.9.9.9", "192.0.2.7", "fd12::1", "::ffff:10.1.1.1"] {
            assert!(allow.has_address(address.parse().unwrap()), "{address}");
        }
        assert!(!allow.has_address("192.0.2.8".parse().unwrap()));
        assert!(allow.has_host("HOOKS.internal.") && !allow.has_host("api.internal"));
        assert!(allow.has_endpoint("api.internal", 8080) && !allow.has_endpoint("api.internal", 8081));
        assert!(allow.has_endpoint("[::1]", 9000) && !allow.has_endpoint("[::1]", 9001));
        assert!(allow.has_endpoint("127.0.0.1", 81) && !allow.has_endpoint("127.0.0.1", 80));
    }

    #[test]
    fn a_bad_entry_is_named() {
        for entry in ["10.0.0.0/33", "host:0", "host:99999", "http://x", "[::1", "a..b", "x:y:z", "*.x"] {
            let error = format!("127.0.0.1,{entry}").parse::<OutboundAllow>().unwrap_err();
            assert_eq!(error.entry, entry);
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert_eq!("".parse::<OutboundAllow>().unwrap(), OutboundAllow::default());
        assert_eq!(" , ".parse::<OutboundAllow>().unwrap(), OutboundAllow::default());
    }
}
