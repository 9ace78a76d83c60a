//! Owns all running instances.

mod content;
mod data;
mod draft;
mod incoming;
mod line;
mod outbox;
mod recorder;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use storage::{Instance, InstanceId, InstanceStatus, Record, StateChange, Storage, StorageError, UserId};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wa_client::Cause;
use webhook::Dispatcher;

pub(crate) use content::Content;
pub(crate) use line::Line;
pub(crate) use outbox::{Failure, Fate};

use crate::companion::Companions;
use crate::instance::{ConnectionStatus, Status, resumes};
use line::{LineEnd, LineServices};
use recorder::Recorder;

/// Instances that are started per second when the gateway starts: 500 are under way after 2.5 s, and neither
/// we nor WhatsApp are flooded.
const STARTS_PER_SECOND: u32 = 200;
/// After a companion's task has died, it is started again this much later, then ever later.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A companion that ran this long before it died starts with the first pause again.
const STABLE: Duration = Duration::from_secs(300);
/// How long a companion that is no longer wanted may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs one companion per instance, records what they tell, and keeps the fate of one from the others. Clones
/// are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    companions: Arc<dyn Companions>,
    services: LineServices,
    slots: Mutex<HashMap<InstanceId, Slot>>,
    closing: CancellationToken,
}

/// What is known of an instance in this process. One without a slot isn't running and says what was stored
/// last.
enum Slot {
    /// Its turn comes.
    Scheduled,
    /// It runs.
    Running(Arc<Line>),
    /// It ended by itself. Costs nothing but this memory of how it ended.
    Ended(ConnectionStatus),
}

impl Supervisor {
    /// A supervisor of nothing yet.
    pub fn new(storage: Arc<dyn Storage>, companions: Arc<dyn Companions>, dispatcher: Dispatcher) -> Self {
        let services = LineServices { storage, dispatcher, tasks: TaskTracker::new() };
        let inner =
            Inner { companions, services, slots: Mutex::default(), closing: CancellationToken::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Schedules every instance that was running when the gateway last stopped, and returns at once.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell which.
    pub async fn resume(&self) -> Result<(), StorageError> {
        let fleet = self.inner.services.storage.fleet().await?;
        let due: Vec<Instance> = fleet.into_iter().filter(resumes).collect();
        {
            let mut slots = self.inner.slots();
            for instance in &due {
                slots.entry(instance.id).or_insert(Slot::Scheduled);
            }
        }
        let supervisor = self.clone();
        self.inner.services.tasks.spawn(async move { supervisor.start_staggered(due).await });
        Ok(())
    }

    /// Stops all companions: what is in flight ends and is committed, sockets are closed. For at most
    /// `grace`; returns whether that was enough.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.inner.closing.cancel();
        let lines: Vec<Arc<Line>> = self.inner.slots().drain().filter_map(|(_, slot)| slot.line()).collect();
        self.inner.services.tasks.close();
        let all = async {
            join_all(lines.iter().map(|line| line.companion.stop())).await;
            self.inner.services.tasks.wait().await;
        };
        timeout(grace, all).await.is_ok()
    }

    /// Runs something beside the instances until [`Self::stop`], which cuts it off wherever it stands.
    pub(crate) fn accompany(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closing = self.inner.closing.clone();
        self.inner.services.tasks.spawn(async move { closing.run_until_cancelled(work).await });
    }

    /// How many instances run.
    pub fn running(&self) -> usize {
        self.inner.slots().values().filter(|slot| matches!(slot, Slot::Running(_))).count()
    }

    /// The running instance, if it is this owner's.
    pub(crate) fn line(&self, owner: UserId, instance: InstanceId) -> Option<Arc<Line>> {
        match self.inner.slots().get(&instance) {
            Some(Slot::Running(line)) if line.owner == owner => Some(Arc::clone(line)),
            _ => None,
        }
    }

    /// Where the instance stands now.
    pub fn status(&self, instance: &Instance) -> ConnectionStatus {
        match self.inner.slots().get(&instance.id) {
            Some(Slot::Running(line)) => ConnectionStatus::of_state(&line.state()),
            Some(Slot::Ended(status)) => status.clone(),
            Some(Slot::Scheduled) => {
                ConnectionStatus { status: Status::Connecting, ..ConnectionStatus::of_stored(instance) }
            }
            None => ConnectionStatus::of_stored(instance),
        }
    }

    /// Starts the instance unless it runs. The record says so first, so that a restart takes it up again.
    pub(crate) async fn start(&self, instance: &Instance) -> Result<Arc<Line>, StorageError> {
        if self.inner.closing.is_cancelled() {
            return Err(StorageError::Closed);
        }
        if instance.status != InstanceStatus::Connecting {
            let change = StateChange::status(InstanceStatus::Connecting, None);
            self.inner.services.storage.record(Record::new(instance.id).state(change)).await?;
        }
        Ok(self.launch(instance))
    }

    /// Ends the instance; it has no slot afterwards. Its credentials stay.
    pub(crate) async fn end(&self, instance: InstanceId) {
        let line = self.inner.slots().remove(&instance).and_then(Slot::line);
        if let Some(line) = line {
            // One that hangs is left to its fate: nobody can reach it any more.
            let _ = timeout(STOP_TIMEOUT, line.companion.stop()).await;
        }
    }

    /// The phone number behind a LID, where the instance's companion knows it.
    pub(crate) async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String> {
        self.inner.companions.number_of(instance, lid).await
    }

    async fn start_staggered(&self, due: Vec<Instance>) {
        let interval = Duration::from_secs(1) / STARTS_PER_SECOND;
        let mut next = Instant::now();
        for instance in due {
            let jitter = interval.mul_f64(rand::random::<f64>());
            tokio::select! {
                () = sleep_until(next + jitter) => {}
                () = self.inner.closing.cancelled() => return,
            }
            next += interval;
            // Somebody may have started or deleted it while it waited.
            let scheduled = matches!(self.inner.slots().get(&instance.id), Some(Slot::Scheduled));
            if scheduled {
                self.launch(&instance);
            }
        }
    }

    fn launch(&self, instance: &Instance) -> Arc<Line> {
        let mut slots = self.inner.slots();
        if let Some(Slot::Running(line)) = slots.get(&instance.id) {
            return Arc::clone(line);
        }
        let line = self.inner.line(instance);
        slots.insert(instance.id, Slot::Running(Arc::clone(&line)));
        let (supervisor, serving) = (self.clone(), Arc::clone(&line));
        self.inner.services.tasks.spawn(async move { supervisor.serve(serving).await });
        line
    }

    /// Serves a line until it ends, and starts it again if it died.
    async fn serve(self, mut line: Arc<Line>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let end = line.run().await;
            line.abandon();
            if let LineEnd::Stopped(cause) = end {
                let status = ConnectionStatus::of_cause(&cause);
                self.inner.replace(&line, (cause != Cause::Shutdown).then_some(Slot::Ended(status)));
                let _ = timeout(STOP_TIMEOUT, line.companion.stop()).await;
                return;
            }
            if !self.inner.replace(&line, Some(Slot::Scheduled)) {
                return;
            }
            tracing::error!(instance = %line.instance, "the companion's task died; it starts again in a moment");
            if started.elapsed() >= STABLE {
                pause = FIRST_PAUSE;
            }
            let Some(next) = self.revive(line.instance, &mut pause).await else { return };
            line = next;
        }
    }

    /// A new line in the place of one that died, unless somebody has ended or started the instance meanwhile.
    async fn revive(&self, id: InstanceId, pause: &mut Duration) -> Option<Arc<Line>> {
        loop {
            tokio::select! {
                () = sleep(*pause) => *pause = (*pause * 2).min(LONGEST_PAUSE),
                () = self.inner.closing.cancelled() => return None,
            }
            let instance = match self.inner.services.storage.fleet_instance(id).await {
                Ok(stored) => stored?,
                Err(error) => {
                    tracing::warn!(instance = %id, %error, "the instance stays down for now");
                    continue;
                }
            };
            let mut slots = self.inner.slots();
            if !matches!(slots.get(&id), Some(Slot::Scheduled)) {
                return None;
            }
            let line = self.inner.line(&instance);
            slots.insert(id, Slot::Running(Arc::clone(&line)));
            return Some(line);
        }
    }
}

impl Inner {
    /// Starts a companion with all that belongs to it.
    fn line(&self, instance: &Instance) -> Arc<Line> {
        let services = &self.services;
        let recorder =
            Arc::new(Recorder::new(instance, Arc::clone(&services.storage), services.dispatcher.clone()));
        let companion = self.companions.start(instance.id, recorder.clone());
        Arc::new(Line::new(instance.id, instance.owner, companion, recorder, services.clone()))
    }

    /// Puts something else in the place of this line, unless its place is taken already. Returns whether it
    /// was.
    fn replace(&self, line: &Arc<Line>, slot: Option<Slot>) -> bool {
        let mut slots = self.slots();
        let current = matches!(slots.get(&line.instance), Some(Slot::Running(it)) if Arc::ptr_eq(it, line));
        if current {
            match slot {
                Some(slot) => slots.insert(line.instance, slot),
                None => slots.remove(&line.instance),
            };
        }
        current
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<InstanceId, Slot>> {
        // A panic while the map is locked can't leave it half changed.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn line(self) -> Option<Arc<Line>> {
        match self {
            Self::Running(line) => Some(line),
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
