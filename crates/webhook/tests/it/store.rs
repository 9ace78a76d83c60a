//! A store that counts what is asked of it, and commits only when a test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use storage::{
    ApiKey, ClaimStore, Consumer, ConsumerWork, Delivery, DeliveryQuery, DeliveryStore, Edit, Edited, Epoch,
    Event, EventLog, EventPage, EventQuery, Fleet, Instance, InstanceCounts, InstanceId, InstancePatch,
    InstanceStore, LeaseStore, Leased, MemoryStorage, Message, MessageQuery, MessageStore, NodeId, Page,
    Record, Recorded, SecretText, SettingStore, Settlement, StorageError, StoredClaim, Timestamp, User,
    UserId, UserPatch, UserStore, Webhook, WebhookPatch, WebhookStore, Write,
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
    read users() -> Vec<User>;
    write create_user(user: User) -> ();
    write update_user(id: UserId, patch: UserPatch, now: Timestamp) -> User;
});

pass_on!(InstanceStore {
    read instance(owner: UserId, id: InstanceId) -> Option<Instance>;
    read instances(owner: UserId, limit: u64, skip: u64) -> Page<(Instance, Webhook)>;
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
    write delete_webhook(owner: UserId, instance: InstanceId, name: String, edit: Edit) -> Recorded;
});

pass_on!(MessageStore {
    read messages(owner: UserId, instance: InstanceId, query: &MessageQuery) -> Page<Message>;
    read messages_by_id(owner: UserId, instance: InstanceId, message_id: &str) -> Vec<Message>;
});

pass_on!(EventLog {
    read events(owner: UserId, instance: InstanceId, query: &EventQuery) -> EventPage;
});

pass_on!(Fleet {
    read fleet_instance(id: InstanceId) -> Option<Instance>;
    read instance_counts() -> InstanceCounts;
    read pending_messages(instance: InstanceId, limit: u64) -> Vec<Message>;
    read fleet_messages_by_id(instance: InstanceId, message_id: &str) -> Vec<Message>;
    read prune_events(default: Option<Duration>, limit: u64) -> u64;
    read prune_messages(default: Option<Duration>, limit: u64) -> u64;
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

pass_on!(SettingStore {
    read setting(name: &str) -> Option<SecretText>;
    write init_setting(name: String, value: SecretText) -> SecretText;
    write put_setting(name: String, value: SecretText) -> ();
});
