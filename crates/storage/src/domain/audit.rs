use std::net::IpAddr;

use super::word::words;
use crate::{Json, KeyId, Timestamp, UserId};

words! {
    /// What was done.
    AuditAction, "audit action" {
        /// Somebody logged in.
        Login = "login",
        /// Somebody could not: the password was wrong, or the address isn't one of theirs.
        LoginFailed = "login_failed",
        /// A user was made.
        UserCreated = "user_created",
        /// A user was changed.
        UserUpdated = "user_updated",
        /// A user was removed.
        UserDeleted = "user_deleted",
        /// A password was changed.
        PasswordChanged = "password_changed",
        /// A user's own API key was made anew.
        ApiKeyRotated = "api_key_rotated",
        /// A scoped key was made.
        KeyCreated = "key_created",
        /// A scoped key was taken back.
        KeyDeleted = "key_deleted",
        /// An instance was made.
        InstanceCreated = "instance_created",
        /// The settings of an instance were changed.
        InstanceUpdated = "instance_updated",
        /// An instance was removed.
        InstanceDeleted = "instance_deleted",
        /// An instance was told to connect anew.
        InstanceReconnected = "instance_reconnected",
        /// An instance was told not to connect until it is resumed.
        InstancePaused = "instance_paused",
        /// A paused instance was let connect again.
        InstanceResumed = "instance_resumed",
        /// An instance was unlinked from its account.
        InstanceLoggedOut = "instance_logged_out",
        /// An instance goes on with a device of another gateway.
        InstanceImported = "instance_imported",
        /// The messages, contacts and files of an instance were forgotten.
        InstanceCleared = "instance_cleared",
        /// An address was made under which whoever has it may link an instance.
        LinkCreated = "link_created",
        /// The key by which a dialect reaches an instance was made anew.
        DialectKeyRotated = "dialect_key_rotated",
        /// A webhook was added to an instance.
        WebhookCreated = "webhook_created",
        /// A webhook of an instance was changed.
        WebhookUpdated = "webhook_updated",
        /// A webhook was removed from an instance.
        WebhookDeleted = "webhook_deleted",
    }
}

/// Who did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user; `None` for the gateway's operator at a command line, and for strangers.
    pub user: Option<UserId>,
    /// The scoped key that was used, if it was one.
    pub key: Option<KeyId>,
    /// Where it came from, canonical.
    pub address: Option<IpAddr>,
}

/// What is kept of something that was done: who, what, when, from where. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: AuditAction,
    /// The id of what it was done to: a user, a key or an instance.
    pub target: Option<String>,
    /// More about it: an object, or `null`.
    pub details: Json,
}

impl AuditEntry {
    /// About how many bytes a page holds of it.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.target.as_ref().map_or(0, String::len) + self.details.text().len()
    }
}

/// Which entries of the audit log, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// How many at most.
    pub limit: u64,
    /// Only those before this place, which a page gave.
    pub before: Option<i64>,
    /// Only what this user did.
    pub user: Option<UserId>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only until this time, itself included.
    pub until: Option<Timestamp>,
}

impl AuditQuery {
    /// The newest entries.
    pub fn newest(limit: u64) -> Self {
        Self { limit, before: None, user: None, action: None, since: None, until: None }
    }

    /// Whether it asks for this entry, wherever it stands.
    pub fn asks_for(&self, entry: &AuditEntry) -> bool {
        self.user.is_none_or(|user| entry.actor.user == Some(user))
            && self.action.is_none_or(|action| entry.action == action)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at <= until)
    }
}

/// A page of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first, each with its place.
    pub entries: Vec<(i64, AuditEntry)>,
    /// The place before which the next page goes on; `None` at the end.
    pub next: Option<i64>,
}
