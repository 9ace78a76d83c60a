//! Running one instance until it ends, and again if its companion died.

use crate::running::{End, Run, RunningInstance};
use crate::status::ConnectionStatus;
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use storage::{Backoff, Epoch, Instance, InstanceId};
use tokio::time::{Instant, sleep};
use wa_client::Cause;

use super::{Inner, Slot, Supervisor};

/// A companion that ran this long before it died is started again as soon as one that never died before.
const STABLE: Duration = Duration::from_secs(300);

impl Supervisor {
    /// Starts an instance unless it runs, or this process is stopping.
    pub(super) fn launch(&self, instance: &Instance, epoch: Epoch) {
        self.launch_if(instance, epoch, |slot| !matches!(slot, Some(Slot::Running(_))));
    }

    pub(super) fn launch_if(
        &self,
        instance: &Instance,
        epoch: Epoch,
        may: impl FnOnce(Option<&Slot>) -> bool,
    ) {
        // Under one lock with the start: a stop and an end find either nothing to start, or what was started.
        let mut slots = self.inner.slots();
        let barred = self.inner.closing.is_cancelled() || self.is_suspended(instance.owner);
        if barred || !may(slots.get(&instance.id)) {
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
            if !instance.can_run() || self.is_suspended(instance.owner) {
                slots.remove(&id);
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
}
