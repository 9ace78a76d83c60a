use std::time::Duration;

use super::id::identifier;
use super::user::set;
use super::word::words;
use crate::{ConnectionCause, DeviceLook, SecretText, Timestamp, UserId, Webhook, WebhookPatch};

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
    /// How long its events and messages are kept.
    pub retention: Retention,
    /// Its proxy, and whether senders see at once that their messages were delivered.
    pub connection: ConnectionSettings,
    /// How it shows itself on the phone.
    pub look: DeviceLook,
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
}

impl Instance {
    /// What is left of it once it is buried: its id, its times and how it connects, and no owner.
    #[must_use]
    pub fn buried(self) -> Self {
        Self {
            id: self.id,
            owner: UserId::NOBODY,
            name: String::new(),
            description: None,
            retention: Retention::default(),
            connection: self.connection,
            look: DeviceLook::default(),
            status: InstanceStatus::Disconnected,
            status_cause: None,
            jid: None,
            lid: None,
            phone: None,
            push_name: None,
            last_activity: None,
            created_at: self.created_at,
            updated_at: self.updated_at,
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
    /// New retention.
    pub retention: Option<Retention>,
    /// Other ways to connect.
    pub connection: Option<ConnectionSettings>,
    /// New look.
    pub look: Option<DeviceLook>,
    /// Changes to the webhook named [`Webhook::DEFAULT`](crate::Webhook::DEFAULT), stored in the same commit.
    pub webhook: WebhookPatch,
}

impl InstancePatch {
    /// Applies the changes to the instance and its default webhook as of `now`.
    pub fn apply(self, instance: &mut Instance, default: &mut Webhook, now: Timestamp) {
        let Self { name, description, retention, connection, look, webhook } = self;
        set(&mut instance.name, name);
        set(&mut instance.description, description);
        set(&mut instance.retention, retention);
        set(&mut instance.connection, connection);
        set(&mut instance.look, look);
        if !webhook.is_empty() {
            webhook.apply(default, now);
        }
        instance.updated_at = now;
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
        set(&mut instance.status, status);
        set(&mut instance.status_cause, status_cause);
        set(&mut instance.jid, jid);
        set(&mut instance.lid, lid);
        set(&mut instance.phone, phone);
        set(&mut instance.push_name, push_name);
    }
}
