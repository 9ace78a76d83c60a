//! Who may use the gateway, with which keys, and what they did.

use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{
    ApiKey, AuditEntry, AuditPage, AuditQuery, KeyId, Page, ScopedKey, Timestamp, User, UserId, UserPatch,
};

/// The people who may use the gateway, found by id, email or API key.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// Adds a user. `Conflict` when the id, the email or the API key is taken. What is `told` is kept in the audit log in
    /// the same commit, here and below.
    fn add_user(&self, user: User, told: Option<AuditEntry>) -> Write<()>;

    /// Adds a user silently.
    fn create_user(&self, user: User) -> Write<()> {
        self.add_user(user, None)
    }

    /// Whether there is any user, be it one that can't be read.
    async fn has_users(&self) -> Result<bool, StorageError>;

    /// A user by id. `Corrupt` when this one can't be read; the same for the two below.
    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError>;

    /// A user by email, whatever the case of its ASCII letters.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StorageError>;

    /// A user by API key.
    async fn user_by_api_key(&self, key: &ApiKey) -> Result<Option<User>, StorageError>;

    /// A page of users, oldest first. Those that can't be read are left out, and counted.
    async fn users(&self, limit: u64, skip: u64) -> Result<Page<User>, StorageError>;

    /// Who is disabled, in the order of their ids.
    async fn disabled_users(&self) -> Result<Vec<UserId>, StorageError>;

    /// Changes a user. `NotFound`; `Conflict` when the new email or API key is taken; `LastAdmin` when nobody would
    /// administer the gateway any more; `Corrupt` when something can't be read that the patch doesn't set anew. Answers the
    /// changed user.
    fn change_user(
        &self,
        id: UserId,
        patch: UserPatch,
        now: Timestamp,
        told: Option<AuditEntry>,
    ) -> Write<User>;

    /// Changes a user silently.
    fn update_user(&self, id: UserId, patch: UserPatch, now: Timestamp) -> Write<User> {
        self.change_user(id, patch, now, None)
    }

    /// Removes a user with their scoped keys. `NotFound`; `InUse` while they own instances; `LastAdmin` as above.
    fn delete_user(&self, id: UserId, told: Option<AuditEntry>) -> Write<()>;
}

/// Scoped keys, as their owner sees them. A store knows a key by its hash ([`ApiKey::hash`]) alone.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Adds a key. `NotFound` when the owner doesn't exist; `Conflict` when the id or the hash is taken; `LimitReached` when
    /// the owner has `limit` keys already.
    fn create_key(&self, key: ScopedKey, hash: [u8; 32], limit: u64, told: Option<AuditEntry>) -> Write<()>;

    /// A page of a user's keys, oldest first. Those that can't be read are left out, and counted.
    async fn keys(&self, owner: UserId, limit: u64, skip: u64) -> Result<Page<ScopedKey>, StorageError>;

    /// The key with this hash, and its owner. `Corrupt` when either can't be read.
    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<(ScopedKey, User)>, StorageError>;

    /// Notes when a key was used last. Nothing happens if there is no such key. Nobody waits for it: it is as
    /// [`Urgency::Soon`](crate::Urgency::Soon).
    fn note_use(&self, id: KeyId, at: Timestamp) -> Write<()>;

    /// Removes a key. `NotFound` when the owner has no such key.
    fn delete_key(&self, owner: UserId, id: KeyId, told: Option<AuditEntry>) -> Write<()>;
}

/// What was done, by whom and from where.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Adds an entry.
    fn audit(&self, entry: AuditEntry) -> Write<()>;

    /// A page of entries, newest first by the order they were stored in. Those that can't be read are left out.
    async fn audited(&self, query: &AuditQuery) -> Result<AuditPage, StorageError>;

    /// Forgets entries from before this time, of the `limit` oldest; answers how many.
    async fn prune_audit(&self, before: Timestamp, limit: u64) -> Result<u64, StorageError>;
}
