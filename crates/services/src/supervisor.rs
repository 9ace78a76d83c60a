//! Owns all running instances.

mod leases;
mod runs;
mod suspension;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use storage::{
    CauseKind, Epoch, Instance, InstanceAction, InstanceId, InstanceStatus, Journal, Missing, Record,
    StateChange, StorageError, Timestamp, UserId,
};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wa_client::Cause;
use webhook::Dispatcher;

use crate::companion::Companions;
use crate::error::ServiceError;
use crate::farewell::Buried;
use crate::node::Node;
use crate::quota::Quotas;
use crate::running::{RunningInstance, STOP_TIMEOUT};
use crate::status::ConnectionStatus;
use crate::versions::VersionStatus;

/// How long a call may wait until a process that has just started knows what it holds: a start on a database that others
/// are writing to takes moments.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs one companion per instance that this process holds, records what they tell, and keeps the fate of one from the
/// others. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

/// Instances that wait for the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub instances: u64,
    /// When the first of them tries to connect; `None` where each needs somebody first.
    pub retry_at: Option<Timestamp>,
}

impl Waiting {
    fn add(&mut self, retry_at: Option<Timestamp>) {
        self.instances += 1;
        self.retry_at = [self.retry_at, retry_at].into_iter().flatten().min();
    }
}

struct Inner {
    companions: Arc<dyn Companions>,
    journal: Journal,
    node: Node,
    dispatcher: Dispatcher,
    quotas: Quotas,
    slots: Mutex<HashMap<InstanceId, Slot>>,
    /// Users who are disabled, as far as this process has heeded it.
    suspended: Mutex<HashSet<UserId>>,
    heeding: tokio::sync::Mutex<()>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// What is known of an instance in this process. One without a slot isn't running and says what was stored
/// last.
enum Slot {
    /// It waits for its turn to start.
    Scheduled,
    /// Its companion is up, connected or not.
    Running(Arc<RunningInstance>),
    /// It ended by itself. Costs nothing but this note of how it ended.
    Ended(ConnectionStatus),
}

impl Supervisor {
    /// A supervisor of nothing yet.
    pub(crate) fn new(
        companions: Arc<dyn Companions>,
        journal: Journal,
        node: Node,
        dispatcher: Dispatcher,
        quotas: Quotas,
    ) -> Self {
        let inner = Inner {
            companions,
            journal,
            node,
            dispatcher,
            quotas,
            slots: Mutex::default(),
            suspended: Mutex::default(),
            heeding: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Stops all companions: what is in flight ends and is committed, sockets are closed, and other processes may have
    /// the instances. For at most `grace`; returns whether that was enough.
    pub(crate) async fn stop(&self, grace: Duration) -> bool {
        self.inner.closing.cancel();
        let running: Vec<_> = self.inner.slots().drain().filter_map(|(_, slot)| slot.running()).collect();
        self.inner.tasks.close();
        let all = async {
            join_all(running.iter().map(|running| running.companion.stop())).await;
            self.inner.tasks.wait().await;
        };
        timeout(grace, all).await.is_ok()
    }

    /// Lets go of all instances. To be called after [`Self::stop`], when nothing is written for them any more.
    pub(crate) async fn release(&self) {
        if let Err(error) = self.inner.node.release().await {
            tracing::warn!(%error, "the instances could not be released; others have to wait for the leases to end");
        }
    }

    /// Runs something beside the instances until [`Self::stop`], which cuts it off wherever it stands.
    pub(crate) fn accompany(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closing = self.inner.closing.clone();
        self.inner.tasks.spawn(async move { closing.run_until_cancelled(work).await });
    }

    /// How many instances run.
    pub fn running(&self) -> usize {
        self.inner.slots().values().filter(|slot| matches!(slot, Slot::Running(_))).count()
    }

    /// The running instance, if it is this owner's.
    pub(crate) fn find(&self, owner: UserId, instance: InstanceId) -> Option<Arc<RunningInstance>> {
        match self.inner.slots().get(&instance) {
            Some(Slot::Running(running)) if running.owner == owner => Some(Arc::clone(running)),
            _ => None,
        }
    }

    /// The running instance, whoever owns it.
    pub(crate) fn run_of(&self, instance: InstanceId) -> Option<Arc<RunningInstance>> {
        match self.inner.slots().get(&instance) {
            Some(Slot::Running(running)) => Some(Arc::clone(running)),
            _ => None,
        }
    }

    /// Waits until this process knows what it holds, as it does soon after its start. Before that, nothing may be held: what
    /// it held in an earlier life is about to be taken anew, under other epochs.
    ///
    /// # Errors
    /// `Unavailable` when it doesn't know in time, or is stopping.
    pub(crate) async fn until_acquired(&self) -> Result<(), ServiceError> {
        let inner = &self.inner;
        inner.refuse_if_closing()?;
        let known = timeout(START_TIMEOUT, inner.node.until_acquired());
        let known = inner.closing.run_until_cancelled(known).await;
        inner.refuse_if_closing()?;
        if known.is_none_or(|known| known.is_err()) {
            return Err(ServiceError::Unavailable {
                message: "the gateway is starting; try again in a moment",
            });
        }
        Ok(())
    }

    /// The epoch under which this process holds the instance. One that has just started waits until it knows what it
    /// holds.
    ///
    /// # Errors
    /// `Unavailable` when it doesn't, doesn't know in time, or is stopping.
    pub(crate) async fn epoch(&self, instance: InstanceId) -> Result<Epoch, ServiceError> {
        self.inner.refuse_if_closing()?;
        if let Some(epoch) = self.inner.node.epoch(instance) {
            return Ok(epoch);
        }
        self.until_acquired().await?;
        self.inner.node.epoch(instance).ok_or_else(ServiceError::held_elsewhere)
    }

    /// Whether this process is known to hold the instance.
    pub(crate) fn holds(&self, instance: InstanceId) -> bool {
        self.inner.node.epoch(instance).is_some()
    }

    /// Makes sure that this process holds the instance, if it is this owner's.
    ///
    /// # Errors
    /// `NotFound` when there is no such instance of this owner; `Unavailable` when another process holds it.
    pub(crate) async fn check_holds(&self, owner: UserId, instance: InstanceId) -> Result<(), ServiceError> {
        let found = self.inner.journal.storage().instance(owner, instance).await?;
        found.ok_or(ServiceError::NotFound { what: Missing::Instance })?;
        self.epoch(instance).await.map(drop)
    }

    /// Where the instance stands now.
    pub fn status(&self, instance: &Instance) -> ConnectionStatus {
        match self.inner.slots().get(&instance.id) {
            Some(Slot::Running(running)) => ConnectionStatus::of_state(&running.state()),
            Some(Slot::Ended(status)) => status.clone(),
            Some(Slot::Scheduled) => ConnectionStatus::connecting(),
            None if self.inner.node.is_elsewhere(instance.id) => ConnectionStatus::fenced(),
            None => ConnectionStatus::of_stored(instance),
        }
    }

    /// Knows what it holds, without taking it up.
    #[cfg(test)]
    pub(crate) async fn acquire(&self) {
        self.inner.node.acquire(true).await.unwrap();
    }

    /// What the instances of this process wait for that aren't connected, by cause.
    pub fn waiting(&self) -> BTreeMap<CauseKind, Waiting> {
        let mut waiting = BTreeMap::<CauseKind, Waiting>::new();
        for slot in self.inner.slots().values() {
            let status = match slot {
                Slot::Running(running) => ConnectionStatus::of_state(&running.state()),
                Slot::Ended(status) => status.clone(),
                Slot::Scheduled => continue,
            };
            if let Some(cause) = status.cause {
                waiting.entry(cause.kind).or_default().add(status.retry_at);
            }
        }
        waiting
    }

    /// Starts an instance that was created under this epoch.
    pub(crate) fn take_in(&self, instance: &Instance, epoch: Epoch) -> Result<(), ServiceError> {
        self.inner.node.hold(instance.id, epoch);
        self.inner.quotas.know(instance, epoch);
        self.inner.dispatcher.serve(instance.id, instance.owner, epoch);
        self.inner.refuse_if_closing()?;
        self.launch(instance, epoch);
        Ok(())
    }

    /// Starts the instance unless it runs. The record says so first, so that a restart takes it up again.
    ///
    /// # Errors
    /// `Unavailable` when another process holds it, or when this one is stopping; `NotConnected` when a part of it can't be
    /// read that its connection depends on.
    pub(crate) async fn start(&self, instance: &Instance) -> Result<(), ServiceError> {
        let epoch = self.epoch(instance.id).await?;
        if !instance.can_run() {
            return Err(ServiceError::not_connected(&ConnectionStatus::unreadable()));
        }
        if instance.status != InstanceStatus::Connecting || !instance.unreadable.is_empty() {
            let change = StateChange::status(InstanceStatus::Connecting, None);
            let record = Record::new(instance.id, epoch).state(change);
            self.inner.journal.record(record.event(InstanceAction::Connecting.told())).await?;
        }
        self.launch(instance, epoch);
        Ok(())
    }

    /// Starts the instance anew if it runs: with other settings.
    pub(crate) async fn renew(&self, instance: &Instance) {
        let Ok(epoch) = self.epoch(instance.id).await else { return };
        if !instance.can_run() {
            return;
        }
        if self.find(instance.owner, instance.id).is_some() {
            self.end(instance.id).await;
            self.launch(instance, epoch);
        }
    }

    /// Ends the instance; it has no slot afterwards. Its credentials stay.
    pub(crate) async fn end(&self, instance: InstanceId) {
        let running = self.inner.slots().remove(&instance).and_then(Slot::running);
        if let Some(running) = running {
            // One that hangs is left to its fate: nobody can reach it any more.
            let _ = timeout(STOP_TIMEOUT, running.companion.stop()).await;
        }
    }

    /// Ends the instance as [`Self::end`] does, by its owner's wish: until it is started it says that it is paused.
    pub(crate) async fn pause(&self, instance: InstanceId) {
        if let Some(running) = self.run_of(instance)
            && timeout(STOP_TIMEOUT, running.pause()).await.is_err()
        {
            // One that hangs is left to its fate: nobody can reach it any more.
            let _ = timeout(STOP_TIMEOUT, running.companion.stop()).await;
        }
        let paused = Slot::Ended(ConnectionStatus::of_cause(&Cause::Paused));
        let mut slots = self.inner.slots();
        if !self.inner.closing.is_cancelled() {
            slots.insert(instance, paused);
        }
    }

    /// Forgets an instance that was deleted.
    pub(crate) fn forget(&self, instance: InstanceId) {
        if let Some(epoch) = self.inner.node.epoch(instance) {
            self.inner.node.lose(instance, epoch);
        }
        self.inner.quotas.forget(instance);
        self.inner.dispatcher.release(instance);
    }

    /// Whether a phone has linked the instance's companion.
    pub(crate) async fn is_linked(&self, instance: InstanceId, epoch: Epoch) -> bool {
        self.inner.companions.is_linked(instance, epoch).await
    }

    /// What companions store, and how they are started.
    pub(crate) fn companions(&self) -> &dyn Companions {
        &*self.inner.companions
    }

    /// Unlinks the companion of an instance that was deleted, in the background. This process holds what is left of it.
    pub(crate) fn bury(&self, buried: Buried) {
        let (instance, epoch) = (buried.instance, buried.epoch);
        self.inner.node.hold(instance, epoch);
        self.inner.quotas.forget(instance);
        self.inner.dispatcher.release(instance);
        let inner = Arc::clone(&self.inner);
        self.accompany(async move {
            inner.node.until_leased().await;
            buried.unlink(&*inner.companions, &**inner.journal.storage()).await;
            inner.node.lose(instance, epoch);
        });
    }

    /// The number of the account that was found under this one, where the instance's companion has looked it up.
    pub(crate) async fn alias_of(&self, instance: InstanceId, number: &str) -> Option<String> {
        self.inner.companions.alias_of(instance, number).await
    }

    /// The phone number behind a LID, where the instance's companion knows it.
    pub(crate) async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String> {
        self.inner.companions.number_of(instance, lid).await
    }

    /// Starts the instances again that WhatsApp refused for their version, whenever there is a newer one. Never ends.
    pub(crate) async fn revive_outdated(&self, mut versions: watch::Receiver<VersionStatus>) {
        let is_outdated =
            |status: &ConnectionStatus| status.cause.is_some_and(|cause| cause.kind == CauseKind::Outdated);
        while versions.changed().await.is_ok() {
            let outdated: Vec<_> = self
                .inner
                .slots()
                .iter()
                .filter(|(_, slot)| matches!(slot, Slot::Ended(status) if is_outdated(status)))
                .map(|(instance, _)| *instance)
                .collect();
            for instance in outdated {
                if let Err(error) = self.start_stored(instance).await {
                    tracing::warn!(%instance, %error, "the instance stays down for now");
                }
            }
        }
    }

    async fn start_stored(&self, id: InstanceId) -> Result<(), ServiceError> {
        match self.inner.journal.storage().fleet_instance(id).await? {
            Some(instance) => self.start(&instance).await,
            None => Ok(()),
        }
    }
}

impl Inner {
    fn refuse_if_closing(&self) -> Result<(), StorageError> {
        if self.closing.is_cancelled() { Err(StorageError::Closed) } else { Ok(()) }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<InstanceId, Slot>> {
        self.slots.lock()
    }
}

impl Slot {
    fn running(self) -> Option<Arc<RunningInstance>> {
        match self {
            Self::Running(running) => Some(running),
            Self::Scheduled | Self::Ended(_) => None,
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("running", &self.running()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
