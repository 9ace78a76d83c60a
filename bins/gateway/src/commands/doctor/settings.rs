//! What the configuration says, where it can be right and nevertheless not meant.

use outbound::{AddressGuard, Url};

use super::finding::Finding;
use crate::config::Config;

/// Where no webhook has to go: what a cloud tells its machines about themselves.
const METADATA: &str = "http://169.254.169.254/";

pub(super) fn look(config: &Config) -> Vec<Finding> {
    vec![Finding::sound("configuration", "every variable is understood"), doors(config), webhooks(config)]
}

/// Who can reach the API, and through what.
fn doors(config: &Config) -> Finding {
    const WHAT: &str = "listening";
    let address = config.listen;
    if address.ip().is_loopback() {
        return Finding::sound(WHAT, format!("{address}, for this machine alone"));
    }
    if config.tls.is_some() {
        return Finding::sound(WHAT, format!("{address}, for others too, over TLS"));
    }
    let is_plain = config.public_url.as_ref().is_none_or(|url: &Url| url.scheme() != "https");
    match (is_plain, config.trusted_proxies.is_empty() && config.allowed_ips.is_empty()) {
        (true, _) => Finding::odd(
            WHAT,
            format!(
                "{address}, for others too, and PUBLIC_URL isn't https: set TLS_CERT_FILE and TLS_KEY_FILE, or put a proxy that \
                 speaks TLS in front"
            ),
        ),
        (false, true) => Finding::odd(
            WHAT,
            format!(
                "{address}, for others too: name the proxy in TRUSTED_PROXIES, or all clients are one to it"
            ),
        ),
        (false, false) => Finding::sound(WHAT, format!("{address}, for others too")),
    }
}

/// What users can make the gateway call.
fn webhooks(config: &Config) -> Finding {
    const WHAT: &str = "address guard";
    let guard = AddressGuard::new(config.outbound_allow.clone());
    if guard.check(METADATA).is_ok() {
        return Finding::odd(
            WHAT,
            "OUTBOUND_ALLOW lets webhooks reach what a cloud tells this machine in confidence",
        );
    }
    match config.outbound_allow == outbound::OutboundAllow::default() {
        true => Finding::sound(WHAT, "webhooks and files come from public addresses alone"),
        false => Finding::sound(WHAT, "OUTBOUND_ALLOW lets webhooks and files reach some private addresses"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn doors_that_are_open_to_others_are_looked_at_twice() {
        let mut config = Config::in_folder("data");
        assert_eq!(doors(&config).verdict, Verdict::Sound);
        config.listen = "0.0.0.0:3000".parse().unwrap();
        assert_eq!(doors(&config).verdict, Verdict::Odd);
        config.public_url = Some("https://gateway.example".parse().unwrap());
        assert_eq!(doors(&config).verdict, Verdict::Odd);
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(doors(&config).verdict, Verdict::Sound);
    }

    #[test]
    fn a_guard_that_is_open_too_wide_is_told() {
        let mut config = Config::in_folder("data");
        assert_eq!(webhooks(&config).verdict, Verdict::Sound);
        for (allow, verdict) in [("10.1.0.0/16", Verdict::Sound), ("0.0.0.0/0", Verdict::Odd)] {
            config.outbound_allow = allow.parse().unwrap();
            assert_eq!(webhooks(&config).verdict, verdict, "{allow}");
        }
    }
}
