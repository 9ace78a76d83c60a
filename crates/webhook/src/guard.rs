//! The address guard: which URLs and which addresses outgoing requests may reach.

mod allow;
mod range;
mod resolver;

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

pub use allow::{AllowError, OutboundAllow};
pub use range::Range;
pub(crate) use resolver::{GuardedResolver, Lookup, system_lookup};

/// Longest URL that is accepted, in bytes.
pub const MAX_URL_LENGTH: usize = 2048;

/// Judges every URL that a user gives us before we send a request there.
///
/// Two parts work together: [`AddressGuard::check`] judges what the text of the URL shows (scheme,
/// credentials, IP literals in any notation), and the resolver of the HTTP client judges each address a name
/// resolves to at the moment of connecting, so that a name which changes its address after the check (DNS
/// rebinding) gains nothing.
///
/// ```
/// use webhook::{AddressGuard, Refused};
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
}

/// A URL that passed [`AddressGuard::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub(crate) url: Url,
    pub(crate) reach: Reach,
}

/// How the addresses behind a destination's name are judged when connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses and allowed networks only.
    Guarded,
    /// Configuration names this very host: wherever it points.
    Trusted,
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
}

impl AddressGuard {
    /// A guard that lets through what is public and what `allow` lists.
    pub fn new(allow: OutboundAllow) -> Self {
        Self { allow: Arc::new(allow) }
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
        let reach = if self.allow.has_host(host, port) { Reach::Trusted } else { Reach::Guarded };
        if reach == Reach::Guarded {
            self.check_literal(host)?;
        }
        Ok(Destination { url, reach })
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

impl Destination {
    /// The URL as parsed: host lower-cased, IPv4 in dotted quads.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
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
        assert_eq!(guard.check("http://127.0.0.1:9000/x").unwrap().reach, Reach::Trusted);
        assert_eq!(guard.check("http://2130706433:9000/x").unwrap().reach, Reach::Trusted);
        assert!(guard.check("http://127.0.0.1:9001/x").is_err());
        assert_eq!(guard.check("http://10.1.2.3/").unwrap().reach, Reach::Guarded);
        assert!(guard.check("http://10.2.0.1/").is_err());
        assert_eq!(guard.check("https://Hooks.Internal/").unwrap().reach, Reach::Trusted);
        assert!(guard.check("http://localhost/").is_err());
        assert!(self::guard("127.0.0.0/8").check("http://localhost/").is_ok());
    }
}
