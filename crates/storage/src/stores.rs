//! The store traits, one per concern.
//!
//! Reads are async functions. Writes return a [`Write`]: **the call itself queues the write**. Writes for one instance
//! through one handle are applied in the order of their calls, whichever future is polled first; between instances no
//! order is promised. The future resolves when the write is durable, and a read through any handle that starts afterwards
//! sees it. Dropping the future doesn't cancel the write. A failed write changes nothing.
//!
//! Several handles, also of several processes, may be open on one database: nothing that a write depends on is
//! remembered outside of it.
//!
//! Every method that serves a user's request takes that user's id and behaves as if other users' instances did not
//! exist. The exceptions are the supervisor's ([`Fleet`]) and the webhook worker's ([`DeliveryStore`]).

mod access;
mod attempts;
mod consumers;
mod dialects;
mod scheduled;
mod usage;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    ActivityQuery, ChatSummary, Consumer, ConsumerWork, Contact, ContactChange, ContactQuery, Cursor,
    Delivery, DeliveryQuery, Edit, Edited, Epoch, Event, EventPage, EventQuery, Instance, InstanceId,
    InstancePatch, InstanceStatus, Leased, ListFrom, Message, MessageFilter, MessageQuery, Missing, NodeId,
    Page, Receipt, Record, Recorded, SearchTerms, SecretText, Settlement, Slice, StoredClaim,
    StoredMessageId, Timestamp, UserId, Webhook, WebhookMark, WebhookPatch,
};
pub use attempts::AttemptStore;
pub use consumers::ConsumerStore;
pub use dialects::DialectStore;
pub use scheduled::ScheduleStore;
pub use usage::UsageStore;

pub use access::{AuditStore, KeyStore, UserStore};

/// A queued write; resolves when it is durable.
pub type Write<T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send>>;

/// Everything the gateway stores, as one object: `Arc<dyn Storage>`.
pub trait Storage:
    UserStore
    + KeyStore
    + AuditStore
    + InstanceStore
    + WebhookStore
    + ConsumerStore
    + MessageStore
    + ContactStore
    + DialectStore
    + EventLog
    + Fleet
    + LeaseStore
    + DeliveryStore
    + AttemptStore
    + ClaimStore
    + ScheduleStore
    + SettingStore
    + UsageStore
{
}

impl<T> Storage for T where
    T: UserStore
        + KeyStore
        + AuditStore
        + InstanceStore
        + WebhookStore
        + ConsumerStore
        + MessageStore
        + ContactStore
        + DialectStore
        + EventLog
        + Fleet
        + LeaseStore
        + DeliveryStore
        + AttemptStore
        + ClaimStore
        + ScheduleStore
        + SettingStore
        + UsageStore
{
}

/// Instances, as their owner sees them.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Adds an instance with its webhooks, and leases it to this node. Answers the epoch. A default webhook is added
    /// when there is none among them. `NotFound` when the owner doesn't exist; `Conflict` when the id is taken, or the
    /// name of a webhook twice; `LimitReached` when the owner has `limit` instances already (counted in the same commit).
    fn create_instance(
        &self,
        instance: Instance,
        webhooks: Vec<Webhook>,
        node: NodeId,
        limit: u64,
    ) -> Write<Epoch>;

    /// An instance by id.
    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError>;

    /// A page of a user's instances, oldest first, each with its default webhook. Here as everywhere, an instance or a
    /// webhook of which a part can't be read is told without that part, which is named: see [`Part`](crate::Part).
    async fn instances(
        &self,
        owner: UserId,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError>;

    /// The same of those that have this tag.
    async fn instances_tagged(
        &self,
        owner: UserId,
        tag: &str,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError>;

    /// Merges changes into an instance's settings and its default webhook. One that is switched on starts at the present
    /// end of the log, in the same commit. `NotFound`; `Invalid` for a webhook that would be on without a URL; on the terms
    /// of the edit `Stale`, and `Fenced` where the webhook, the connection or the limits change. Other settings change under any
    /// epoch; where it is the instance's, that is told as [`InstanceAction::Updated`](crate::InstanceAction::Updated) in the
    /// same commit. Answers both.
    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        edit: Edit,
    ) -> Write<Edited<(Instance, Webhook)>>;

    /// Removes an instance and everything that belongs to it: messages, events, deliveries, claims, and the companion's
    /// records. `NotFound`.
    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()>;

    /// Removes an instance as [`Self::delete_instance`] does, but keeps its companion's credentials, so that it can still
    /// be unlinked. For its owner, and for every count, it doesn't exist any more; the node that held it holds it under
    /// the epoch that is the answer, and [`LeaseStore::acquire`] hands it on until [`Fleet::forget_buried`]. `NotFound`.
    fn bury_instance(&self, owner: UserId, id: InstanceId, now: Timestamp) -> Write<Epoch>;
}

/// Webhooks, as the owner of the instance sees them.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// An instance's webhooks, by name. `NotFound` when the instance isn't the owner's.
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError>;

    /// Adds a webhook, which starts at the present end of the log. `NotFound` when the instance isn't the owner's;
    /// `Conflict` when the name is taken; `LimitReached` when the instance has `limit` webhooks already; `Fenced` on the
    /// terms of the edit. Answers the event that tells of it.
    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64, edit: Edit) -> Write<Recorded>;

    /// Merges changes into a webhook. One that is switched on starts at the present end of the log, in the same commit.
    /// `NotFound`; `Invalid` when it would be on without a URL; on the terms of the edit `Stale`, and `Fenced` where
    /// anything is different.
    fn update_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        patch: WebhookPatch,
        edit: Edit,
    ) -> Write<Edited<Webhook>>;

    /// Removes a webhook with its cursor and deliveries. `NotFound`. The default webhook, which every instance has, goes
    /// back to what it was at first (off) and starts at the present end of the log. `Stale` and `Fenced` on the terms of the
    /// edit. Answers the event that tells of it.
    fn delete_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        edit: Edit,
    ) -> Write<Recorded>;

    /// Notes something of a webhook's receiver, which is no change of its settings. `NotFound` when there is no such webhook
    /// (any more); `Fenced` when the epoch isn't the instance's. Answers the event that tells of it, if one does.
    fn mark_webhook(
        &self,
        consumer: Consumer,
        epoch: Epoch,
        mark: WebhookMark,
        now: Timestamp,
    ) -> Write<Recorded>;

    /// The webhooks of an instance, whoever owns it, by name; none when the instance doesn't exist.
    async fn fleet_webhooks(&self, instance: InstanceId) -> Result<Vec<Webhook>, StorageError>;
}

/// Messages, as the owner of the instance sees them.
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Messages of a chat, newest first (by `created_at`, then by the order they were stored in). `NotFound` when the
    /// instance isn't the owner's; a chat without messages is an empty page. A message that can't be read is told as such,
    /// by its kind or its status.
    async fn messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &MessageQuery,
    ) -> Result<Page<Message>, StorageError>;

    /// Messages of an instance in the order they were stored in, from any place on. A place stays good, and whoever goes on
    /// after one misses nothing, whatever is stored or removed meanwhile. So many messages are looked at in one call that it
    /// takes no longer than moments. `NotFound` when the instance isn't the owner's; told as above.
    async fn list_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        filter: &MessageFilter,
        from: ListFrom,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError>;

    /// Messages that have these words, the last stored first; bounded as above. What has been stored since the last
    /// [`Fleet::index_messages`] may be missing. `NotFound` when the instance isn't the owner's; told as above.
    async fn search_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        terms: &SearchTerms,
        filter: &MessageFilter,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError>;

    /// Chats, each once, those first whose last message was stored last; bounded as above. `NotFound` when the instance
    /// isn't the owner's.
    async fn chats(
        &self,
        owner: UserId,
        instance: InstanceId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<ChatSummary>, StorageError>;

    /// What the members of a group have told of this account's message with this WhatsApp id, by their JIDs; nothing of one
    /// that isn't there. `NotFound` when the instance isn't the owner's.
    async fn receipts(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Receipt>, StorageError>;

    /// The messages with this WhatsApp id, oldest first: usually one; told as above. `NotFound` when the instance isn't the
    /// owner's.
    async fn messages_by_id(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError>;

    /// Forgets messages of an instance, at most `limit` of them; answers how many, so that the caller goes on in pieces
    /// until that is 0. Those that are on their way stay. `NotFound` when the instance isn't the owner's.
    async fn clear_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
    ) -> Result<u64, StorageError>;
}

/// Whom an instance knows, as its owner sees it. What is learned comes with [`Fleet::record`].
#[async_trait]
pub trait ContactStore: Send + Sync + 'static {
    /// A page of contacts by what they are called (whatever the case of its ASCII letters), then by JID; each with the time
    /// of the last message in the chat. `NotFound` when the instance isn't the owner's.
    async fn contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ContactQuery,
    ) -> Result<Page<Contact>, StorageError>;

    /// Changes a contact, or makes one. `NotFound` when the instance isn't the owner's; `Invalid` when there is none, and
    /// the change only takes away. Answers the contact as it is then.
    fn save_contact(
        &self,
        owner: UserId,
        instance: InstanceId,
        change: ContactChange,
        now: Timestamp,
    ) -> Write<Contact>;

    /// Forgets contacts of an instance, at most `limit` of them; answers how many, as [`MessageStore::clear_messages`] does.
    async fn clear_contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
    ) -> Result<u64, StorageError>;
}

/// The event log, as the owner of the instance sees it.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// A page of events, which ends at [`PAGE_BYTES`](crate::PAGE_BYTES) as well. `NotFound` when the instance isn't the owner's. Here as everywhere, an
    /// event that can't be read is told as [`Unreadable`](crate::EventData::Unreadable).
    async fn events(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &EventQuery,
    ) -> Result<EventPage, StorageError>;

    /// A page of the events that tell of the instance itself ([`EventKind::OF_INSTANCE`](crate::EventKind::OF_INSTANCE)),
    /// newest first. `NotFound` when the instance isn't the owner's. One that can't be read is told as such.
    async fn activity(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ActivityQuery,
    ) -> Result<Page<Event>, StorageError>;
}

/// What the supervisor of all running instances needs: no owner.
#[async_trait]
pub trait Fleet: Send + Sync + 'static {
    /// One instance, whoever owns it.
    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError>;

    /// Removes what was left of a buried instance. `NotFound` when there is no such one, `Fenced` when the epoch isn't
    /// its own.
    fn forget_buried(&self, id: InstanceId, epoch: Epoch) -> Write<()>;

    /// How many instances there are of all users, by what they were last known to do; where that can't be read, as
    /// disconnected. Opens no secret.
    async fn instance_counts(&self) -> Result<InstanceCounts, StorageError>;

    /// Stores what happened to an instance, atomically and idempotently. `NotFound` when the instance doesn't exist,
    /// `Fenced` when the record's epoch isn't the instance's.
    fn record(&self, record: Record) -> Write<Recorded>;

    /// What was taken with [`Urgency::Soon`](crate::Urgency::Soon) waits no longer: somebody came who waits for it.
    fn hurry(&self) {}

    /// Outgoing messages that are still `pending` or `held`, in the order they were stored in. One that can't be read is left out:
    /// it becomes `failed` without a word, and keeps no other from being sent.
    async fn pending_messages(&self, instance: InstanceId, limit: u64) -> Result<Vec<Message>, StorageError>;

    /// Messages whose file is [`Pending`](crate::MediaState::Pending), in the order they were stored in, each with its place
    /// in it; only those behind the place `after`, which is 0 for all.
    async fn pending_media(
        &self,
        instance: InstanceId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, Message)>, StorageError>;

    /// Whether there is such a message, and its file is [`Ready`](crate::MediaState::Ready); or one that is to be sent later
    /// with this file.
    async fn has_file(&self, instance: InstanceId, message: StoredMessageId) -> Result<bool, StorageError>;

    /// The messages with this WhatsApp id, oldest first: usually one.
    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError>;

    /// Lets up to `limit` messages that were stored since the last call, of all instances, be found by their words; answers
    /// how many, so that the caller goes on in pieces until that is 0. What changes or goes afterwards is found, or not, at once.
    async fn index_messages(&self, limit: u64) -> Result<u64, StorageError>;

    /// Forgets events that are older than their retention (the instance's own, else `default`; `None` keeps them), at
    /// most `limit` of them; answers how many, so that the caller goes on in pieces until that is 0. Kept are the newest
    /// event of each instance, events that a webhook which is switched on has not passed, or a named consumer for which
    /// they [wait](crate::NamedConsumer::is_awaited), and events with a delivery.
    async fn prune_events(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError>;

    /// Forgets messages that were written longer ago than their retention (the instance's own, else `default`; `None`
    /// keeps them), at most `limit` of them; answers how many, as above. Pending messages are kept. Changes that have
    /// waited for their message longer than that go with them, uncounted.
    async fn prune_messages(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError>;

    /// Lets go of the files of messages that were written longer ago than files are kept (the instance's own retention, else
    /// `default`; `None` keeps them), at most `limit` of them; answers how many, as above. The messages stay, with what is
    /// [known](crate::StoredMedia::forgotten) of the file; the file itself is then nobody's: see [`has_file`](Self::has_file).
    async fn prune_media(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError>;

    /// Forgets dead deliveries that were given up longer ago than `kept`, at most `limit` of them; answers how many, as
    /// above.
    async fn prune_dead(&self, kept: Duration, limit: u64) -> Result<u64, StorageError>;

    /// Takes the codes out of `qr_received` events from before this time; answers how many. The events stay. A record does
    /// the same with those that its own events make void: see [`EventData::voids_codes`](crate::EventData::voids_codes).
    fn forget_codes(&self, before: Timestamp) -> Write<u64>;
}

/// How many instances do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceCounts {
    /// All that are stored, whatever their status; buried ones don't count.
    pub total: u64,
    /// By what each was last known to do.
    pub by_status: BTreeMap<InstanceStatus, u64>,
}

/// No lease is longer. One that ends later than this from now was given by a clock that was ahead.
pub const MAX_LEASE: Duration = Duration::from_secs(15 * 60);

/// Event times never run further ahead of the store's clock for good: what a wrong clock has written beyond it gets times
/// up to now, in its order, when the next event is appended.
pub const MAX_EVENT_LEAD: Duration = Duration::from_secs(60 * 60);

/// Who runs which instance. All times are the database's. Whenever a node gives a sign of life, leases of others that are
/// longer than [`MAX_LEASE`] are cut to its own, so that a clock that was ahead keeps no instance from everybody.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Takes up to `limit` instances that nobody holds, oldest first: those that were never held or were released, and
    /// those of other nodes whose lease has run out. Each gets a new epoch, and the node's lease is good for `lease` from
    /// now. With `anew`, as at the start of a process, the node first lets go of what it held in an earlier life.
    fn acquire(&self, node: NodeId, anew: bool, limit: u64, lease: Duration) -> Write<Vec<Leased>>;

    /// Prolongs the lease of everything that the node holds. Answers the instances that it has lost since it was last
    /// told, because the lease had run out and another node has taken them: each once.
    fn renew(&self, node: NodeId, lease: Duration) -> Write<Vec<InstanceId>>;

    /// Lets go of one instance, or of all, so that others may take them at once. Nothing more is written under the epoch
    /// that it held them under. What it doesn't hold stays as it is.
    fn release(&self, node: NodeId, instance: Option<InstanceId>) -> Write<()>;

    /// How many instances other nodes hold under a lease that is still good, and when the last of these leases ends.
    async fn held_by_others(&self, node: NodeId) -> Result<(u64, Option<Timestamp>), StorageError>;
}

/// Consumers of the event log and their unfinished deliveries.
#[async_trait]
pub trait DeliveryStore: Send + Sync + 'static {
    /// The webhooks of an instance that have something to do: new events or pending deliveries.
    async fn work(&self, instance: InstanceId) -> Result<Vec<ConsumerWork>, StorageError>;

    /// Where a consumer stands; `None` when it has never settled anything.
    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError>;

    /// Up to `limit` events of an instance after a position, ascending; fewer where they fill a page
    /// ([`PAGE_BYTES`](crate::PAGE_BYTES)), but one at least if there is any.
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

    /// Stores what consumers have achieved: all of it, or none. Settlements of instances and webhooks that don't exist
    /// (any more) are left out, since the worker may be behind a deletion, and so are those under an old epoch. Answers
    /// the instances of the latter. Nobody waits for it: it is as [`Urgency::Soon`](crate::Urgency::Soon).
    fn settle(&self, settlements: Vec<Settlement>) -> Write<Vec<InstanceId>>;

    /// A page of the deliveries of the owner's instance, each with its event where the log still has it. `NotFound` when
    /// the instance isn't the owner's.
    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<(Delivery, Option<Event>)>, StorageError>;

    /// Makes dead deliveries after a position pending again, due at `now` with no attempts counted: those named, or all when
    /// `seqs` is `None`, at most `limit` of them. Answers which, ascending by `seq`, so that the caller goes on after the
    /// last one. `NotFound` when the instance isn't the owner's.
    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        after_seq: i64,
        limit: u64,
        now: Timestamp,
    ) -> Write<Vec<i64>>;

    /// Makes pending deliveries after a position due at `now` that are due later, at most `limit` of them; nothing else
    /// about them changes. Answers which, as above.
    fn hasten(&self, consumer: Consumer, after_seq: i64, limit: u64, now: Timestamp) -> Write<Vec<i64>>;
}

/// Idempotency keys. They are taken by [`Fleet::record`].
#[async_trait]
pub trait ClaimStore: Send + Sync + 'static {
    /// The claim of a key.
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError>;

    /// Forgets claims from before this time, at most `limit` of them; answers how many.
    async fn prune_claims(&self, before: Timestamp, limit: u64) -> Result<u64, StorageError>;
}

/// The service's own settings, sealed at rest: generated secrets and the like.
#[async_trait]
pub trait SettingStore: Send + Sync + 'static {
    /// A setting by name.
    async fn setting(&self, name: &str) -> Result<Option<SecretText>, StorageError>;

    /// Stores a setting unless there is one; answers the value that holds now.
    fn init_setting(&self, name: String, value: SecretText) -> Write<SecretText>;

    /// Stores a setting, whether there is one or not.
    fn put_setting(&self, name: String, value: SecretText) -> Write<()>;
}

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such thing, or it belongs to someone else.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: Missing,
    },
    /// A value that must be unique is taken.
    #[error("{what} is taken")]
    Conflict {
        /// The kind of value: `id`, `name`, `email`, …
        what: &'static str,
    },
    /// What would be stored makes no sense, as what it would be merged with is.
    #[error("{what} can't be stored")]
    Invalid {
        /// What would be, in lower case.
        what: &'static str,
    },
    /// Something else is stored by now than what the caller has seen.
    #[error("it was changed meanwhile")]
    Stale,
    /// There are as many of them as are allowed.
    #[error("no more {what} are allowed")]
    LimitReached {
        /// What is limited, in lower case and the plural.
        what: &'static str,
    },
    /// The last user who administers the gateway would be gone.
    #[error("this is the last administrator")]
    LastAdmin,
    /// Something else depends on it.
    #[error("it still has {what}")]
    InUse {
        /// What does, in lower case and the plural.
        what: &'static str,
    },
    /// What was stored can't be read: damaged, or sealed with another key.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// Why it can't be read; never the value itself.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process holds the instance by now; this one must stop serving it.
    #[error("another process holds the instance")]
    Fenced,
    /// More writes wait than the store accepts; try again later.
    #[error("the database is overloaded")]
    Overloaded,
    /// The store has been closed.
    #[error("the database is closed")]
    Closed,
    /// The database failed; what the call was to store is not known to be stored.
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
