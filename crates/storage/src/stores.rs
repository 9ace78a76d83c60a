//! The store traits, one per concern.
//!
//! Reads are async functions. Writes return a [`Write`]: **the call itself queues the write**, so writes are applied in
//! the order of their calls, whichever future is polled first; the future resolves when the write is durable, and a
//! read that starts afterwards sees it. Dropping the future doesn't cancel the write. A failed write changes nothing.
//!
//! Every method that serves a user's request takes that user's id and behaves as if other users' instances did not
//! exist. The exceptions are the supervisor's ([`Fleet`]) and the webhook worker's ([`DeliveryStore`]).

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;

use crate::{
    ApiKey, Consumer, ConsumerWork, Delivery, DeliveryState, Event, EventPage, EventQuery, Instance,
    InstanceId, InstancePatch, Json, Message, MessageQuery, Page, PendingMessage, Record, Recorded,
    SecretText, Settlement, StoredClaim, Timestamp, User, UserId, UserPatch,
};

/// A queued write; resolves when it is durable.
pub type Write<T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send>>;

/// Everything the gateway stores, as one object: `Arc<dyn Storage>`.
pub trait Storage:
    UserStore + InstanceStore + MessageStore + EventLog + Fleet + DeliveryStore + ClaimStore + SettingStore
{
}

impl<T> Storage for T where
    T: UserStore
        + InstanceStore
        + MessageStore
        + EventLog
        + Fleet
        + DeliveryStore
        + ClaimStore
        + SettingStore
{
}

/// Users.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// Adds a user. `Conflict` when the id, the email or the API key is taken.
    fn create_user(&self, user: User) -> Write<()>;

    /// A user by id.
    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError>;

    /// A user by email, whatever the case of its ASCII letters.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StorageError>;

    /// A user by API key.
    async fn user_by_api_key(&self, key: &ApiKey) -> Result<Option<User>, StorageError>;

    /// All users, oldest first.
    async fn users(&self) -> Result<Vec<User>, StorageError>;

    /// Changes a user. `NotFound`; `Conflict` when the new email or API key is taken. Answers the changed user.
    fn update_user(&self, id: UserId, patch: UserPatch, now: Timestamp) -> Write<User>;
}

/// Instances, as their owner sees them.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Adds an instance. `NotFound` when the owner doesn't exist, `Conflict` when the id is taken.
    fn create_instance(&self, instance: Instance) -> Write<()>;

    /// An instance by id.
    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError>;

    /// All instances of a user, oldest first.
    async fn instances(&self, owner: UserId) -> Result<Vec<Instance>, StorageError>;

    /// Changes an instance's settings. `NotFound`. Answers the changed instance.
    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        now: Timestamp,
    ) -> Write<Instance>;

    /// Removes an instance and everything that belongs to it: messages, events, deliveries, claims, and the companion's
    /// records. `NotFound`.
    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()>;
}

/// Messages, as the owner of the instance sees them.
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Messages of a chat, newest first (by `created_at`, then by the order they were stored in). `NotFound` when the
    /// instance isn't the owner's; a chat without messages is an empty page.
    async fn messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &MessageQuery,
    ) -> Result<Page<Message>, StorageError>;

    /// The messages with this WhatsApp id, oldest first: usually one. `NotFound` when the instance isn't the owner's.
    async fn messages_by_id(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError>;
}

/// The event log, as the owner of the instance sees it.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// A page of events. `NotFound` when the instance isn't the owner's.
    async fn events(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &EventQuery,
    ) -> Result<EventPage, StorageError>;
}

/// What the supervisor of all running instances needs: no owner.
#[async_trait]
pub trait Fleet: Send + Sync + 'static {
    /// All instances of all users, oldest first.
    async fn fleet(&self) -> Result<Vec<Instance>, StorageError>;

    /// One instance, whoever owns it.
    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError>;

    /// Stores what happened to an instance, atomically and idempotently. `NotFound` when the instance doesn't exist.
    fn record(&self, record: Record) -> Write<Recorded>;

    /// Outgoing messages that are still `pending` and have a payload, in the order they were stored in.
    async fn pending_messages(
        &self,
        instance: InstanceId,
        limit: u64,
    ) -> Result<Vec<PendingMessage>, StorageError>;

    /// The messages with this WhatsApp id, oldest first: usually one.
    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError>;

    /// Moves all messages of one chat to another: both turned out to be the same person's. Answers how many. `NotFound`
    /// when the instance doesn't exist.
    fn merge_chats(&self, instance: InstanceId, from: String, into: String) -> Write<u64>;

    /// Forgets events from before this time, at most `limit` of them; answers how many. Kept are the newest event of
    /// each instance, events that a known consumer has not passed, and events with a delivery.
    fn prune_events(&self, before: Timestamp, limit: u64) -> Write<u64>;
}

/// Consumers of the event log and their unfinished deliveries.
#[async_trait]
pub trait DeliveryStore: Send + Sync + 'static {
    /// Every instance in which the consumer of this name has something to do: new events or pending deliveries.
    async fn work(&self, consumer_name: &str) -> Result<Vec<ConsumerWork>, StorageError>;

    /// Where a consumer stands; `None` when it has never settled anything.
    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError>;

    /// Up to `limit` events of an instance after a position, ascending.
    async fn events_after(
        &self,
        instance: InstanceId,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<Event>, StorageError>;

    /// One event by its position.
    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError>;

    /// Up to `limit` pending deliveries of a consumer after a position, ascending by `seq`.
    async fn pending_deliveries(
        &self,
        consumer: &Consumer,
        after_seq: i64,
        limit: u64,
    ) -> Result<Vec<Delivery>, StorageError>;

    /// Stores what consumers have achieved: all of it, or none. Settlements of instances that don't exist (any more)
    /// are left out, since the worker may be behind a deletion.
    fn settle(&self, settlements: Vec<Settlement>) -> Write<()>;

    /// Deliveries of the owner's instance in a state, ascending by `seq`. `NotFound` when it isn't the owner's.
    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        state: DeliveryState,
        limit: u64,
        skip: u64,
    ) -> Result<Page<Delivery>, StorageError>;

    /// Makes dead deliveries pending again, due at `now` with no attempts counted: those named, or all when `seqs` is
    /// `None`. Answers how many. `NotFound` when the instance isn't the owner's.
    fn replay(&self, owner: UserId, consumer: Consumer, seqs: Option<Vec<i64>>, now: Timestamp)
    -> Write<u64>;
}

/// Idempotency keys. They are taken by [`Fleet::record`].
#[async_trait]
pub trait ClaimStore: Send + Sync + 'static {
    /// The claim of a key.
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError>;

    /// Replaces the answer of a claim. `NotFound`.
    fn answer_claim(&self, scope: String, key: String, answer: Json) -> Write<()>;

    /// Forgets claims from before this time; answers how many.
    fn prune_claims(&self, before: Timestamp) -> Write<u64>;
}

/// The service's own settings, sealed at rest: generated secrets and the like.
#[async_trait]
pub trait SettingStore: Send + Sync + 'static {
    /// A setting by name.
    async fn setting(&self, name: &str) -> Result<Option<SecretText>, StorageError>;

    /// Stores a setting, replacing an earlier value.
    fn put_setting(&self, name: String, value: SecretText) -> Write<()>;

    /// Stores a setting unless there is one; answers the value that holds now.
    fn init_setting(&self, name: String, value: SecretText) -> Write<SecretText>;
}

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such thing, or it belongs to someone else.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// A value that must be unique is taken.
    #[error("{what} is taken")]
    Conflict {
        /// Which value.
        what: &'static str,
    },
    /// What was stored can't be read: damaged, or sealed with another key.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// What exactly failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More writes wait than the store accepts; try again later.
    #[error("the database is overloaded")]
    Overloaded,
    /// The store has been closed.
    #[error("the database is closed")]
    Closed,
    /// The database failed.
    #[error("the database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StorageError {
    /// Wraps the error of a database.
    pub fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend(error.into())
    }

    /// Says that a stored value can't be read.
    pub fn corrupt(what: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Corrupt { what, source: error.into() }
    }
}
