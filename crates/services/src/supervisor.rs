//! Owns all running instances.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use storage::{
    Backoff, CauseKind, Epoch, Instance, InstanceId, InstanceStatus, Journal, Leased, Record, StateChange,
    StorageError, UserId,
};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wa_client::Cause;
use webhook::Dispatcher;

use crate::companion::Companions;
use crate::error::ServiceError;
use crate::farewell::Buried;
use crate::node::{Node, Others, RENEWAL};
use crate::running::{End, Run, RunningInstance, STOP_TIMEOUT};
use crate::status::{ConnectionStatus, resumes};
use crate::versions::VersionStatus;

/// Instances that are started per second when the gateway starts: 10,000 are under way after 20 s, and neither
/// we nor WhatsApp are flooded.
const STARTS_PER_SECOND: u32 = 500;
/// A companion that ran this long before it died is started again as soon as one that never died before.
const STABLE: Duration = Duration::from_secs(300);

/// Runs one companion per instance that this process holds, records what they tell, and keeps the fate of one from the
/// others. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    companions: Arc<dyn Companions>,
    journal: Journal,
    node: Node,
    dispatcher: Dispatcher,
    slots: Mutex<HashMap<InstanceId, Slot>>,
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
    ) -> Self {
        let inner = Inner {
            companions,
            journal,
            node,
            dispatcher,
            slots: Mutex::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes every instance that no other process holds, schedules those that were running when they were last seen,
    /// and returns at once. What others hold is taken later if they let go of it.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell which.
    pub(crate) async fn resume(&self) -> Result<(), StorageError> {
        let leased = self.inner.node.acquire(true).await?;
        let others = self.inner.node.others().await?;
        if let Others { count: 1.., until } = others {
            let until = until.map(|until| until.to_string());
            tracing::warn!(
                count = others.count,
                until,
                "another process on this database carries instances; they stay with it unless it lets go of them"
            );
        }
        self.take_up(leased);
        let supervisor = self.clone();
        self.accompany(async move { supervisor.keep_leases().await });
        Ok(())
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

    /// The epoch under which this process holds the instance.
    ///
    /// # Errors
    /// `Unavailable` when it doesn't, or is stopping.
    pub(crate) fn epoch(&self, instance: InstanceId) -> Result<Epoch, ServiceError> {
        self.inner.refuse_if_closing()?;
        self.inner.node.epoch(instance).ok_or_else(ServiceError::held_elsewhere)
    }

    /// Makes sure that this process holds the instance, if it is this owner's.
    ///
    /// # Errors
    /// `NotFound` when there is no such instance of this owner; `Unavailable` when another process holds it.
    pub(crate) async fn check_holds(&self, owner: UserId, instance: InstanceId) -> Result<(), ServiceError> {
        let Err(elsewhere) = self.epoch(instance) else { return Ok(()) };
        let found = self.inner.journal.storage().instance(owner, instance).await?;
        Err(if found.is_some() { elsewhere } else { ServiceError::NotFound { what: "instance" } })
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

    /// Starts an instance that was created under this epoch.
    pub(crate) fn take_in(&self, instance: &Instance, epoch: Epoch) -> Result<(), ServiceError> {
        self.inner.node.hold(instance.id, epoch);
        self.inner.dispatcher.serve(instance.id, epoch);
        self.inner.refuse_if_closing()?;
        self.launch(instance, epoch);
        Ok(())
    }

    /// Starts the instance unless it runs. The record says so first, so that a restart takes it up again.
    ///
    /// # Errors
    /// `Unavailable` when another process holds it, or when this one is stopping.
    pub(crate) async fn start(&self, instance: &Instance) -> Result<(), ServiceError> {
        let epoch = self.epoch(instance.id)?;
        if instance.status != InstanceStatus::Connecting {
            let change = StateChange::status(InstanceStatus::Connecting, None);
            self.inner.journal.record(Record::new(instance.id, epoch).state(change)).await?;
        }
        self.launch(instance, epoch);
        Ok(())
    }

    /// Starts the instance anew if it runs: with other settings.
    pub(crate) async fn renew(&self, instance: &Instance) {
        let Ok(epoch) = self.epoch(instance.id) else { return };
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

    /// Forgets an instance that was deleted.
    pub(crate) fn forget(&self, instance: InstanceId) {
        if let Some(epoch) = self.inner.node.epoch(instance) {
            self.inner.node.lose(instance, epoch);
        }
        self.inner.dispatcher.release(instance);
    }

    /// Whether a phone has linked the instance's companion.
    pub(crate) async fn is_linked(&self, instance: InstanceId, epoch: Epoch) -> bool {
        self.inner.companions.is_linked(instance, epoch).await
    }

    /// Unlinks the companion of an instance that was deleted, in the background. This process holds what is left of it.
    pub(crate) fn bury(&self, buried: Buried) {
        let (instance, epoch) = (buried.instance, buried.epoch);
        self.inner.node.hold(instance, epoch);
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

    /// Serves what was acquired: its webhooks at once, its companions one after another. What is buried is unlinked.
    fn take_up(&self, leased: Vec<Leased>) {
        let (buried, leased): (Vec<_>, Vec<_>) =
            leased.into_iter().partition(|leased| leased.buried_at.is_some());
        for Leased { instance, epoch, buried_at } in buried {
            let Instance { id, connection, .. } = instance;
            let since = buried_at.unwrap_or_default();
            self.bury(Buried { instance: id, connection, epoch, since });
        }
        for leased in &leased {
            self.inner.dispatcher.serve(leased.instance.id, leased.epoch);
        }
        let due: Vec<_> = leased.into_iter().filter(|leased| resumes(&leased.instance)).collect();
        if due.is_empty() {
            return;
        }
        {
            let mut slots = self.inner.slots();
            for leased in &due {
                slots.entry(leased.instance.id).or_insert(Slot::Scheduled);
            }
        }
        let supervisor = self.clone();
        self.accompany(async move { supervisor.start_staggered(due).await });
    }

    async fn start_staggered(&self, due: Vec<Leased>) {
        let begin = Instant::now();
        for (nth, leased) in (0u32..).zip(due) {
            sleep_until(begin + Duration::from_secs(1) * nth / STARTS_PER_SECOND).await;
            // Somebody may have started or deleted it while it waited.
            let is_scheduled = |slot: Option<&Slot>| matches!(slot, Some(Slot::Scheduled));
            self.launch_if(&leased.instance, leased.epoch, is_scheduled);
        }
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

    /// Renews the lease, gives up what was lost, and takes what others let go of. Never ends.
    async fn keep_leases(&self) {
        let mut renewals = interval(RENEWAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            renewals.tick().await;
            if let Err(error) = self.inner.node.renew(|instance| self.lose(instance)).await {
                tracing::warn!(%error, "the lease of this process's instances could not be renewed");
            }
            match self.inner.node.acquire(false).await {
                Ok(leased) if leased.is_empty() => {}
                Ok(leased) => {
                    tracing::info!(count = leased.len(), "instances that nobody held are carried on here");
                    self.take_up(leased);
                }
                Err(error) => tracing::warn!(%error, "instances that nobody holds could not be taken"),
            }
        }
    }

    /// Another process has taken the instance: what runs of it here ends without a word.
    fn lose(&self, instance: InstanceId) {
        let mut slots = self.inner.slots();
        if let Some(Slot::Running(running)) = slots.get(&instance) {
            // Its task notices, and lets go.
            running.recorder.fence();
            return;
        }
        slots.remove(&instance);
        drop(slots);
        if let Some(epoch) = self.inner.node.epoch(instance) {
            self.let_go(instance, epoch);
        }
    }

    /// What was held under this epoch is another process's now.
    fn let_go(&self, instance: InstanceId, epoch: Epoch) {
        if self.inner.node.lose(instance, epoch) {
            self.inner.dispatcher.release(instance);
            tracing::warn!(%instance, "another process carries the instance now");
        }
    }

    /// Starts an instance unless it runs, or this process is stopping.
    fn launch(&self, instance: &Instance, epoch: Epoch) {
        self.launch_if(instance, epoch, |slot| !matches!(slot, Some(Slot::Running(_))));
    }

    fn launch_if(&self, instance: &Instance, epoch: Epoch, may: impl FnOnce(Option<&Slot>) -> bool) {
        // Under one lock with the start: a stop and an end find either nothing to start, or what was started.
        let mut slots = self.inner.slots();
        if self.inner.closing.is_cancelled() || !may(slots.get(&instance.id)) {
            return;
        }
        let run = self.inner.run(instance, epoch);
        slots.insert(instance.id, Slot::Running(Arc::clone(run.running())));
        let supervisor = self.clone();
        self.inner.tasks.spawn(async move { supervisor.serve(run).await });
    }

    /// Runs an instance until it ends, and starts it again if its companion died.
    async fn serve(self, mut run: Run) {
        let mut backoff = Backoff::default();
        loop {
            let running = Arc::clone(run.running());
            let started = Instant::now();
            // In a box of its own: the task is small while it waits for the next try.
            let end = Box::pin(self.inner.run_leased(run)).await;
            if end == End::Fenced {
                self.let_go(running.instance, running.recorder.epoch());
            }
            let slot = match &end {
                End::Stopped(Cause::Shutdown) => None,
                End::Stopped(cause) => Some(Slot::Ended(ConnectionStatus::of_cause(cause))),
                End::Vanished => Some(Slot::Scheduled),
                // It was acquired again since.
                End::Fenced if self.inner.node.epoch(running.instance).is_some() => Some(Slot::Scheduled),
                End::Fenced => None,
            };
            let goes_on = matches!(slot, Some(Slot::Scheduled));
            if !self.inner.replace(&running, slot) || !goes_on {
                return;
            }
            tracing::error!(instance = %running.instance, ?end, "the companion is gone; it starts again in a moment");
            if started.elapsed() >= STABLE {
                backoff.reset();
            }
            let Some(next) = self.revive(running.instance, &mut backoff).await else { return };
            run = next;
        }
    }

    /// A new run in the place of one that died, unless somebody has ended or started the instance meanwhile.
    async fn revive(&self, id: InstanceId, backoff: &mut Backoff) -> Option<Run> {
        loop {
            tokio::select! {
                () = sleep(backoff.pause()) => {}
                () = self.inner.closing.cancelled() => return None,
            }
            let instance = match self.inner.journal.storage().fleet_instance(id).await {
                Ok(stored) => stored?,
                Err(error) => {
                    tracing::warn!(instance = %id, %error, "the instance stays down for now");
                    continue;
                }
            };
            let epoch = self.inner.node.epoch(id)?;
            let mut slots = self.inner.slots();
            if self.inner.closing.is_cancelled() || !matches!(slots.get(&id), Some(Slot::Scheduled)) {
                return None;
            }
            let run = self.inner.run(&instance, epoch);
            slots.insert(id, Slot::Running(Arc::clone(run.running())));
            return Some(run);
        }
    }
}

impl Inner {
    /// The companion of the run acts only while the lease is good: it may connect anew at any time.
    fn run(&self, instance: &Instance, epoch: Epoch) -> Run {
        let node = self.node.clone();
        RunningInstance::start(instance, epoch, &self.companions, self.journal.clone())
            .companion_through(|companion| node.while_leased(companion).boxed())
    }

    /// Runs an instance once the lease is good.
    async fn run_leased(&self, run: Run) -> End {
        tokio::select! {
            () = self.node.until_leased() => {}
            () = run.running().recorder.until_fenced() => {}
            // Then it is stopped, too.
            () = self.closing.cancelled() => {}
        }
        run.run().await
    }

    fn refuse_if_closing(&self) -> Result<(), StorageError> {
        if self.closing.is_cancelled() { Err(StorageError::Closed) } else { Ok(()) }
    }

    /// Puts something else in the place of a running instance, unless its place is taken already. Returns whether it
    /// was.
    fn replace(&self, running: &Arc<RunningInstance>, slot: Option<Slot>) -> bool {
        let mut slots = self.slots();
        let current =
            matches!(slots.get(&running.instance), Some(Slot::Running(it)) if Arc::ptr_eq(it, running));
        if current {
            match slot {
                Some(slot) => slots.insert(running.instance, slot),
                None => slots.remove(&running.instance),
            };
        }
        current
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
