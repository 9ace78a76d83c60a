//! The address guard: which URLs and which addresses outgoing requests may reach.

mod allow;
mod closed;
mod range;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use thiserror::Error;
use url::Url;

use crate::proxy::Proxy;

use closed::Closed;

pub use allow::{AllowError, OutboundAllow};
pub use range::Range;

/// Longest URL that is accepted, in bytes.
pub const MAX_URL_LENGTH: usize = 2048;

/// Judges every URL that a user gives us before we send a request there.
///
/// Two parts work together: [`AddressGuard::check`] judges what the text of the URL shows (scheme,
/// credentials, IP literals in any notation), and the [`Dialer`](crate::Dialer) judges each address a name
/// resolves to at the moment of connecting, so that a name which changes its address after the check (DNS
/// rebinding) gains nothing.
///
/// ```
/// use outbound::{AddressGuard, Refused};
///
/// let guard = AddressGuard::new("10.0.0.0/8".parse()?);
/// assert!(guard.check("https://example.com/hook").is_ok());
/// assert!(guard.check("http://10.1.2.3:8080/hook").is_ok());
/// assert!(matches!(guard.check("http://169.254.169.254/"), Err(Refused::Address { .. })));
/// assert!(matches!(guard.check("http://0x7f.1/"), Err(Refused::Address { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allow: Arc<OutboundAllow>,
    closed: Arc<Closed>,
}

/// A URL that passed [`AddressGuard::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    url: Url,
}

/// How the addresses behind a name are judged when connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses and allowed networks only.
    Guarded,
    /// Configuration names this very host: wherever it points, but to the gateway itself.
    Trusted,
    /// Configuration names this very host and port: wherever it points.
    Named,
}

/// Why a URL or an address is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Not an absolute URL.
    #[error("is not a valid URL")]
    Malformed,
    /// Longer than [`MAX_URL_LENGTH`].
    #[error("is longer than {MAX_URL_LENGTH} bytes")]
    TooLong,
    /// Neither http nor https.
    #[error("must start with http:// or https://")]
    Scheme,
    /// `user:password@` inside.
    #[error("must not contain a user name or password")]
    Credentials,
    /// No host, or port 0.
    #[error("has no host and port that can be connected to")]
    Host,
    /// The host is, or resolved to, an address that is not public.
    #[error("points to a {range} address, which this gateway does not allow")]
    Address {
        /// What kind of address it is.
        range: Range,
    },
    /// It is this gateway, or the WhatsApp that it is connected to.
    #[error(
        "points to this gateway itself or to its WhatsApp server, which only host:port in OUTBOUND_ALLOW opens"
    )]
    Ours,
}

impl AddressGuard {
    /// A guard that lets through what is public and what `allow` lists.
    pub fn new(allow: OutboundAllow) -> Self {
        Self { allow: Arc::new(allow), closed: Arc::default() }
    }

    /// Closes the address and port that this gateway listens on, by every address of this machine, whatever networks and
    /// hosts are allowed; only an allowed host with this very port opens it. Holds for all clones.
    pub fn close(&self, listening: SocketAddr) {
        self.closed.add_listener(listening);
    }

    /// Closes the host and port of this URL in the same way.
    pub fn close_host(&self, url: &Url) {
        if let (Some(host), Some(port)) = (url.host_str(), port_of(url)) {
            self.closed.add_host(host, port);
        }
    }

    /// The names of closed hosts with this port.
    pub(crate) fn closed_names(&self, port: u16) -> Vec<String> {
        self.closed.names(port)
    }

    /// Judges what can be judged without asking DNS.
    ///
    /// # Errors
    /// [`Refused`] says which rule the URL breaks, in words that fit after the field's name.
    pub fn check(&self, url: &str) -> Result<Destination, Refused> {
        if url.len() > MAX_URL_LENGTH {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(url).map_err(|_| Refused::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let (Some(host), Some(port @ 1..)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Refused::Host);
        };
        self.reach(host, port)?;
        Ok(Destination { url })
    }

    /// The same guard, which lets through the host and port of this URL as well: configuration names them.
    #[must_use]
    pub fn opening(&self, url: &Url) -> Self {
        let mut allow = (*self.allow).clone();
        if let (Some(host), Some(port)) = (url.host_str(), port_of(url)) {
            allow.open(host, port);
        }
        Self { allow: Arc::new(allow), closed: Arc::clone(&self.closed) }
    }

    /// Judges a host by its text, in the form that a parsed URL shows it.
    pub(crate) fn reach(&self, host: &str, port: u16) -> Result<Reach, Refused> {
        if self.allow.has_endpoint(host, port) {
            return Ok(Reach::Named);
        }
        if self.closed.has_host(host, port) {
            return Err(Refused::Ours);
        }
        if self.allow.has_host(host) {
            return Ok(Reach::Trusted);
        }
        self.check_literal(host)?;
        Ok(Reach::Guarded)
    }

    /// The permitted ones of the addresses that a name has.
    ///
    /// # Errors
    /// If there is none among them: why the first was refused.
    pub(crate) fn permitted(&self, reach: Reach, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        if reach == Reach::Named {
            return Ok(found);
        }
        let mut refused = None;
        let mut permitted = Vec::new();
        for address in found {
            match self.check_found(reach, address) {
                Ok(()) => permitted.push(address),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            Some(refused) if permitted.is_empty() => Err(refused),
            _ => Ok(permitted),
        }
    }

    fn check_found(&self, reach: Reach, address: SocketAddr) -> Result<(), Refused> {
        if self.closed.has_address(address) {
            return Err(Refused::Ours);
        }
        if reach == Reach::Trusted { Ok(()) } else { self.check_address(address.ip()) }
    }

    /// Judges a proxy that a user names, as far as its text shows where it is.
    ///
    /// # Errors
    /// [`Refused`], in words that fit after the field's name.
    pub fn check_proxy(&self, proxy: &Proxy) -> Result<(), Refused> {
        self.reach(proxy.host(), proxy.port()).map(drop)
    }

    /// Judges one address.
    ///
    /// # Errors
    /// [`Refused::Address`] if it is neither public nor in an allowed network.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        match Range::of(address) {
            Some(range) if !self.allow.has_address(address) => Err(Refused::Address { range }),
            _ => Ok(()),
        }
    }

    /// The URL parser has turned every notation of IPv4 (decimal, octal, hexadecimal, short) into dotted
    /// quads.
    fn check_literal(&self, host: &str) -> Result<(), Refused> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return self.check_address(address);
        }
        let name = host.trim_end_matches('.');
        if name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost") {
            return self.check_address(IpAddr::from([127, 0, 0, 1]));
        }
        Ok(())
    }
}

/// The port that a URL leads to, also for the schemes of WebSockets.
fn port_of(url: &Url) -> Option<u16> {
    url.port_or_known_default()
}

impl Destination {
    /// The URL as parsed: host lower-cased, IPv4 in dotted quads.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// What was judged, as it was parsed.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &str) -> AddressGuard {
        AddressGuard::new(allow.parse().unwrap())
    }

    #[test]
    fn public_urls_pass() {
        for url in [
            "https://example.com/hook?x=1",
            "http://example.com:8080",
            "HTTP://EXAMPLE.COM",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]:8443/x",
            "https://xn--bcher-kva.example/",
        ] {
            assert!(guard("").check(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn urls_that_are_not_web_addresses_are_refused() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_LENGTH));
        let table: &[(&str, Refused)] = &[
            ("", Refused::Malformed),
            ("example.com/hook", Refused::Malformed),
            ("http://", Refused::Malformed),
            ("https://exa mple.com", Refused::Malformed),
            ("ftp://example.com", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("javascript:alert(1)", Refused::Scheme),
            ("https://user@example.com", Refused::Credentials),
            ("https://user:secret@example.com", Refused::Credentials),
            ("https://:secret@example.com", Refused::Credentials),
            ("http://example.com:0/", Refused::Host),
            (&long, Refused::TooLong),
        ];
        for (url, refused) in table {
            assert_eq!(guard("").check(url).unwrap_err(), *refused, "{url}");
        }
    }

    #[test]
    fn literals_in_every_notation_are_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://0/",
            "http://10.0.0.1/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://192.168.1.1:8080/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[ff02::1]/",
            "http://localhost:3000/",
            "http://LOCALHOST./",
            "http://hooks.localhost/",
            "http://①②⑦.0.0.1/",
        ] {
            assert!(matches!(guard("").check(url), Err(Refused::Address { .. })), "{url}");
        }
    }

    #[test]
    fn configuration_opens_exactly_what_it_names() {
        let guard = guard("127.0.0.1:9000,10.1.0.0/16,hooks.internal");
        let reach = |url: &str| {
            let url = guard.check(url).unwrap().url;
            guard.reach(url.host_str().unwrap(), url.port_or_known_default().unwrap())
        };
        assert_eq!(reach("http://127.0.0.1:9000/x"), Ok(Reach::Named));
        assert_eq!(reach("http://2130706433:9000/x"), Ok(Reach::Named));
        assert!(guard.check("http://127.0.0.1:9001/x").is_err());
        assert_eq!(reach("http://10.1.2.3/"), Ok(Reach::Guarded));
        assert!(guard.check("http://10.2.0.1/").is_err());
        assert_eq!(reach("https://Hooks.Internal/"), Ok(Reach::Trusted));
        assert!(guard.check("http://localhost/").is_err());
        assert!(self::guard("127.0.0.0/8").check("http://localhost/").is_ok());
    }

    #[test]
    fn what_configuration_names_is_opened_and_nothing_beside_it() {
        let guard = guard("").opening(&"ws://127.0.0.1:4000/ws/chat".parse().unwrap());
        assert!(guard.check("http://127.0.0.1:4000/sw.js").is_ok());
        assert!(guard.check("http://127.0.0.1:4001/").is_err());
    }

    #[test]
    fn this_gateway_is_opened_by_host_and_port_only() {
        let listening = SocketAddr::from(([0, 0, 0, 0], 3000));
        for allow in ["", "127.0.0.0/8, ::1, 0.0.0.0/8", "127.0.0.1, localhost, 0.0.0.0"] {
            let guard = guard(allow);
            guard.clone().close(listening);
            for host in [
                "127.0.0.1",
                "127.1.2.3",
                "0.0.0.0",
                "[::1]",
                "[::ffff:7f00:1]",
                "localhost",
                "hooks.localhost",
            ] {
                assert!(guard.check(&format!("http://{host}:3000/")).is_err(), "{allow}: {host}");
            }
        }
        let guard = guard("127.0.0.0/8, localhost:3000");
        guard.close(listening);
        assert!(guard.check("http://localhost:3000/").is_ok(), "named with its port");
        assert_eq!(guard.check("http://127.0.0.1:3000/").unwrap_err(), Refused::Ours);
        assert!(guard.check("http://127.0.0.1:3001/").is_ok(), "another port");
    }

    #[test]
    fn the_whatsapp_server_is_opened_by_host_and_port_only() {
        let guard = guard("127.0.0.0/8, simulator.internal");
        guard.close_host(&"ws://127.0.0.1:4000/ws/chat".parse().unwrap());
        guard.close_host(&"wss://Simulator.internal/ws/chat".parse().unwrap());
        for url in [
            "http://127.0.0.1:4000/sim/reset",
            "https://simulator.internal./",
            "http://simulator.internal:443/",
        ] {
            assert_eq!(guard.check(url).unwrap_err(), Refused::Ours, "{url}");
        }
        assert!(guard.check("http://127.0.0.1:4001/").is_ok());
        let opened = guard.opening(&"ws://127.0.0.1:4000/ws/chat".parse().unwrap());
        assert!(opened.check("http://127.0.0.1:4000/sw.js").is_ok());
    }

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn a_name_with_mixed_addresses_keeps_the_public_ones() {
        let found = addresses(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]);
        let kept = guard("").permitted(Reach::Guarded, found.clone());
        assert_eq!(kept, Ok(addresses(&["1.1.1.1", "2606:4700::1111"])));
        assert_eq!(guard("").permitted(Reach::Trusted, found.clone()), Ok(found));
    }

    #[test]
    fn a_name_that_points_inside_is_refused_with_the_reason() {
        let refused = guard("").permitted(Reach::Guarded, addresses(&["169.254.169.254"]));
        assert_eq!(refused, Err(Refused::Address { range: Range::LinkLocal }));
    }
}
