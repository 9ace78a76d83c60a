use std::collections::BTreeMap;
use std::fmt;

use super::part::repaired;
use super::user::set;
use super::word::words;
use crate::{
    EventData, EventKind, InstanceId, MessageStatus, NewEvent, Part, SecretText, StorageError, Timestamp,
    Version, WebhookData,
};

words! {
    /// In whose words a webhook is told. The envelope, the names of events and fields, and nothing else.
    WebhookFormat, "webhook format" {
        /// The multi-instance API.
        Seed1 = "seed1",
        /// Its older revision: `connection_opened`, `connection_closed`.
        Seed0 = "seed0",
    }
}

/// Somewhere that an instance's events are delivered to: a consumer of the log with a cursor of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The instance whose events it is told.
    pub instance: InstanceId,
    /// Unique within the instance, and fixed; [`Webhook::DEFAULT`] is the one that the flat fields of the API address.
    pub name: String,
    /// Target of the deliveries.
    pub url: Option<String>,
    /// Deliveries happen only while this is set.
    pub enabled: bool,
    /// In whose words its calls are written.
    pub format: WebhookFormat,
    /// The events that it is told; it passes over the others.
    pub filter: EventFilter,
    /// Attempts after the first one.
    pub max_retries: u32,
    /// Milliseconds before the first retry; doubled for each further one.
    pub retry_interval: u64,
    /// Key of the signature. Sealed at rest.
    pub secret: Option<SecretText>,
    /// Custom request headers. Sealed at rest, since they may hold credentials; `Debug` shows only their names.
    pub headers: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What of it can't be read; empty for what a caller makes. It calls nobody until that is set anew.
    pub unreadable: Vec<Part>,
}

impl Webhook {
    /// The name of the webhook that every instance has.
    pub const DEFAULT: &'static str = "default";

    /// A webhook that is off, with the values that the API documents as defaults.
    pub fn new(instance: InstanceId, name: impl Into<String>, now: Timestamp) -> Self {
        Self {
            instance,
            name: name.into(),
            url: None,
            enabled: false,
            format: WebhookFormat::Seed1,
            filter: EventFilter::default(),
            max_retries: 3,
            retry_interval: 60_000,
            secret: None,
            headers: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            unreadable: Vec::new(),
        }
    }

    /// What it is once it is deleted, if it is one that every instance has.
    #[must_use]
    pub fn anew(&self, now: Timestamp) -> Self {
        Self::new(self.instance, &*self.name, later(self.updated_at, now))
    }

    /// Whether it is to be told what happens. As long as a part of it is unreadable, that waits.
    pub fn is_on(&self) -> bool {
        self.enabled && self.url.is_some()
    }

    /// What it counts in a page.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + self.url.as_ref().map_or(0, String::len)
    }

    /// The state of its settings.
    pub fn version(&self) -> Version {
        Version::of(&[self.updated_at])
    }

    /// The event that tells of a change to it.
    pub fn told(&self, deleted: bool) -> NewEvent {
        let told = WebhookData { name: self.name.clone(), enabled: self.enabled && !deleted, deleted };
        NewEvent::new(None, EventData::WebhookUpdated(told))
    }
}

/// The time of a change made `now` to what was changed `before`: no two changes have the same.
pub(super) fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    now.max(before.plus_millis(1))
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs may hold credentials.
        f.debug_struct("Webhook")
            .field("instance", &self.instance)
            .field("name", &self.name)
            .field("enabled", &self.enabled)
            .field("format", &self.format)
            .field("filter", &self.filter)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

/// Which events a webhook is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// `message_received` and `message_undecryptable`.
    pub received: bool,
    /// `message_sent`, and `message_status` with `failed`.
    pub sent: bool,
    /// `message_status` with `delivered`.
    pub delivery: bool,
    /// `message_status` with `read` and `played`.
    pub read: bool,
    /// Only these kinds, where given; the switches above apply as well.
    pub kinds: Option<Vec<EventKind>>,
}

impl Default for EventFilter {
    /// What the API documents: messages both ways and everything about the connection, no receipts.
    fn default() -> Self {
        Self { received: true, sent: true, delivery: false, read: false, kinds: None }
    }
}

impl EventFilter {
    /// True if an event of this kind (for `message_status`: with this status) is wanted. What tells of the connection is
    /// governed by `kinds` alone.
    pub fn wants(&self, kind: EventKind, status: Option<MessageStatus>) -> bool {
        let switched_on = match kind {
            EventKind::MessageReceived | EventKind::MessageUndecryptable => self.received,
            EventKind::MessageSent => self.sent,
            EventKind::MessageStatus => match status {
                Some(MessageStatus::Delivered) => self.delivery,
                Some(MessageStatus::Read | MessageStatus::Played) => self.read,
                _ => self.sent,
            },
            _ => true,
        };
        switched_on && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// Changes to a webhook by its owner, applied where it is stored; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    /// New URL; `Some(None)` removes it.
    pub url: Option<Option<String>>,
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// The dialect of its calls from now on.
    pub format: Option<WebhookFormat>,
    /// New switch, see [`EventFilter::received`].
    pub received: Option<bool>,
    /// New switch, see [`EventFilter::sent`].
    pub sent: Option<bool>,
    /// New switch, see [`EventFilter::delivery`].
    pub delivery: Option<bool>,
    /// New switch, see [`EventFilter::read`].
    pub read: Option<bool>,
    /// New choice of kinds; `Some(None)` means all.
    pub kinds: Option<Option<Vec<EventKind>>>,
    /// New number of retries.
    pub max_retries: Option<u32>,
    /// New interval in milliseconds.
    pub retry_interval: Option<u64>,
    /// New secret; `Some(None)` removes it.
    pub secret: Option<Option<SecretText>>,
    /// New headers, as a whole.
    pub headers: Option<BTreeMap<String, String>>,
}

impl WebhookPatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies the changes as of `now`. Without its URL a webhook is switched off, unless the patch says otherwise. What the
    /// patch names can be read from then on; where nothing is different, the time of the last change stays.
    ///
    /// # Errors
    /// `Invalid`, and nothing is changed, for a webhook that would be on without a URL.
    pub fn apply(self, webhook: &mut Webhook, now: Timestamp) -> Result<(), StorageError> {
        let names_it = self.url.is_some() || self.enabled.is_some();
        let mut changed = webhook.clone();
        self.set_on(&mut changed);
        if names_it && changed.enabled && changed.url.is_none() {
            return Err(StorageError::Invalid { what: "webhook without a URL" });
        }
        if changed != *webhook {
            changed.updated_at = later(webhook.updated_at, now);
            *webhook = changed;
        }
        Ok(())
    }

    fn set_on(self, webhook: &mut Webhook) {
        let Self {
            url,
            enabled,
            format,
            received,
            sent,
            delivery,
            read,
            kinds,
            max_retries,
            retry_interval,
            secret,
            headers,
        } = self;
        let named = [
            (Part::Format, format.is_some()),
            (Part::Kinds, kinds.is_some()),
            (Part::Secret, secret.is_some()),
            (Part::Headers, headers.is_some()),
        ];
        for (part, _) in named.into_iter().filter(|(_, is_named)| *is_named) {
            repaired(&mut webhook.unreadable, part);
        }
        set(&mut webhook.enabled, enabled.or((url == Some(None)).then_some(false)));
        set(&mut webhook.url, url);
        set(&mut webhook.format, format);
        set(&mut webhook.filter.received, received);
        set(&mut webhook.filter.sent, sent);
        set(&mut webhook.filter.delivery, delivery);
        set(&mut webhook.filter.read, read);
        set(&mut webhook.filter.kinds, kinds);
        set(&mut webhook.max_retries, max_retries);
        set(&mut webhook.retry_interval, retry_interval);
        set(&mut webhook.secret, secret);
        set(&mut webhook.headers, headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_header_values() {
        let mut webhook = Webhook::new(InstanceId::generate(), Webhook::DEFAULT, Timestamp::default());
        webhook.secret = Some(SecretText::new("hunter2"));
        webhook.headers = BTreeMap::from([("Authorization".to_owned(), "Bearer hunter2".to_owned())]);
        webhook.url = Some("https://user:hunter2@example.com/".to_owned());
        let text = format!("{webhook:?}");
        assert!(text.contains("Authorization") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn each_switch_governs_its_events() {
        use EventKind::{
            Connected, MessageReceived, MessageSent, MessageStatus as Status, MessageUndecryptable,
        };
        use MessageStatus::{Delivered, Failed, Played, Read};
        let off = EventFilter { received: false, sent: false, delivery: false, read: false, kinds: None };
        let received = EventFilter { received: true, ..off.clone() };
        let sent = EventFilter { sent: true, ..off.clone() };
        let delivery = EventFilter { delivery: true, ..off.clone() };
        let read = EventFilter { read: true, ..off.clone() };
        let table = [
            (MessageReceived, None, &received),
            (MessageUndecryptable, None, &received),
            (MessageSent, None, &sent),
            (Status, Some(Failed), &sent),
            (Status, Some(Delivered), &delivery),
            (Status, Some(Read), &read),
            (Status, Some(Played), &read),
        ];
        for (kind, status, governing) in table {
            for filter in [&received, &sent, &delivery, &read, &off] {
                assert_eq!(filter.wants(kind, status), filter == governing, "{kind} {status:?}");
            }
        }
        assert!(off.wants(Connected, None));
        let chosen = EventFilter { kinds: Some(vec![Connected]), ..EventFilter::default() };
        assert!(chosen.wants(Connected, None) && !chosen.wants(MessageReceived, None));
    }
}
