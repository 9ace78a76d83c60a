use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::part::repaired;
use super::user::set;
use super::word::words;
use crate::{
    Event, EventData, EventKind, InstanceId, MessageStatus, NewEvent, Part, SecretText, StorageError,
    Timestamp, Version, WebhookData, WebhookPausedData,
};

words! {
    /// In whose words a webhook is told. The envelope, the names of events and fields, and nothing else.
    WebhookFormat, "webhook format" {
        /// The multi-instance API.
        Seed1 = "seed1",
        /// Its older revision: `connection_opened`, `connection_closed`.
        Seed0 = "seed0",
        /// The PostBack of witi.me, each event by itself.
        Witi = "witi",
        /// The same in its bulk form: `BULK,` and a list.
        WitiBulk = "witi-bulk",
        /// The same, compressed: `BULKGZ,`.
        WitiBulkGz = "witi-bulkgz",
        /// The callback of whatsgate.
        Whatsgate = "whatsgate",
        /// The webhooks of WAHA.
        Waha = "waha",
        /// Of these only the event of all messages, those of the account's own included.
        WahaAny = "waha-any",
        /// The webhooks of Evolution API.
        Evolution = "evolution",
        /// Standard Webhooks: their envelope and their headers.
        Standard = "standard-webhooks",
    }
}

words! {
    /// What follows when a call was tried as often as it was to be.
    OnGiveUp, "choice" {
        /// It becomes a dead letter, and its chat goes on.
        DeadLetter = "dead_letter",
        /// It is tried on, ever more rarely, until its receiver takes it; its chat waits.
        Wait = "wait",
    }
}

/// What is stored of a webhook's receiver by whoever calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookMark {
    /// It has taken nothing since this time.
    Failing {
        /// When the first call failed.
        since: Timestamp,
    },
    /// It has taken nothing for so long that only probes are made.
    Paused {
        /// When the first call failed.
        since: Timestamp,
    },
    /// It has taken a call.
    Answering,
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
    /// What follows when that is used up.
    pub on_give_up: OnGiveUp,
    /// Key of the signature. Sealed at rest.
    pub secret: Option<SecretText>,
    /// What is to follow it.
    pub next_secret: Option<NextSecret>,
    /// Custom request headers. Sealed at rest, since they may hold credentials; `Debug` shows only their names.
    pub headers: BTreeMap<String, String>,
    /// Since when its receiver has taken nothing, if that is for longer than a moment. Like the next, no setting.
    pub failing_since: Option<Timestamp>,
    /// Since when only probes are made, because its receiver takes nothing. Events wait in the log.
    pub paused_at: Option<Timestamp>,
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
            on_give_up: OnGiveUp::DeadLetter,
            secret: None,
            next_secret: None,
            headers: BTreeMap::new(),
            failing_since: None,
            paused_at: None,
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

    /// The key of its signature at this time, and what is to follow it then.
    pub fn secrets(&self, now: Timestamp) -> (Option<&SecretText>, Option<&NextSecret>) {
        match &self.next_secret {
            Some(next) if next.from <= now => (Some(&next.secret), None),
            next => (self.secret.as_ref(), next.as_ref()),
        }
    }

    /// The state of its settings.
    pub fn version(&self) -> Version {
        Version::of(&[self.updated_at])
    }

    /// Notes something of its receiver. Answers the event that tells of it, where it is paused or goes on.
    pub fn mark(&mut self, mark: WebhookMark, now: Timestamp) -> Option<NewEvent> {
        let was_paused = self.paused_at.is_some();
        (self.failing_since, self.paused_at) = match mark {
            WebhookMark::Failing { since } => (Some(since), self.paused_at),
            WebhookMark::Paused { since } => (Some(since), self.paused_at.or(Some(now))),
            WebhookMark::Answering => (None, None),
        };
        let paused = self.paused_at.is_some();
        let told = WebhookPausedData {
            name: self.name.clone(),
            paused,
            failing_since: self.failing_since.map(Timestamp::millis),
        };
        (paused != was_paused).then(|| NewEvent::new(None, EventData::WebhookPaused(told)))
    }

    /// The event that tells of a change to it.
    pub fn told(&self, deleted: bool) -> NewEvent {
        let told = WebhookData { name: self.name.clone(), enabled: self.enabled && !deleted, deleted };
        NewEvent::new(None, EventData::WebhookUpdated(told))
    }
}

/// The key of a webhook's signature from a time on. Until then both sign, so that its receiver can change over.
#[derive(Clone, PartialEq, Eq)]
pub struct NextSecret {
    /// The key.
    pub secret: SecretText,
    /// From when on it is the only one.
    pub from: Timestamp,
}

/// A change of a webhook's secret that its receiver can follow in its own time.
#[derive(Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The new key.
    pub secret: SecretText,
    /// How long the present one, if there is one, signs as before.
    pub overlap: Duration,
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("overlap", &self.overlap).finish_non_exhaustive()
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
    /// governed by `kinds` alone; `instance_changed` and `post_received` are wanted only where they name them.
    pub fn wants(&self, kind: EventKind, status: Option<MessageStatus>) -> bool {
        let switched_on = match kind {
            EventKind::MessageReceived | EventKind::MessageUndecryptable => self.received,
            EventKind::MessageSent => self.sent,
            EventKind::MessageStatus => match status {
                Some(MessageStatus::Delivered) => self.delivery,
                Some(MessageStatus::Read | MessageStatus::Played) => self.read,
                _ => self.sent,
            },
            // Of no use to who only waits for messages, and nobody knew of it when the older webhooks were made.
            EventKind::InstanceChanged => self.kinds.is_some(),
            // There are many of them, and nobody answers them.
            EventKind::PostReceived => self.kinds.is_some(),
            _ => true,
        };
        switched_on && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// True if this event is wanted.
    pub fn wants_event(&self, event: &Event) -> bool {
        let status = match &event.data {
            EventData::MessageStatus(told) => Some(told.status),
            _ => None,
        };
        self.wants(event.kind(), status)
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
    /// New choice.
    pub on_give_up: Option<OnGiveUp>,
    /// New secret, at once; `Some(None)` removes it.
    pub secret: Option<Option<SecretText>>,
    /// New secret, with the present one beside it for a while.
    pub rotation: Option<Rotation>,
    /// New headers, as a whole.
    pub headers: Option<BTreeMap<String, String>>,
    /// Ends a pause, whatever its URL and its switch are by then.
    pub ends_pause: bool,
}

impl WebhookPatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies the changes as of `now`. Whatever switches it on, or names its URL, ends a pause, too. Without its URL a webhook is switched off, unless the patch says otherwise. What the
    /// patch names can be read from then on; where nothing is different, the time of the last change stays.
    ///
    /// # Errors
    /// `Invalid`, and nothing is changed, for a webhook that would be on without a URL.
    pub fn apply(self, webhook: &mut Webhook, now: Timestamp) -> Result<(), StorageError> {
        let names_it = self.url.is_some() || self.enabled.is_some();
        let mut changed = webhook.clone();
        if self.ends_pause || self.url.is_some() || self.enabled == Some(true) {
            (changed.failing_since, changed.paused_at) = (None, None);
        }
        self.set_on(&mut changed, now);
        if names_it && changed.enabled && changed.url.is_none() {
            return Err(StorageError::Invalid { what: "webhook without a URL" });
        }
        if changed != *webhook {
            changed.updated_at = later(webhook.updated_at, now);
            *webhook = changed;
        }
        Ok(())
    }

    fn set_on(self, webhook: &mut Webhook, now: Timestamp) {
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
            on_give_up,
            secret,
            rotation,
            headers,
            ends_pause: _,
        } = self;
        let named = [
            (Part::Format, format.is_some()),
            (Part::Kinds, kinds.is_some()),
            (Part::Secret, secret.is_some() || rotation.is_some()),
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
        set(&mut webhook.on_give_up, on_give_up);
        if let Some(secret) = secret {
            (webhook.secret, webhook.next_secret) = (secret, None);
        }
        if let Some(rotation) = rotation {
            rotation.begin(webhook, now);
        }
        set(&mut webhook.headers, headers);
    }
}

impl Rotation {
    fn begin(self, webhook: &mut Webhook, now: Timestamp) {
        let Self { secret, overlap } = self;
        let present = webhook.secrets(now).0.cloned();
        (webhook.secret, webhook.next_secret) = match present {
            Some(present) if !overlap.is_zero() => {
                (Some(present), Some(NextSecret { secret, from: now.after(overlap) }))
            }
            _ => (Some(secret), None),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_followed_by_another_in_time() {
        let (now, hour) = (Timestamp::from_seconds(1_000_000), Duration::from_secs(3_600));
        let mut webhook = Webhook::new(InstanceId::generate(), "crm", now);
        let mut rotate = |secret: &str, overlap, now| {
            let rotation = Some(Rotation { secret: SecretText::new(secret), overlap });
            WebhookPatch { rotation, ..WebhookPatch::default() }.apply(&mut webhook, now).unwrap();
            let shown = |now: Timestamp| {
                let (present, next) = webhook.secrets(now);
                (present.unwrap().expose().to_owned(), next.map(|next| next.secret.expose().to_owned()))
            };
            (shown(now), shown(now.after(hour)))
        };
        let alone = |secret: &str| (secret.to_owned(), None);
        let both = |present: &str, next: &str| (present.to_owned(), Some(next.to_owned()));
        assert_eq!(rotate("a", hour, now), (alone("a"), alone("a")), "there was none before");
        assert_eq!(rotate("b", hour, now), (both("a", "b"), alone("b")));
        assert_eq!(rotate("c", hour, now), (both("a", "c"), alone("c")), "the receiver knows the first");
        assert_eq!(rotate("d", hour, now.after(hour)), (both("c", "d"), alone("d")));
        assert_eq!(rotate("e", Duration::ZERO, now.after(hour)), (alone("e"), alone("e")));
    }

    #[test]
    fn a_pause_ends_and_nothing_else_is_written() {
        let now = Timestamp::from_seconds(1_000_000);
        let mut webhook = Webhook::new(InstanceId::generate(), "crm", now);
        // As another call has just left it.
        (webhook.url, webhook.enabled) = (Some("https://new.example/".to_owned()), false);
        (webhook.failing_since, webhook.paused_at) = (Some(now), Some(now));
        let paused = webhook.clone();
        WebhookPatch { ends_pause: true, ..WebhookPatch::default() }.apply(&mut webhook, now).unwrap();
        let expected =
            Webhook { failing_since: None, paused_at: None, updated_at: webhook.updated_at, ..paused };
        assert_eq!(webhook, expected);
    }

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
            PostReceived,
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
        assert!(!EventFilter::default().wants(PostReceived, None));
        let posts = EventFilter { kinds: Some(vec![PostReceived]), ..EventFilter::default() };
        assert!(posts.wants(PostReceived, None));
    }
}
