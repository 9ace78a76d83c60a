use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use ipnet::IpNet;

use crate::error::ApiError;
use crate::networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from: of whoever connected, or whom the trusted proxy in front of us names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// The right-most address in `X-Forwarded-For` or `Forwarded` (RFC 7239) that isn't a trusted proxy's: what stands
    /// left of it is what that client says. From anybody but a trusted proxy the headers mean nothing.
    ///
    /// # Errors
    /// 400 when a trusted proxy sends what can't be read, or both headers and they disagree: one of them may come from the
    /// client, and nobody can tell which.
    pub(crate) fn of(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Result<Self, ApiError> {
        let peer = peer.to_canonical();
        if !networks::contains(proxies, peer) {
            return Ok(Self(peer));
        }
        let mut named = Vec::new();
        if let Some(list) = joined(headers, X_FORWARDED_FOR)? {
            named.push(furthest(peer, list.rsplit(',').map(address), proxies)?);
        }
        if let Some(list) = joined(headers, header::FORWARDED.as_str())? {
            named.push(furthest(
                peer,
                elements(&list).iter().rev().map(|element| forwarded_for(element)),
                proxies,
            )?);
        }
        match named[..] {
            [] => Ok(Self(peer)),
            [one] => Ok(Self(one)),
            [one, other] if one == other => Ok(Self(one)),
            _ => Err(unreadable("sends both X-Forwarded-For and Forwarded, and they disagree")),
        }
    }
}

impl FromRequest for ClientAddress {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The outermost layer has found it.
        ready(request.extensions().get::<Self>().copied().ok_or_else(ApiError::internal))
    }
}

/// From the nearest hop on, as far as hops are trusted.
fn furthest(
    peer: IpAddr,
    mut hops: impl Iterator<Item = Option<IpAddr>>,
    proxies: &[IpNet],
) -> Result<IpAddr, ApiError> {
    let mut client = peer;
    while networks::contains(proxies, client) {
        let Some(hop) = hops.next() else { break };
        client = hop.ok_or_else(|| unreadable("names a client whose address can't be read"))?.to_canonical();
    }
    Ok(client)
}

/// The values of a header in their order, which is that of the hops.
fn joined(headers: &HeaderMap, name: &str) -> Result<Option<String>, ApiError> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).map(|value| value.to_str()).collect();
    let values = values.map_err(|_| unreadable("sends a header that can't be read"))?;
    Ok((!values.is_empty()).then(|| values.join(",")))
}

/// The elements of a `Forwarded` header: commas within quotes separate nothing.
fn elements(list: &str) -> Vec<&str> {
    let mut quoted = false;
    list.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) =
        pairs.map(|(name, value)| (name.trim(), value)).find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:47011`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:47011`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).or_else(bare)
}

fn unreadable(problem: &str) -> ApiError {
    ApiError::invalid(format!("The proxy in front of the gateway {problem}."))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> Result<String, ApiError> {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        let (request, _) = request.to_http_parts();
        ClientAddress::of(peer.parse().unwrap(), request.headers(), &proxies).map(|found| found.0.to_string())
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        for (peer, name, value, expected) in [
            ("192.0.2.1", "x-forwarded-for", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9", "203.0.113.9"),
            ("::ffff:10.0.0.1", "x-forwarded-for", "::ffff:203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "junk, 198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9:4711", "203.0.113.9"),
            (
                "2001:db8:1::1",
                "forwarded",
                "for=_hidden, FOR=\"[2001:db8::17]:4711\";proto=http",
                "2001:db8::17",
            ),
            ("10.0.0.1", "forwarded", "for=192.0.2.60;by=\"a,b\";proto=https", "192.0.2.60"),
            ("10.0.0.1", "accept", "*/*", "10.0.0.1"),
        ] {
            assert_eq!(client(peer, &[(name, value)]).as_deref(), Ok(expected), "{peer} {name}: {value}");
        }
        let lines = [("x-forwarded-for", "192.0.2.5"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client("10.0.0.1", &lines).as_deref(), Ok("203.0.113.9"));
    }

    #[test]
    fn what_a_trusted_proxy_should_not_send_is_refused() {
        for headers in [
            &[("x-forwarded-for", "unknown")][..],
            &[("forwarded", "proto=https")],
            &[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")],
        ] {
            assert!(client("10.0.0.1", headers).is_err(), "{headers:?}");
            assert!(client("192.0.2.9", headers).is_ok(), "{headers:?}");
        }
        let both = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client("10.0.0.1", &both).as_deref(), Ok("192.0.2.1"));
    }
}
