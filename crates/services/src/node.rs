//! This process as one that runs instances: which ones it holds, and under which epoch.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use storage::{Epoch, InstanceId, Leased, NodeId, Storage, StorageError, Timestamp};
use tokio::sync::{SetOnce, watch};
use tokio::time::Instant;

/// How long others wait after the last sign of life of this process before they take its instances.
const LEASE: Duration = Duration::from_secs(30);
/// How often it gives one. Two may be missed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(10);
/// Instances that are acquired at once.
const BATCH: u64 = 1_000;

/// Holds instances by leases that it renews. Clones are the same node.
#[derive(Clone)]
pub(crate) struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    id: NodeId,
    storage: Arc<dyn Storage>,
    held: Mutex<HashMap<InstanceId, Epoch>>,
    /// Set once it has taken what it could.
    acquired: SetOnce<()>,
    /// When the lease was prolonged last, by the clock at which that was asked for.
    prolonged: watch::Sender<Option<Instant>>,
}

/// What other nodes hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others {
    /// How many instances they hold.
    pub(crate) count: u64,
    /// When the last of their leases ends, unless it is renewed.
    pub(crate) until: Option<Timestamp>,
}

impl Node {
    pub(crate) fn new(id: NodeId, storage: Arc<dyn Storage>) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                storage,
                held: Mutex::default(),
                acquired: SetOnce::new(),
                prolonged: watch::Sender::new(None),
            }),
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.inner.id
    }

    /// The epoch under which this node holds the instance, if it does.
    pub(crate) fn epoch(&self, instance: InstanceId) -> Option<Epoch> {
        self.inner.held.lock().get(&instance).copied()
    }

    /// Takes every instance that nobody holds; with `anew` also those that an earlier life of this node held. If the
    /// store fails midway, what was taken until then is the answer.
    pub(crate) async fn acquire(&self, anew: bool) -> Result<Vec<Leased>, StorageError> {
        let mut all = Vec::new();
        loop {
            // What was acquired anew once is held by this life.
            let anew = anew && all.is_empty();
            let asked_at = Instant::now();
            let leased = match self.inner.storage.acquire(self.inner.id, anew, BATCH, LEASE).await {
                Ok(leased) => leased,
                Err(error) if all.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "not all instances could be acquired yet");
                    return Ok(all);
                }
            };
            self.inner.prolonged.send_replace(Some(asked_at));
            let complete = (leased.len() as u64) < BATCH;
            self.inner.held.lock().extend(leased.iter().map(|leased| (leased.instance.id, leased.epoch)));
            all.extend(leased);
            if complete {
                // It may be set already.
                let _ = self.inner.acquired.set(());
                return Ok(all);
            }
        }
    }

    /// Whether another node holds the instance, or is about to. Not known before this one has acquired anything.
    pub(crate) fn is_elsewhere(&self, instance: InstanceId) -> bool {
        self.inner.acquired.get().is_some() && self.epoch(instance).is_none()
    }

    /// Resolves once this node has taken what it could: what it doesn't hold then is another's.
    pub(crate) async fn until_acquired(&self) {
        self.inner.acquired.wait().await;
    }

    /// Holds an instance that was created under this epoch.
    pub(crate) fn hold(&self, instance: InstanceId, epoch: Epoch) {
        self.inner.held.lock().insert(instance, epoch);
    }

    /// No longer counts an instance as held under this epoch, because it is gone or another node's. Returns whether it
    /// was. One that was acquired again since stays.
    pub(crate) fn lose(&self, instance: InstanceId, epoch: Epoch) -> bool {
        let mut held = self.inner.held.lock();
        let lost = held.get(&instance) == Some(&epoch);
        if lost {
            held.remove(&instance);
        }
        lost
    }

    /// Prolongs the lease. What others have taken while it had run out is given to `lose` first: whoever waits for a good
    /// lease goes on only after that.
    pub(crate) async fn renew(&self, lose: impl FnMut(InstanceId)) -> Result<(), StorageError> {
        let asked_at = Instant::now();
        let lost = self.inner.storage.renew(self.inner.id, LEASE).await?;
        lost.into_iter().for_each(lose);
        self.inner.prolonged.send_replace(Some(asked_at));
        Ok(())
    }

    /// Returns at once unless the lease may have run out, otherwise when it is prolonged: meanwhile others may take the
    /// instances, and none of them must be connected from here.
    pub(crate) async fn until_leased(&self) {
        // The sender is here.
        let _ = self.inner.prolonged.subscribe().wait_for(is_good).await;
    }

    /// Runs what acts for an instance, but takes no step of it while the lease may have run out. So a process that stood
    /// still neither connects nor answers anything before it knows what is still its own.
    pub(crate) async fn while_leased<T>(self, mut work: BoxFuture<'static, T>) -> T {
        let mut pause = None::<BoxFuture<'_, ()>>;
        poll_fn(|cx| {
            if !is_good(&self.inner.prolonged.borrow()) {
                let pause = pause.get_or_insert_with(|| self.until_leased().boxed());
                ready!(pause.as_mut().poll(cx));
            }
            pause = None;
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Lets go of everything, so that others may take it at once.
    pub(crate) async fn release(&self) -> Result<(), StorageError> {
        self.inner.held.lock().clear();
        self.inner.storage.release(self.inner.id, None).await
    }

    /// What other nodes hold under leases that are good.
    pub(crate) async fn others(&self) -> Result<Others, StorageError> {
        let (count, until) = self.inner.storage.held_by_others(self.inner.id).await?;
        Ok(Others { count, until })
    }
}

/// Whether a lease that was prolonged then still holds; one that never was is nobody's to take.
fn is_good(prolonged: &Option<Instant>) -> bool {
    prolonged.is_none_or(|since| since.elapsed() < LEASE)
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.inner.id)
            .field("held", &self.inner.held.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use storage::MemoryStorage;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_may_start_between_the_end_of_a_lease_and_its_renewal() {
        let node = Node::new(NodeId::generate(), Arc::new(MemoryStorage::new()));
        node.acquire(true).await.unwrap();
        tokio::time::advance(LEASE - Duration::from_millis(1)).await;
        assert_eq!(node.until_leased().now_or_never(), Some(()));
        tokio::time::advance(Duration::from_millis(1)).await;
        let mut waiting = Box::pin(node.until_leased());
        assert_eq!((&mut waiting).now_or_never(), None);
        node.renew(|_| ()).await.unwrap();
        assert_eq!(waiting.now_or_never(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_on_between_the_end_of_a_lease_and_its_renewal() {
        let node = Node::new(NodeId::generate(), Arc::new(MemoryStorage::new()));
        node.acquire(true).await.unwrap();
        let steps = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&steps);
        let work = poll_fn(move |_| {
            *counted.lock() += 1;
            Poll::<()>::Pending
        });
        let mut working = Box::pin(node.clone().while_leased(work.boxed()));
        assert_eq!((&mut working).now_or_never(), None);
        tokio::time::advance(LEASE).await;
        assert_eq!((&mut working).now_or_never(), None);
        assert_eq!(*steps.lock(), 1, "it stands still");
        node.renew(|_| ()).await.unwrap();
        assert_eq!((&mut working).now_or_never(), None);
        assert_eq!(*steps.lock(), 2);
    }

    #[test]
    fn an_instance_is_lost_only_under_the_epoch_that_is_held() {
        let node = Node::new(NodeId::generate(), Arc::new(MemoryStorage::new()));
        let (id, old) = (InstanceId::generate(), Epoch::default());
        node.hold(id, old.next());
        assert!(!node.lose(id, old));
        assert_eq!(node.epoch(id), Some(old.next()));
        assert!(node.lose(id, old.next()));
        assert_eq!(node.epoch(id), None);
    }
}
