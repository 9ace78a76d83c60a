//! The way to WhatsApp: its page, its socket, its clock.

use std::time::Duration;

use outbound::AddressGuard;
use tokio::time::timeout;
use wa_client::Version;

use super::super::sentence;
use super::finding::Finding;
use crate::application::bucket;
use crate::config::Config;
use crate::names::resolver;
use crate::telemetry;
use crate::whatsapp::{Page, Route};

/// Longer than any of them takes that works.
const PATIENCE: Duration = Duration::from_secs(25);
/// Certificates are good from a moment on: a clock that is further off fails.
const FAR_OFF: Duration = Duration::from_secs(60 * 60);
/// Further than the round trip and the rounding of a header to seconds explain.
const OFF: Duration = Duration::from_secs(30);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let route = match Route::new(config, &AddressGuard::new(config.outbound_allow.clone()), resolver(config))
    {
        Ok(route) => route,
        Err(error) => return vec![Finding::broken("network", sentence(&error))],
    };
    let way = match &config.whatsapp.proxy {
        Some(proxy) => format!("through the proxy {}:{}", proxy.host(), proxy.port()),
        None => "directly".to_owned(),
    };
    let (page, socket) = tokio::join!(timeout(PATIENCE, route.page()), timeout(PATIENCE, route.try_socket()));
    let mut findings = match page {
        Ok(Ok(page)) => vec![version(config.whatsapp.version, page.version), clock(&page)],
        Ok(Err(error)) => {
            vec![Finding::odd("version", format!("WhatsApp's page can't be read: {}", sentence(&*error)))]
        }
        Err(_) => vec![Finding::odd("version", "WhatsApp's page doesn't answer")],
    };
    findings.push(match socket {
        Ok(Ok(())) => Finding::sound("WhatsApp", format!("its socket answers, {way}")),
        Ok(Err(error)) => {
            Finding::broken("WhatsApp", format!("its socket can't be reached {way}: {}", sentence(&error)))
        }
        Err(_) => Finding::broken("WhatsApp", format!("its socket doesn't answer, {way}")),
    });
    findings.extend(store(config).await);
    findings.extend(traces(config).await);
    findings
}

/// The collector of traces, where there is one. Nothing waits for it, so that a gateway works all the same.
async fn traces(config: &Config) -> Option<Finding> {
    const WHAT: &str = "traces";
    let settings = config.traces.as_ref()?;
    Some(match timeout(PATIENCE, telemetry::probe(settings, resolver(config))).await {
        Ok(Ok(())) => Finding::sound(WHAT, "the collector of OTEL_EXPORTER_OTLP_ENDPOINT takes them"),
        Ok(Err(error)) => {
            Finding::odd(WHAT, format!("the collector doesn't take them: {}", sentence(&error)))
        }
        Err(_) => Finding::odd(WHAT, "the collector doesn't answer"),
    })
}

/// The bucket of files, where there is one.
async fn store(config: &Config) -> Option<Finding> {
    const WHAT: &str = "files";
    let bucket = match bucket(config, outbound::Sockets::default()) {
        Ok(bucket) => bucket?,
        Err(error) => return Some(Finding::broken(WHAT, sentence(&error))),
    };
    Some(match timeout(PATIENCE, bucket.probe()).await {
        Ok(Ok(())) => Finding::sound(WHAT, "the bucket of MEDIA_STORE can be read"),
        // Nothing waits for it, so that a gateway works all the same.
        Ok(Err(error)) => Finding::odd(WHAT, format!("the bucket of MEDIA_STORE: {}", sentence(&error))),
        Err(_) => Finding::odd(WHAT, "the bucket of MEDIA_STORE doesn't answer"),
    })
}

fn version(fixed: Option<Version>, newest: Option<Version>) -> Finding {
    const WHAT: &str = "version";
    match (fixed, newest) {
        (Some(fixed), Some(newest)) if fixed < newest => {
            Finding::odd(WHAT, format!("WHATSAPP_VERSION holds on to {fixed}; WhatsApp's page says {newest}"))
        }
        (Some(fixed), _) => Finding::sound(WHAT, format!("WHATSAPP_VERSION says {fixed}")),
        (None, Some(newest)) => Finding::sound(WHAT, format!("{newest}, as WhatsApp's page says")),
        (None, None) => {
            Finding::odd(WHAT, format!("WhatsApp's page names none; {} is announced", Version::COMPILED))
        }
    }
}

fn clock(page: &Page) -> Finding {
    const WHAT: &str = "clock";
    let Some(theirs) = page.date else {
        return Finding::sound(WHAT, "WhatsApp's page doesn't say the time");
    };
    let off = page.asked_at.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let direction = if page.asked_at > theirs { "ahead of" } else { "behind" };
    let told = format!("{} s {direction} WhatsApp's", off.as_secs());
    match off {
        off if off > FAR_OFF => {
            Finding::broken(WHAT, format!("{told}: certificates and codes won't be good"))
        }
        off if off > OFF => Finding::odd(WHAT, told),
        _ => Finding::sound(WHAT, "as WhatsApp's"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_whatsapps_in_both_directions() {
        let asked_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let page = |date| Page { version: None, date, asked_at };
        assert_eq!(clock(&page(None)).verdict, Verdict::Sound);
        for (seconds, verdict) in [(1, Verdict::Sound), (40, Verdict::Odd), (8_000, Verdict::Broken)] {
            let off = Duration::from_secs(seconds);
            for (date, word) in [(asked_at - off, "ahead"), (asked_at + off, "behind")] {
                let found = clock(&page(Some(date)));
                assert_eq!(found.verdict, verdict);
                assert!(verdict == Verdict::Sound || found.text.contains(word), "{found:?}");
            }
        }
    }

    #[test]
    fn a_version_that_is_held_on_to_may_be_too_old() {
        let (old, new) = (Version::of_revision(1), Version::of_revision(2));
        assert_eq!(version(Some(old), Some(new)).verdict, Verdict::Odd);
        assert_eq!(version(Some(new), Some(old)).verdict, Verdict::Sound);
        assert_eq!(version(None, None).verdict, Verdict::Odd);
    }
}
