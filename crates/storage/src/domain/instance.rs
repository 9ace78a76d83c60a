use std::collections::BTreeMap;
use std::fmt;

use super::id::identifier;
use super::user::set;
use super::word::words;
use crate::{SecretText, Timestamp, UserId};

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
    /// Free text.
    pub description: Option<String>,
    /// Where and how events are delivered.
    pub webhook: WebhookSettings,
    /// What it was last known to do.
    pub status: InstanceStatus,
    /// Why, in the words of the service layer (`logged_out`, `replaced`, `banned`, …).
    pub status_cause: Option<String>,
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

/// Where and how an instance's events are delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Target of the deliveries.
    pub url: Option<String>,
    /// Deliveries happen only while this is set.
    pub enabled: bool,
    /// Deliver `message_received`.
    pub notify_received: bool,
    /// Deliver `message_sent`.
    pub notify_sent: bool,
    /// Deliver `message_status` with `delivered`.
    pub notify_delivery: bool,
    /// Deliver `message_status` with `read` and `played`.
    pub notify_read: bool,
    /// Attempts after the first one.
    pub max_retries: u32,
    /// Milliseconds before the first retry; doubled for each further one.
    pub retry_interval: u64,
    /// Key of `X-Webhook-Signature`. Sealed at rest.
    pub secret: Option<SecretText>,
    /// Custom request headers. Sealed at rest, since they may hold credentials; `Debug` shows only their names.
    pub headers: BTreeMap<String, String>,
}

impl Default for WebhookSettings {
    /// No webhook; the values that the API documents as defaults.
    fn default() -> Self {
        Self {
            url: None,
            enabled: false,
            notify_received: true,
            notify_sent: true,
            notify_delivery: false,
            notify_read: false,
            max_retries: 3,
            retry_interval: 60_000,
            secret: None,
            headers: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("url", &self.url)
            .field("enabled", &self.enabled)
            .field("max_retries", &self.max_retries)
            .field("retry_interval", &self.retry_interval)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

/// Changes to an instance's settings by its owner; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstancePatch {
    /// New name.
    pub name: Option<String>,
    /// New description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// New webhook settings, as a whole.
    pub webhook: Option<WebhookSettings>,
}

impl InstancePatch {
    /// Applies the changes as of `now`.
    pub fn apply(self, instance: &mut Instance, now: Timestamp) {
        let Self { name, description, webhook } = self;
        set(&mut instance.name, name);
        set(&mut instance.description, description);
        set(&mut instance.webhook, webhook);
        instance.updated_at = now;
    }
}

/// Changes to an instance's state by the supervisor, part of a [`Record`](crate::Record); `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChange {
    /// New status.
    pub status: Option<InstanceStatus>,
    /// New cause; `Some(None)` removes it.
    pub status_cause: Option<Option<String>>,
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
    pub fn status(status: InstanceStatus, cause: Option<String>) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_header_values() {
        let settings = WebhookSettings {
            secret: Some(SecretText::new("hunter2")),
            headers: BTreeMap::from([("Authorization".to_owned(), "Bearer hunter2".to_owned())]),
            ..WebhookSettings::default()
        };
        let text = format!("{settings:?}");
        assert!(text.contains("Authorization") && !text.contains("hunter2"), "{text}");
    }
}
