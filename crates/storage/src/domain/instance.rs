use std::time::Duration;

use super::id::identifier;
use super::part::repaired;
use super::user::set;
use super::webhook::later;
use super::word::words;
use crate::{
    ConnectionCause, DeviceIcon, DeviceLook, EventData, InstanceAction, InstanceData, LimitsPatch,
    MediaDownload, NewEvent, Part, SecretText, StorageError, Timestamp, UsageLimits, UserId, Version,
    Webhook, WebhookPatch,
};

identifier! {
    /// Identifies an instance: one WhatsApp account carried by the gateway.
    InstanceId
}

words! {
    /// What an instance was last known to do. The living truth is the supervisor's.
    InstanceStatus, "instance status" {
        /// On the way to a connection, or between two attempts.
        Connecting = "connecting",
        /// Waiting for a phone to scan the QR code.
        Pairing = "pairing",
        /// Logged in.
        Connected = "connected",
        /// Not connected and not trying; `status_cause` says why.
        Disconnected = "disconnected",
        /// The phone unlinked this companion, or we logged out; credentials are gone.
        LoggedOut = "logged_out",
        /// Stopped by its owner; not resumed at start.
        Paused = "paused",
    }
}

/// One WhatsApp account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Chosen by the caller.
    pub id: InstanceId,
    /// The user it belongs to.
    pub owner: UserId,
    /// Shown to the owner.
    pub name: String,
    /// What it is for, in its owner's words.
    pub description: Option<String>,
    /// What its owner sorts it by, each once.
    pub tags: Vec<String>,
    /// How long its events, messages and files are kept.
    pub retention: Retention,
    /// When the files of its messages are fetched; `None` leaves it to the gateway's own setting.
    pub media_download: Option<MediaDownload>,
    /// Its proxy, and whether senders see at once that their messages were delivered.
    pub connection: ConnectionSettings,
    /// How it shows itself on the phone.
    pub look: DeviceLook,
    /// What it may do in a period.
    pub limits: UsageLimits,
    /// What it was last known to do.
    pub status: InstanceStatus,
    /// Why, where it isn't connected.
    pub status_cause: Option<ConnectionCause>,
    /// Own JID with a phone number, once paired.
    pub jid: Option<String>,
    /// Own JID with a LID, once known.
    pub lid: Option<String>,
    /// Own phone number (digits), once paired.
    pub phone: Option<String>,
    /// Own push name, once known.
    pub push_name: Option<String>,
    /// Time of the newest event in its log; ignored when an instance is created.
    pub last_activity: Option<Timestamp>,
    /// When the instance was created.
    pub created_at: Timestamp,
    /// When its settings (not its state) were last changed.
    pub updated_at: Timestamp,
    /// What of it can't be read; empty for what a caller makes. Fields of such a part say as little as possible.
    pub unreadable: Vec<Part>,
}

impl Instance {
    /// Whether it may run: all that its connection depends on is known. What it was doing last needn't be.
    pub fn can_run(&self) -> bool {
        self.unreadable.iter().all(|part| matches!(part, Part::State | Part::Limits | Part::MediaDownload))
    }

    /// Whether it rests until somebody sets anew what can't be read of it.
    pub fn needs_repair(&self) -> bool {
        self.unreadable.iter().any(|part| !matches!(part, Part::Limits | Part::MediaDownload))
    }

    /// What it counts in a page.
    pub fn size(&self) -> usize {
        let tags: usize = self.tags.iter().map(String::len).sum();
        self.name.len() + self.description.as_ref().map_or(0, String::len) + tags
    }

    /// The state of its settings, its default webhook's included.
    pub fn version(&self, default: &Webhook) -> Version {
        Version::of(&[self.updated_at, default.updated_at])
    }

    /// Whether what has changed concerns whoever carries it, so that nobody else may change it.
    pub fn is_for_the_holder(&self, before: &Self) -> bool {
        self.connection != before.connection
            || self.limits != before.limits
            || self.media_download != before.media_download
    }

    /// The event that tells of a change of its settings, if it isn't as it was before. Which settings, and not what they are.
    pub fn told(&self, before: &Self) -> Option<NewEvent> {
        let told = InstanceData { action: InstanceAction::Updated, fields: self.changed(before) };
        (!told.fields.is_empty()).then(|| NewEvent::new(None, EventData::InstanceChanged(told)))
    }

    /// The names of the settings that are not what they were before.
    pub fn changed(&self, before: &Self) -> Vec<String> {
        let fields = [
            ("name", self.name != before.name),
            ("description", self.description != before.description),
            ("tags", self.tags != before.tags),
            ("deviceName", self.look.name != before.look.name),
            ("deviceIcon", self.look.icon != before.look.icon),
            ("eventRetentionDays", self.retention.event_days != before.retention.event_days),
            ("messageRetentionDays", self.retention.message_days != before.retention.message_days),
            ("mediaRetentionDays", self.retention.media_days != before.retention.media_days),
            ("mediaDownload", self.media_download != before.media_download),
            ("proxy", self.connection.proxy != before.connection.proxy),
            ("limits", self.limits != before.limits),
            ("showDelivery", self.connection.shows_delivery != before.connection.shows_delivery),
        ];
        fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned()).collect()
    }

    /// What is left of it once it is buried: its id, its times and how it connects, and no owner.
    #[must_use]
    pub fn buried(self) -> Self {
        Self {
            id: self.id,
            owner: UserId::NOBODY,
            name: String::new(),
            description: None,
            tags: Vec::new(),
            retention: Retention::default(),
            media_download: None,
            connection: self.connection,
            look: DeviceLook::default(),
            limits: UsageLimits::default(),
            status: InstanceStatus::Disconnected,
            status_cause: None,
            jid: None,
            lid: None,
            phone: None,
            push_name: None,
            last_activity: None,
            created_at: self.created_at,
            updated_at: self.updated_at,
            unreadable: self.unreadable.into_iter().filter(|part| *part == Part::Proxy).collect(),
        }
    }
}

/// How an instance connects to WhatsApp, and what it shows there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The proxy that it connects through instead of the gateway's own, as a URL that may hold credentials.
    pub proxy: Option<SecretText>,
    /// Whether senders see at once that their messages were delivered here.
    pub shows_delivery: bool,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self { proxy: None, shows_delivery: true }
    }
}

/// How long what belongs to an instance is kept; `None` leaves it to the gateway's own setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days that events are kept.
    pub event_days: Option<u32>,
    /// Days that messages are kept.
    pub message_days: Option<u32>,
    /// Days that the files of messages are kept.
    pub media_days: Option<u32>,
}

impl Retention {
    /// How long events are kept, where the gateway's setting is `default`.
    pub fn events(self, default: Option<Duration>) -> Option<Duration> {
        self.event_days.map(days).or(default)
    }

    /// How long messages are kept, where the gateway's setting is `default`.
    pub fn messages(self, default: Option<Duration>) -> Option<Duration> {
        self.message_days.map(days).or(default)
    }

    /// How long files are kept, where the gateway's setting is `default`.
    pub fn media(self, default: Option<Duration>) -> Option<Duration> {
        self.media_days.map(days).or(default)
    }
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 24 * 60 * 60)
}

/// Changes to an instance's settings by its owner; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstancePatch {
    /// New name.
    pub name: Option<String>,
    /// New description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// Other tags, instead of all that there are.
    pub tags: Option<Vec<String>>,
    /// New [`Retention::event_days`].
    pub event_days: Option<Option<u32>>,
    /// New [`Retention::message_days`].
    pub message_days: Option<Option<u32>>,
    /// New [`Retention::media_days`].
    pub media_days: Option<Option<u32>>,
    /// New time at which files are fetched.
    pub media_download: Option<Option<MediaDownload>>,
    /// Another proxy; `Some(None)` removes it.
    pub proxy: Option<Option<SecretText>>,
    /// Whether senders see at once that their messages were delivered.
    pub shows_delivery: Option<bool>,
    /// New name on the phone; `Some(None)` leaves it to the gateway.
    pub device_name: Option<Option<String>>,
    /// New icon there.
    pub device_icon: Option<Option<DeviceIcon>>,
    /// Changes to its limits.
    pub limits: Option<LimitsPatch>,
    /// Changes to the webhook named [`Webhook::DEFAULT`](crate::Webhook::DEFAULT), stored in the same commit.
    pub webhook: WebhookPatch,
}

impl InstancePatch {
    /// Applies the changes to the instance and its default webhook as of `now`. What they name can be read from then on.
    ///
    /// # Errors
    /// `Invalid`, and nothing is changed, as [`WebhookPatch::apply`] says.
    pub fn apply(
        self,
        instance: &mut Instance,
        default: &mut Webhook,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.webhook.apply(default, now)?;
        if self.proxy.is_some() {
            repaired(&mut instance.unreadable, Part::Proxy);
        }
        if self.device_icon.is_some() {
            repaired(&mut instance.unreadable, Part::DeviceIcon);
        }
        if self.media_download.is_some() {
            repaired(&mut instance.unreadable, Part::MediaDownload);
        }
        if let Some(limits) = self.limits {
            repaired(&mut instance.unreadable, Part::Limits);
            limits.apply(&mut instance.limits);
        }
        set(&mut instance.name, self.name);
        set(&mut instance.description, self.description);
        set(&mut instance.tags, self.tags);
        set(&mut instance.retention.event_days, self.event_days);
        set(&mut instance.retention.message_days, self.message_days);
        set(&mut instance.retention.media_days, self.media_days);
        set(&mut instance.media_download, self.media_download);
        set(&mut instance.connection.proxy, self.proxy);
        set(&mut instance.connection.shows_delivery, self.shows_delivery);
        set(&mut instance.look.name, self.device_name);
        set(&mut instance.look.icon, self.device_icon);
        instance.updated_at = later(instance.updated_at, now);
        Ok(())
    }
}

/// Changes to an instance's state by the supervisor, part of a [`Record`](crate::Record); `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChange {
    /// New status.
    pub status: Option<InstanceStatus>,
    /// New cause; `Some(None)` removes it.
    pub status_cause: Option<Option<ConnectionCause>>,
    /// New own JID.
    pub jid: Option<Option<String>>,
    /// New own LID.
    pub lid: Option<Option<String>>,
    /// New own phone number.
    pub phone: Option<Option<String>>,
    /// New own push name.
    pub push_name: Option<Option<String>>,
}

impl StateChange {
    /// Only the status and its cause.
    pub fn status(status: InstanceStatus, cause: Option<ConnectionCause>) -> Self {
        Self { status: Some(status), status_cause: Some(cause), ..Self::default() }
    }

    /// Applies the changes.
    pub fn apply(self, instance: &mut Instance) {
        let Self { status, status_cause, jid, lid, phone, push_name } = self;
        if status.is_some() {
            repaired(&mut instance.unreadable, Part::State);
        }
        set(&mut instance.status, status);
        set(&mut instance.status_cause, status_cause);
        set(&mut instance.jid, jid);
        set(&mut instance.lid, lid);
        set(&mut instance.phone, phone);
        set(&mut instance.push_name, push_name);
    }
}
