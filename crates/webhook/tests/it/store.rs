//! A store that counts what is asked of it, and commits only when a test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use storage::{
    Consumer, ConsumerWork, Delivery, DeliveryQuery, DeliveryStore, Event, InstanceId, MemoryStorage, Page,
    Settlement, Storage, StorageError, Timestamp, UserId, Write,
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

    fn through(&self) -> (&dyn Storage, Option<()>) {
        (&self.inner, None)
    }

    fn reads_once(&self) -> &MemoryStorage {
        self.reads.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
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

storage::pass_on!(Watched:
    UserStore KeyStore AuditStore InstanceStore WebhookStore
    DialectStore AttemptStore ConsumerStore ContactStore MessageStore
    EventLog Fleet LeaseStore ClaimStore ScheduleStore
    UsageStore SettingStore
);
