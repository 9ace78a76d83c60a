//! A store that counts what is asked of it, and commits only when a test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use storage::{
    ActivityQuery, ApiKey, Attempt, AttemptQuery, AttemptStore, AuditEntry, AuditPage, AuditQuery,
    AuditStore, ChatSummary, Claim, ClaimStore, Consumer, ConsumerChange, ConsumerStore, ConsumerWork,
    Contact, ContactChange, ContactQuery, ContactStore, Cursor, Day, Delivery, DeliveryQuery, DeliveryStore,
    DialectAccess, DialectStore, Due, Edit, Edited, Epoch, Event, EventLog, EventPage, EventQuery, Fleet,
    Instance, InstanceCounts, InstanceId, InstancePatch, InstanceStore, KeyId, KeyStore, LeaseStore, Leased,
    ListFrom, MemoryStorage, Message, MessageFilter, MessageQuery, MessageStore, NamedConsumer, NodeId, Page,
    Receipt, Record, Recorded, ScheduleLimits, ScheduleStore, Scheduled, ScheduledPatch, ScopedKey,
    SearchTerms, SecretText, SettingStore, Settlement, Slice, StorageError, StoredClaim, StoredMessageId,
    Timestamp, Usage, UsageStore, User, UserId, UserPatch, UserStore, Webhook, WebhookMark, WebhookPatch,
    WebhookStore, Write,
};
use tokio::sync::Semaphore;

/// A memory store that is watched.
pub(crate) struct Watched {
    inner: MemoryStorage,
    /// Calls of `events_after`, `event`, `cursor` and `pending_deliveries`.
    reads: AtomicUsize,
    /// Events that `events_after` has answered with.
    events_read: AtomicUsize,
    settlements: AtomicUsize,
    failing: AtomicBool,
    /// One permit for each commit that may take place.
    commits: Arc<Semaphore>,
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::default(),
            reads: AtomicUsize::new(0),
            events_read: AtomicUsize::new(0),
            settlements: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            commits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        })
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn events_read(&self) -> usize {
        self.events_read.load(Ordering::SeqCst)
    }

    pub(crate) fn settlements(&self) -> usize {
        self.settlements.load(Ordering::SeqCst)
    }

    /// Lets settlements be applied, but not answered, until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.commits.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn resume(&self) {
        self.commits.add_permits(Semaphore::MAX_PERMITS);
    }

    /// Whether settlements fail from now on.
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn reads_once(&self) -> &MemoryStorage {
        self.reads.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
}

/// Passes the calls of a trait on.
macro_rules! pass_on {
    ($trait:ident {
        $(read $read:ident($($r:ident: $r_type:ty),*) -> $r_answer:ty;)*
        $(write $write:ident($($w:ident: $w_type:ty),*) -> $w_answer:ty;)*
    }) => {
        #[async_trait]
        impl $trait for Watched {
            $(async fn $read(&self, $($r: $r_type),*) -> Result<$r_answer, StorageError> {
                self.inner.$read($($r),*).await
            })*
            $(fn $write(&self, $($w: $w_type),*) -> Write<$w_answer> {
                self.inner.$write($($w),*)
            })*
        }
    };
}

#[async_trait]
impl DeliveryStore for Watched {
    async fn work(&self, instance: InstanceId) -> Result<Vec<ConsumerWork>, StorageError> {
        self.inner.work(instance).await
    }

    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError> {
        self.reads_once().cursor(consumer).await
    }

    async fn events_after(
        &self,
        instance: InstanceId,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<Event>, StorageError> {
        let events = self.reads_once().events_after(instance, seq, limit).await?;
        self.events_read.fetch_add(events.len(), Ordering::SeqCst);
        Ok(events)
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        self.reads_once().event(instance, seq).await
    }

    async fn pending_deliveries(
        &self,
        consumer: &Consumer,
        after_seq: i64,
        limit: u64,
    ) -> Result<Vec<Delivery>, StorageError> {
        self.reads_once().pending_deliveries(consumer, after_seq, limit).await
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<Vec<InstanceId>> {
        self.settlements.fetch_add(1, Ordering::SeqCst);
        if self.failing.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StorageError::Closed) });
        }
        let write = self.inner.settle(settlements);
        let commits = Arc::clone(&self.commits);
        Box::pin(async move {
            let _permit = commits.acquire().await;
            write.await
        })
    }

    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<(Delivery, Option<Event>)>, StorageError> {
        self.inner.deliveries(owner, consumer, query).await
    }

    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        after_seq: i64,
        limit: u64,
        now: Timestamp,
    ) -> Write<Vec<i64>> {
        self.inner.replay(owner, consumer, seqs, after_seq, limit, now)
    }

    fn hasten(&self, consumer: Consumer, after_seq: i64, limit: u64, now: Timestamp) -> Write<Vec<i64>> {
        self.inner.hasten(consumer, after_seq, limit, now)
    }
}

pass_on!(UserStore {
    read has_users() -> bool;
    read user(id: UserId) -> Option<User>;
    read user_by_email(email: &str) -> Option<User>;
    read user_by_api_key(key: &ApiKey) -> Option<User>;
    read users(limit: u64, skip: u64) -> Page<User>;
    read disabled_users() -> Vec<UserId>;
    write add_user(user: User, told: Option<AuditEntry>) -> ();
    write change_user(id: UserId, patch: UserPatch, now: Timestamp, told: Option<AuditEntry>) -> User;
    write delete_user(id: UserId, told: Option<AuditEntry>) -> ();
});

pass_on!(KeyStore {
    read keys(owner: UserId, limit: u64, skip: u64) -> Page<ScopedKey>;
    read key_by_hash(hash: [u8; 32]) -> Option<(ScopedKey, User)>;
    write create_key(key: ScopedKey, hash: [u8; 32], limit: u64, told: Option<AuditEntry>) -> ();
    write note_use(id: KeyId, at: Timestamp) -> ();
    write delete_key(owner: UserId, id: KeyId, told: Option<AuditEntry>) -> ();
});

pass_on!(AuditStore {
    read audited(query: &AuditQuery) -> AuditPage;
    read prune_audit(before: Timestamp, limit: u64) -> u64;
    write audit(entry: AuditEntry) -> ();
});

pass_on!(InstanceStore {
    read instance(owner: UserId, id: InstanceId) -> Option<Instance>;
    read instances(owner: UserId, limit: u64, skip: u64) -> Page<(Instance, Webhook)>;
    read instances_tagged(owner: UserId, tag: &str, limit: u64, skip: u64) -> Page<(Instance, Webhook)>;
    write create_instance(instance: Instance, webhooks: Vec<Webhook>, node: NodeId, limit: u64) -> Epoch;
    write update_instance(owner: UserId, id: InstanceId, patch: InstancePatch, edit: Edit) -> Edited<(Instance, Webhook)>;
    write delete_instance(owner: UserId, id: InstanceId) -> ();
    write bury_instance(owner: UserId, id: InstanceId, now: Timestamp) -> Epoch;
});

pass_on!(WebhookStore {
    read webhooks(owner: UserId, instance: InstanceId) -> Vec<Webhook>;
    read fleet_webhooks(instance: InstanceId) -> Vec<Webhook>;
    write create_webhook(owner: UserId, webhook: Webhook, limit: u64, edit: Edit) -> Recorded;
    write update_webhook(owner: UserId, instance: InstanceId, name: String, patch: WebhookPatch, edit: Edit) -> Edited<Webhook>;
    write mark_webhook(consumer: Consumer, epoch: Epoch, mark: WebhookMark, now: Timestamp) -> Recorded;
    write delete_webhook(owner: UserId, instance: InstanceId, name: String, edit: Edit) -> Recorded;
});

pass_on!(DialectStore {
    read dialect_access(owner: UserId, instance: InstanceId, dialect: &str) -> Option<DialectAccess>;
    read dialect_instance(dialect: &str, key_hash: [u8; 32]) -> Option<(UserId, InstanceId)>;
    write init_dialect_access(
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess
    ) -> DialectAccess;
    write put_dialect_access(
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess
    ) -> ();
    write exchange_dialect_access(
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        seen: DialectAccess,
        access: DialectAccess
    ) -> ();
});

pass_on!(AttemptStore {
    read attempts(owner: UserId, consumer: &Consumer, query: &AttemptQuery) -> Page<Attempt>;
    read prune_attempts(kept: Duration, limit: u64) -> u64;
    write redeliver(owner: UserId, consumer: Consumer, seqs: Vec<i64>, now: Timestamp) -> Vec<i64>;
});

pass_on!(ConsumerStore {
    read consumers(owner: UserId, instance: InstanceId) -> Vec<NamedConsumer>;
    write put_consumer(
        owner: UserId,
        instance: InstanceId,
        name: String,
        change: ConsumerChange,
        limit: u64,
        now: Timestamp
    ) -> (NamedConsumer, bool);
    write acknowledge(
        owner: UserId,
        instance: InstanceId,
        name: String,
        position: i64,
        now: Timestamp
    ) -> NamedConsumer;
    write delete_consumer(owner: UserId, instance: InstanceId, name: String) -> ();
});

pass_on!(ContactStore {
    read contacts(owner: UserId, instance: InstanceId, query: &ContactQuery) -> Page<Contact>;
    read clear_contacts(owner: UserId, instance: InstanceId, limit: u64) -> u64;
    write save_contact(
        owner: UserId,
        instance: InstanceId,
        change: ContactChange,
        now: Timestamp
    ) -> Contact;
});

pass_on!(MessageStore {
    read messages(owner: UserId, instance: InstanceId, query: &MessageQuery) -> Page<Message>;
    read messages_by_id(owner: UserId, instance: InstanceId, message_id: &str) -> Vec<Message>;
    read list_messages(
        owner: UserId,
        instance: InstanceId,
        filter: &MessageFilter,
        from: ListFrom,
        limit: u64
    ) -> Slice<Message>;
    read search_messages(
        owner: UserId,
        instance: InstanceId,
        terms: &SearchTerms,
        filter: &MessageFilter,
        before: Option<Cursor>,
        limit: u64
    ) -> Slice<Message>;
    read chats(owner: UserId, instance: InstanceId, before: Option<Cursor>, limit: u64) -> Slice<ChatSummary>;
    read receipts(owner: UserId, instance: InstanceId, message_id: &str) -> Vec<Receipt>;
    read clear_messages(owner: UserId, instance: InstanceId, limit: u64) -> u64;
});

pass_on!(EventLog {
    read events(owner: UserId, instance: InstanceId, query: &EventQuery) -> EventPage;
    read activity(owner: UserId, instance: InstanceId, query: &ActivityQuery) -> Page<Event>;
});

pass_on!(Fleet {
    read fleet_instance(id: InstanceId) -> Option<Instance>;
    read instance_counts() -> InstanceCounts;
    read pending_messages(instance: InstanceId, limit: u64) -> Vec<Message>;
    read pending_media(instance: InstanceId, after: i64, limit: u64) -> Vec<(i64, Message)>;
    read has_file(instance: InstanceId, message: StoredMessageId) -> bool;
    read fleet_messages_by_id(instance: InstanceId, message_id: &str) -> Vec<Message>;
    read index_messages(limit: u64) -> u64;
    read prune_events(default: Option<Duration>, limit: u64) -> u64;
    read prune_messages(default: Option<Duration>, limit: u64) -> u64;
    read prune_media(default: Option<Duration>, limit: u64) -> u64;
    read prune_dead(kept: Duration, limit: u64) -> u64;
    write forget_codes(before: Timestamp) -> u64;
    write record(record: Record) -> Recorded;
    write forget_buried(id: InstanceId, epoch: Epoch) -> ();
});

pass_on!(LeaseStore {
    read held_by_others(node: NodeId) -> (u64, Option<Timestamp>);
    write acquire(node: NodeId, anew: bool, limit: u64, lease: Duration) -> Vec<Leased>;
    write renew(node: NodeId, lease: Duration) -> Vec<InstanceId>;
    write release(node: NodeId, instance: Option<InstanceId>) -> ();
});

pass_on!(ClaimStore {
    read claim(scope: &str, key: &str) -> Option<StoredClaim>;
    read prune_claims(before: Timestamp, limit: u64) -> u64;
});

pass_on!(ScheduleStore {
    read scheduled(owner: UserId, instance: InstanceId, after: Option<Cursor>, limit: u64) -> Page<Scheduled>;
    read scheduled_message(owner: UserId, instance: InstanceId, message_id: &str) -> Option<Scheduled>;
    read due_instances(at: Timestamp) -> Vec<InstanceId>;
    read due_messages(instance: InstanceId, at: Timestamp, limit: u64) -> Vec<Scheduled>;
    read next_due(after: Timestamp) -> Option<Timestamp>;
    write schedule(
        owner: UserId,
        scheduled: Scheduled,
        claim: Option<Claim>,
        limits: ScheduleLimits
    ) -> Option<StoredClaim>;
    write reschedule(
        owner: UserId,
        instance: InstanceId,
        due: Due,
        patch: ScheduledPatch,
        now: Timestamp
    ) -> Scheduled;
    write unschedule(owner: UserId, instance: InstanceId, message_id: String) -> Scheduled;
});

pass_on!(UsageStore {
    read usage_by_day(owner: UserId, instance: InstanceId, from: Day) -> Vec<(Day, Usage)>;
    read usage_of_owner(owner: UserId, from: Day) -> Vec<(InstanceId, String, Usage)>;
    read usage_since(instance: InstanceId, from: Day) -> Usage;
    read usage_of_all() -> Usage;
    write add_usage(counts: Vec<(InstanceId, Day, Usage)>) -> ();
});

pass_on!(SettingStore {
    read setting(name: &str) -> Option<SecretText>;
    write init_setting(name: String, value: SecretText) -> SecretText;
    write put_setting(name: String, value: SecretText) -> ();
});
