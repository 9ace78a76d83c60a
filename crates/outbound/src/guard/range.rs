//! Which address ranges are not public, and how IPv4 hides inside IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not a public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Range {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`, and names under `localhost`.
    Loopback,
    /// RFC 1918 networks, `fc00::/7`, `fec0::/10`.
    Private,
    /// `100.64.0.0/10` (RFC 6598): the provider's side of a carrier-grade NAT.
    SharedNat,
    /// `169.254.0.0/16`, `fe80::/10`: among others the metadata services of clouds.
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// Documentation, benchmarking, protocol assignments, future use, anything outside `2000::/3`.
    Reserved,
    /// Forms that carry an IPv4 address in a way nobody needs today: IPv4-compatible, Teredo, local NAT64.
    Tunnel,
}

impl Range {
    /// The range that `address` falls in, or `None` if it is public.
    ///
    /// IPv4-mapped, NAT64 (`64:ff9b::/96`) and 6to4 addresses are judged by the IPv4 address inside.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => match embedded_v4(v6) {
                Some(v4) => Self::of_v4(v4),
                None => Self::of_v6(v6),
            },
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        let bits = address.to_bits();
        V4.iter()
            .find(|(network, prefix, _)| (bits ^ network.to_bits()) >> (32 - prefix) == 0)
            .map(|(_, _, range)| *range)
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        let bits = address.to_bits();
        V6.iter()
            .find(|(network, prefix, _)| (bits ^ network.to_bits()) >> (128 - prefix) == 0)
            .map(|(_, _, range)| *range)
            .or_else(|| (bits >> 125 != 0b001).then_some(Self::Reserved))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::SharedNat => "carrier-grade NAT",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Tunnel => "tunnelled",
        })
    }
}

/// The IPv4 address that a packet to `address` may end at: mapped, NAT64 and 6to4 forms.
pub(super) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, _, _, _, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    match (a, b) {
        (0x64, 0xff9b) if address.segments()[2..6] == [0; 4] => Some(join(g, h)),
        (0x2002, _) => Some(join(b, c)),
        _ => None,
    }
}

// What the IANA registries of special-purpose addresses (IPv4 and IPv6) list as not globally reachable, or as serving a
// protocol and no host, and one address that a cloud uses as if it were link-local.
const V4: [(Ipv4Addr, u32, Range); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Range::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Range::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Range::SharedNat),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Range::Loopback),
    // Where Azure's virtual machines reach the agent of their host.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Range::LinkLocal),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Range::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Range::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Range::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Range::Reserved),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Range::Reserved),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Range::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Range::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Range::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Range::Reserved),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Range::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Range::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Range::Reserved),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Range::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Range::Reserved),
];

// Longest prefixes first where ranges nest. What is outside 2000::/3 and unnamed is reserved.
const V6: [(Ipv6Addr, u32, Range); 13] = [
    (Ipv6Addr::UNSPECIFIED, 128, Range::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Range::Loopback),
    (Ipv6Addr::UNSPECIFIED, 96, Range::Tunnel),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Range::Tunnel),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Range::Tunnel),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Range::Reserved),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Range::Reserved),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, Range::Reserved),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Range::Reserved),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Range::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Range::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Range::Private),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Range::Multicast),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_recognised_from_its_first_to_its_last_address() {
        let table: &[(&str, Option<Range>)] = &[
            ("0.0.0.0", Some(Range::Unspecified)),
            ("0.255.255.255", Some(Range::Unspecified)),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Range::Private)),
            ("10.255.255.255", Some(Range::Private)),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Range::SharedNat)),
            ("100.127.255.255", Some(Range::SharedNat)),
            ("100.128.0.0", None),
            ("127.0.0.1", Some(Range::Loopback)),
            ("127.255.255.255", Some(Range::Loopback)),
            ("169.253.255.255", None),
            ("169.254.169.254", Some(Range::LinkLocal)),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Range::Private)),
            ("172.31.255.255", Some(Range::Private)),
            ("172.32.0.0", None),
            ("192.0.0.8", Some(Range::Reserved)),
            ("192.167.255.255", None),
            ("192.168.0.0", Some(Range::Private)),
            ("192.169.0.0", None),
            ("198.18.0.1", Some(Range::Reserved)),
            ("198.19.255.255", Some(Range::Reserved)),
            ("198.20.0.0", None),
            ("203.0.113.9", Some(Range::Reserved)),
            ("223.255.255.255", None),
            ("224.0.0.1", Some(Range::Multicast)),
            ("239.255.255.255", Some(Range::Multicast)),
            ("240.0.0.1", Some(Range::Reserved)),
            ("255.255.255.255", Some(Range::Reserved)),
            ("168.63.129.15", None),
            ("168.63.129.16", Some(Range::LinkLocal)),
            ("168.63.129.17", None),
            ("192.31.196.1", Some(Range::Reserved)),
            ("192.52.192.255", None),
            ("192.52.193.0", Some(Range::Reserved)),
            ("192.52.193.255", Some(Range::Reserved)),
            ("192.52.194.0", None),
            ("192.175.47.255", None),
            ("192.175.48.1", Some(Range::Reserved)),
            ("192.175.49.0", None),
            ("8.8.8.8", None),
        ];
        for (address, expected) in table {
            assert_eq!(Range::of(address.parse().unwrap()), *expected, "{address}");
        }
    }

    #[test]
    fn ipv6_ranges_and_disguised_ipv4_are_recognised() {
        let table: &[(&str, Option<Range>)] = &[
            ("::", Some(Range::Unspecified)),
            ("::1", Some(Range::Loopback)),
            ("::7f00:1", Some(Range::Tunnel)),
            ("::8.8.8.8", Some(Range::Tunnel)),
            ("::ffff:127.0.0.1", Some(Range::Loopback)),
            ("::ffff:169.254.169.254", Some(Range::LinkLocal)),
            ("::ffff:8.8.8.8", None),
            ("64:ff9b::10.0.0.1", Some(Range::Private)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::8.8.8.8", Some(Range::Tunnel)),
            ("64:ff9b:0:1::8.8.8.8", Some(Range::Reserved)),
            ("2002:7f00:1::", Some(Range::Loopback)),
            ("2002:a00:1::1", Some(Range::Private)),
            ("2002:808:808::1", None),
            ("2001::1", Some(Range::Tunnel)),
            ("2001:10::1", Some(Range::Reserved)),
            ("2001:db8::1", Some(Range::Reserved)),
            ("2001:200::1", None),
            ("2620:4f:7fff::1", None),
            ("2620:4f:8000::1", Some(Range::Reserved)),
            ("2620:4f:8001::1", None),
            ("3fff::1", Some(Range::Reserved)),
            ("5f00::1", Some(Range::Reserved)),
            ("::ffff:168.63.129.16", Some(Range::LinkLocal)),
            ("2606:4700::1111", None),
            ("fc00::1", Some(Range::Private)),
            ("fdff::1", Some(Range::Private)),
            ("fe80::1", Some(Range::LinkLocal)),
            ("febf::1", Some(Range::LinkLocal)),
            ("fec0::1", Some(Range::Private)),
            ("ff02::1", Some(Range::Multicast)),
            ("100::1", Some(Range::Reserved)),
            ("4000::1", Some(Range::Reserved)),
            ("1fff::1", Some(Range::Reserved)),
        ];
        for (address, expected) in table {
            assert_eq!(Range::of(address.parse().unwrap()), *expected, "{address}");
        }
    }
}
