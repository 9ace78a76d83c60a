//! The worker: one session per instance that has something to deliver.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt as _;
use rustls::RootCertStore;
use storage::{
    Consumer, Delivery, DeliveryState, Event, EventQuery, EventStart, InstanceId, Page, Settlement, Storage,
    StorageError, UserId,
};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::courier::{Courier, Failure, SetupError};
use crate::guard::AddressGuard;
use crate::session::{End, Session};
use crate::target::Target;

/// After an error of the store a session starts again, at first this much later, then ever later.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How much may happen at once, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Judges every URL.
    pub guard: AddressGuard,
    /// Certificate authorities that receivers' certificates are checked against.
    pub roots: RootCertStore,
    /// Requests under way at once, over all instances.
    pub in_flight: usize,
    /// Requests under way at once for one instance (one per chat).
    pub per_instance: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            guard: AddressGuard::default(),
            roots: RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            in_flight: 512,
            per_instance: 32,
        }
    }
}

/// Delivers the events of all instances to their webhooks. Clones are the same dispatcher.
///
/// It reads the event log with a cursor per instance. A delivered event moves the cursor and leaves no trace;
/// a failed one is stored and tried again as the webhook's settings say, while later events of the same chat
/// wait behind it. What has used up its retries stays as a dead letter until it is replayed. Everything
/// survives a crash: an event is delivered at least once, with the same id and the same bytes each time.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

/// What all sessions use.
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) guard: AddressGuard,
    pub(crate) per_instance: usize,
    pub(crate) closing: CancellationToken,
    courier: Courier,
    permits: Semaphore,
    slots: Mutex<HashMap<InstanceId, Slot>>,
    tasks: TaskTracker,
}

/// What is known of an instance that isn't simply at rest.
enum Slot {
    /// Its webhook is off: news of it cost nothing until its settings change.
    Off,
    /// A session serves it.
    Served(Arc<Signal>),
}

/// How a session is told that something changed.
#[derive(Default)]
pub(crate) struct Signal {
    notify: Notify,
    reload: AtomicBool,
}

impl Signal {
    /// Resolves when the signal has been raised since the last time.
    pub(crate) async fn raised(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::SeqCst)
    }

    /// Whether the signal has been raised and nobody has noticed yet.
    fn take_raised(&self) -> bool {
        self.notify.notified().now_or_never().is_some()
    }

    fn raise(&self, reload: bool) {
        self.reload.fetch_or(reload, Ordering::SeqCst);
        self.notify.notify_one();
    }
}

impl Dispatcher {
    /// A dispatcher that has nothing to do yet.
    ///
    /// # Errors
    /// [`SetupError`] if the HTTP client can't be built.
    pub fn new(storage: Arc<dyn Storage>, options: Options) -> Result<Self, SetupError> {
        let courier = Courier::new(&options.guard, &options.roots)?;
        let shared = Shared {
            storage,
            guard: options.guard,
            per_instance: options.per_instance.max(1),
            closing: CancellationToken::new(),
            courier,
            permits: Semaphore::new(options.in_flight.max(1)),
            slots: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes up what was left undone before the last stop or crash.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell.
    pub async fn resume(&self) -> Result<(), StorageError> {
        for work in self.shared.storage.work(Consumer::WEBHOOK).await? {
            self.notify(work.instance);
        }
        Ok(())
    }

    /// Says that events were added to this instance's log.
    pub fn notify(&self, instance: InstanceId) {
        self.wake(instance, false);
    }

    /// Says that the webhook's settings or stored deliveries changed, or that the instance is gone.
    pub fn reload(&self, instance: InstanceId) {
        self.wake(instance, true);
    }

    /// Dead letters of the owner's instance, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn dead_letters(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
        skip: u64,
    ) -> Result<Page<Delivery>, StorageError> {
        let consumer = Consumer::webhook(instance);
        self.shared.storage.deliveries(owner, &consumer, DeliveryState::Dead, limit, skip).await
    }

    /// Makes dead letters pending again, those named by their `seq` or all, and returns how many. They are
    /// delivered under their old ids, in the order of the log, with all retries before them.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn replay(
        &self,
        owner: UserId,
        instance: InstanceId,
        seqs: Option<Vec<i64>>,
    ) -> Result<u64, StorageError> {
        let consumer = Consumer::webhook(instance);
        let replayed = self.shared.storage.replay(owner, consumer, seqs, Utc::now().into()).await?;
        self.reload(instance);
        Ok(replayed)
    }

    /// Passes over everything in the log of the owner's instance, before its webhook is switched on: what
    /// happened while it was off isn't delivered.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn skip_to_newest(&self, owner: UserId, instance: InstanceId) -> Result<(), StorageError> {
        let query = EventQuery { start: EventStart::Newest, kinds: Vec::new(), limit: 1 };
        let newest = self.shared.storage.events(owner, instance, &query).await?;
        let cursor = newest.events.last().map(|event| event.seq);
        let settlement = Settlement { cursor, ..Settlement::new(Consumer::webhook(instance)) };
        self.shared.storage.settle(vec![settlement]).await
    }

    /// Stops: requests under way may end, for at most `grace`; nothing new is sent; achievements are
    /// committed. Returns whether everything ended in time. What didn't is delivered again after the next
    /// start.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        timeout(grace, self.shared.tasks.wait()).await.is_ok()
    }

    fn wake(&self, instance: InstanceId, reload: bool) {
        if self.shared.closing.is_cancelled() {
            return;
        }
        let mut slots = self.shared.slots();
        match slots.get(&instance) {
            Some(Slot::Off) if !reload => {}
            Some(Slot::Served(signal)) => signal.raise(reload),
            Some(Slot::Off) | None => {
                let signal = Arc::new(Signal::default());
                slots.insert(instance, Slot::Served(Arc::clone(&signal)));
                self.shared.tasks.spawn(serve(Arc::clone(&self.shared), instance, signal));
            }
        }
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("sessions", &self.shared.slots().len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// One attempt, when its turn has come among those of all instances.
    pub(crate) async fn deliver(&self, target: &Target, event: &Event, attempt: u32) -> Result<(), Failure> {
        // The semaphore is never closed; if it were, the attempt would go ahead.
        let _permit = self.permits.acquire().await.ok();
        target.deliver(&self.courier, event, attempt).await
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<InstanceId, Slot>> {
        // A panic while the map is locked can't leave it half changed.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the session unless it was called for in the meantime.
    fn retire(&self, instance: InstanceId, signal: &Signal, end: End) -> bool {
        let mut slots = self.slots();
        // The lock is held whenever a signal is raised, so none can be lost between this look and the
        // removal.
        if signal.take_raised() && end != End::Closing {
            return false;
        }
        match end {
            End::Off => slots.insert(instance, Slot::Off),
            _ => slots.remove(&instance),
        };
        true
    }
}

/// Serves one instance until it needs no service; survives errors of the store and panics.
async fn serve(shared: Arc<Shared>, instance: InstanceId, signal: Arc<Signal>) {
    let mut pause = FIRST_PAUSE;
    loop {
        signal.take_reload();
        let session = AssertUnwindSafe(Session::run(&shared, instance, &signal)).catch_unwind().await;
        match session {
            Ok(Ok(End::Reload)) => pause = FIRST_PAUSE,
            Ok(Ok(end)) => {
                if shared.retire(instance, &signal, end) {
                    return;
                }
                pause = FIRST_PAUSE;
            }
            failed => {
                match failed {
                    Ok(Err(error)) => {
                        tracing::warn!(%instance, %error, "webhook deliveries pause: the store failed")
                    }
                    _ => tracing::error!(%instance, "webhook deliveries pause: a session panicked"),
                }
                tokio::select! {
                    () = shared.closing.cancelled() => return,
                    () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
        }
    }
}
