//! The values' own syntax. Each function answers with the end of a sentence that begins with the variable's name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{CorsOrigins, RateLimit};
use crate::networks;

/// A life span such as `90s`, `15m`, `24h`, `7d`, `2w`, or plain seconds.
pub(super) fn life_span(text: &str) -> Result<Duration, String> {
    const LONGEST: u64 = 10 * 365 * 24 * 60 * 60;
    let wrong = || format!("must be a time such as 90s, 15m, 24h or 7d, at most ten years, not {text:?}.");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let seconds = digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// A life span, or `forever`.
pub(super) fn retention(text: &str) -> Result<Option<Duration>, String> {
    if text == "forever" {
        return Ok(None);
    }
    let wrong = || format!("must be a time such as 12h or 30d, at most ten years, or forever, not {text:?}.");
    life_span(text).map(Some).map_err(|_| wrong())
}

/// A number of bytes such as `500MB`, `20GB` or `1TB`, or `unlimited`.
pub(super) fn size(text: &str) -> Result<Option<u64>, String> {
    if text == "unlimited" {
        return Ok(None);
    }
    let wrong = || format!("must be a size such as 500MB, 20GB or 1TB, or unlimited, not {text:?}.");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let count = digits.parse::<u64>().ok().filter(|count| *count > 0);
    count.and_then(|count| count.checked_mul(unit)).map(Some).ok_or_else(wrong)
}

/// So many calls a second, a minute or an hour: `100/s`, `6000/m`, `100000/h`.
pub(super) fn rate_limit(text: &str) -> Result<RateLimit, String> {
    const MOST: u32 = 1_000_000;
    let wrong = || format!("must be calls in a time such as 100/s, 6000/m or 100000/h, not {text:?}.");
    let (calls, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return Err(wrong()),
    };
    let calls = calls.parse().ok().filter(|calls| (1..=MOST).contains(calls)).ok_or_else(wrong)?;
    Ok(RateLimit { calls, period: Duration::from_secs(seconds) })
}

/// Headers as `name=value` pairs, separated by commas; values may be percent-encoded. The problem repeats no value.
pub(super) fn header_list(text: &str) -> Result<HeaderMap, String> {
    let wrong = || "must be name=value pairs, separated by commas.".to_owned();
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// A part of a whole: 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("must be a number from 0 to 1, not {text:?}."))
}

/// Origins such as `https://app.example`, separated by commas, or `*`.
pub(super) fn origins(text: &str) -> Result<CorsOrigins, String> {
    if text == "*" {
        return Ok(CorsOrigins::All);
    }
    let origins = entries(text).map(origin).collect::<Result<Vec<_>, _>>()?;
    if origins.is_empty() {
        return Err(format!("lists nothing: {text:?}. Leave it out, or name an origin."));
    }
    Ok(CorsOrigins::These(origins))
}

/// An origin as browsers write it.
fn origin(text: &str) -> Result<String, String> {
    let url = url(text, &["http", "https"])?;
    let origin = url.origin().ascii_serialization();
    if url.as_str().trim_end_matches('/') != origin {
        return Err(format!("must list origins such as {origin}, not {text:?}."));
    }
    Ok(origin)
}

/// What is said of a text that isn't a key. It is not repeated: it may be a secret.
pub(super) const NOT_A_KEY: &str = "must be 64 hexadecimal digits (32 bytes).";

/// A URL with one of `schemes` and a host.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| schemes.contains(&url.scheme()) && url.has_host())
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| format!("must be a {} URL, not {text:?}.", schemes.join(":// or ") + "://"))
}

/// Addresses and CIDR ranges, separated by commas; at least one. IPv4 addresses that are written as IPv6
/// (`::ffff:10.0.0.1`) become what they are.
pub(super) fn network_list(text: &str) -> Result<Vec<IpNet>, String> {
    let networks = entries(text).map(networks::parse).collect::<Result<Vec<_>, _>>()?;
    if networks.is_empty() {
        return Err(format!("lists nothing: {text:?}. Leave it out, or name an address."));
    }
    Ok(networks)
}

/// Addresses with or without a port, separated by commas; at least one.
pub(super) fn name_servers(text: &str) -> Result<Vec<SocketAddr>, String> {
    const USUAL_PORT: u16 = 53;
    let server = |entry: &str| {
        let with_usual_port = |address: IpAddr| SocketAddr::new(address, USUAL_PORT);
        entry.parse().or_else(|_| entry.parse().map(with_usual_port)).map_err(|_| entry.to_owned())
    };
    let wrong = |entry: &str| {
        format!("must list addresses such as 192.0.2.53 or [2001:db8::53]:5353, not {entry:?}.")
    };
    let servers: Vec<_> =
        entries(text).map(server).collect::<Result<_, _>>().map_err(|entry| wrong(&entry))?;
    if servers.is_empty() { Err(wrong(text)) } else { Ok(servers) }
}

/// The non-empty parts of a comma-separated list.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Levels and `target=level` pairs. A lone word that is no level is refused, though the filter would take it for a
/// target: `LOG=debgu` is a slip.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for entry in entries(text) {
        let level = entry.rsplit_once('=').map_or(entry, |(_, level)| level);
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "must be one of {}, or target=level pairs, not {entry:?}.",
                LEVELS.join(", ")
            ));
        }
    }
    tracing_subscriber::EnvFilter::try_new(text).map_err(|_| format!("isn't a log filter: {text:?}."))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_spans() {
        assert_eq!(life_span("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(life_span("3600"), Ok(Duration::from_secs(3_600)));
        assert_eq!(life_span("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in [
            "",
            "h",
            "0",
            "0s",
            "-1h",
            "1.5h",
            "24 h",
            "1y",
            "99999999999999999999",
            "18446744073709551615w",
            "24h ",
        ] {
            assert!(life_span(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn retentions() {
        assert_eq!(retention("forever"), Ok(None));
        assert_eq!(retention("30d"), Ok(Some(Duration::from_secs(30 * 86_400))));
        assert!(retention("never").unwrap_err().contains("forever"));
    }

    #[test]
    fn rate_limits() {
        let of = |calls, seconds| Ok(RateLimit { calls, period: Duration::from_secs(seconds) });
        assert_eq!(rate_limit("100/s"), of(100, 1));
        assert_eq!(rate_limit("6000/m"), of(6_000, 60));
        assert_eq!(rate_limit("1/h"), of(1, 3_600));
        for wrong in ["", "100", "0/s", "-1/s", "100/d", "1.5/s", "100/", "/s", "1000001/s"] {
            assert!(rate_limit(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn origin_lists() {
        let these =
            |origins: &[&str]| Ok(CorsOrigins::These(origins.iter().map(|&o| o.to_owned()).collect()));
        assert_eq!(origins("*"), Ok(CorsOrigins::All));
        let listed = origins("https://APP.example/, http://localhost:8080,https://a.example:443");
        assert_eq!(listed, these(&["https://app.example", "http://localhost:8080", "https://a.example"]));
        for wrong in ["", ",", "app.example", "https://app.example/page", "*.example", "ftp://a.example"] {
            assert!(origins(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn urls_need_their_scheme_and_a_host() {
        assert!(url("ws://127.0.0.1:4000/ws/chat", &["ws", "wss"]).is_ok());
        for wrong in ["http://a", "ws:", "127.0.0.1:4000", "ws://user:pw@a/"] {
            assert!(url(wrong, &["ws", "wss"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn network_lists() {
        let networks = network_list("10.0.0.0/8, ::1,192.168.1.7").unwrap();
        assert_eq!(networks.len(), 3);
        for (mapped, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network_list(mapped).unwrap()[0].to_string(), plain);
        }
        for wrong in ["10.0.0.0/33", "example.org", ",", " , ", "10.0.0.1/8", "2001:db8::1/64"] {
            assert!(network_list(wrong).is_err(), "{wrong}");
        }
        assert!(network_list("10.0.0.1/8").unwrap_err().contains("10.0.0.0/8"));
    }

    #[test]
    fn name_server_lists() {
        let servers = name_servers("192.0.2.53, [2001:db8::53]:5353,2001:db8::1").unwrap();
        let texts: Vec<_> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.0.2.53:53", "[2001:db8::53]:5353", "[2001:db8::1]:53"]);
        for wrong in ["", " , ", "dns.example", "192.0.2.53:x"] {
            assert!(name_servers(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn log_filters() {
        assert!(log_filter("info").is_ok());
        assert!(log_filter("warn,trunkline=debug,wa_client::driver=trace").is_ok());
        for wrong in ["debgu", "trunkline=loud", "=", "trunkline"] {
            assert!(log_filter(wrong).is_err(), "{wrong}");
        }
    }
}
