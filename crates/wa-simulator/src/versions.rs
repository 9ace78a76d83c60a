//! Which versions of WhatsApp Web there are, and which are still let in (PROTOCOL.md 3).

use std::time::Duration;

use parking_lot::Mutex;

use crate::{Clock, Options};

/// A version of WhatsApp Web.
pub(crate) type Version = [u32; 3];

/// The versions that there are.
pub(crate) struct Versions {
    published: Mutex<Published>,
    /// How long a version is let in once there is a newer one; `None` means for ever.
    lifetime: Option<Duration>,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct Published {
    newest: Version,
    minimum: Version,
    /// When the newest came out, in seconds since 1970.
    since: u64,
}

impl Versions {
    pub(crate) fn new(options: &Options, clock: Clock) -> Self {
        let published = Published {
            newest: options.newest_version,
            minimum: options.minimum_version,
            since: clock.unix_seconds(),
        };
        Self { published: Mutex::new(published), lifetime: options.behaviour.version_lifetime, clock }
    }

    /// The newest one, and the oldest that is let in at all.
    pub(crate) fn known(&self) -> (Version, Version) {
        let published = self.published.lock();
        (published.newest, published.minimum)
    }

    /// A newer one comes out, or the oldest that is let in becomes another.
    pub(crate) fn publish(&self, newest: Option<Version>, minimum: Option<Version>) {
        let mut published = self.published.lock();
        if let Some(newest) = newest {
            published.newest = newest;
            published.since = self.clock.unix_seconds();
        }
        published.minimum = minimum.unwrap_or(published.minimum);
    }

    /// Whether a client of this version is let in.
    pub(crate) fn lets_in(&self, version: Version) -> bool {
        let minimum = self.published.lock().minimum;
        version >= minimum && self.end(version).is_none_or(|end| self.clock.unix_seconds() < end)
    }

    /// When this version is no longer let in, in seconds since 1970, as far as that is settled.
    pub(crate) fn end(&self, version: Version) -> Option<u64> {
        let published = *self.published.lock();
        let lifetime = self.lifetime.filter(|_| version < published.newest)?;
        Some(published.since + lifetime.as_secs())
    }

    /// `/sw.js`: the service worker of WhatsApp Web, as far as anybody reads it.
    pub(crate) fn service_worker(&self) -> String {
        let (newest, _) = self.known();
        let bootstrap = format!(
            "{{\\\"server_revision\\\":{revision},\\\"client_revision\\\":{revision},\\\"push_phase\\\":\\\"C3\\\"}}",
            revision = newest[2]
        );
        format!(
            "\"use strict\";self.__swData=JSON.parse(\"{bootstrap}\");importScripts(\"/sw-runtime.js\");\n"
        )
    }

    /// `/`: the page, as far as anybody reads it.
    pub(crate) fn page(&self) -> String {
        let (newest, _) = self.known();
        format!(
            "<!DOCTYPE html><html><head><title>WhatsApp Web</title><script>requireLazy([],function(){{}});\
             [\"SiteData\",[],{{\"server_revision\":{revision},\"client_revision\":{revision},\"tier\":\"\"}},317]\
             </script></head><body></body></html>\n",
            revision = newest[2]
        )
    }
}

/// A version as people write it.
pub(crate) fn dotted(version: Version) -> String {
    let [primary, secondary, tertiary] = version;
    format!("{primary}.{secondary}.{tertiary}")
}

/// Reads what [`dotted`] writes.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let parts: Vec<u32> = text.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Behaviour;

    fn versions(lifetime: Option<Duration>) -> Versions {
        let behaviour = Behaviour { version_lifetime: lifetime, ..Behaviour::default() };
        let options = Options {
            newest_version: [2, 3000, 5],
            minimum_version: [2, 3000, 2],
            behaviour,
            ..Options::default()
        };
        Versions::new(&options, Clock::starting_at(1_000))
    }

    #[test]
    fn versions_are_read_as_they_are_written() {
        assert_eq!(parse(&dotted([2, 3000, 7])), Some([2, 3000, 7]));
        for wrong in ["", "2.3000", "2.3000.7.1", "2.3000.x", "2.3000.-1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_version_ends_a_while_after_a_newer_one_came_out() {
        let versions = versions(Some(Duration::from_secs(60)));
        assert_eq!(versions.end([2, 3000, 4]), Some(1_060));
        assert_eq!(versions.end([2, 3000, 5]), None);
        assert!(versions.lets_in([2, 3000, 4]) && !versions.lets_in([2, 3000, 1]));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!versions.lets_in([2, 3000, 4]) && versions.lets_in([2, 3000, 5]));
        versions.publish(Some([2, 3000, 6]), None);
        assert!(versions.lets_in([2, 3000, 5]));
        assert_eq!(versions.end([2, 3000, 5]), Some(1_120));
    }

    #[tokio::test]
    async fn without_a_lifetime_only_the_minimum_counts() {
        let versions = versions(None);
        assert_eq!(versions.end([2, 3000, 2]), None);
        assert!(versions.lets_in([2, 3000, 2]));
        versions.publish(None, Some([2, 3000, 3]));
        assert!(!versions.lets_in([2, 3000, 2]));
        assert!(versions.service_worker().contains("\\\"client_revision\\\":5,"));
        assert!(versions.page().contains("\"client_revision\":5,"));
    }
}
