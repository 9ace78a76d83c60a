//! What this process holds: taken, renewed, lost, and taken over from others.

use crate::farewell::Buried;
use crate::node::{Others, RENEWAL};
use crate::status::resumes;
use std::time::Duration;
use storage::{Epoch, Instance, InstanceId, Leased, StorageError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Slot, Supervisor};

/// Instances that are started per second when the gateway starts: 10,000 are under way after 20 s, and neither
/// we nor WhatsApp are flooded.
const STARTS_PER_SECOND: u32 = 500;

impl Supervisor {
    /// Takes every instance that no other process holds, schedules those that were running when they were last seen,
    /// and returns at once. What others hold is taken later if they let go of it.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell which.
    pub(crate) async fn resume(&self) -> Result<(), StorageError> {
        self.learn_users().await?;
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

    /// Serves what was acquired: its webhooks at once, its companions one after another. What is buried is unlinked.
    fn take_up(&self, leased: Vec<Leased>) {
        let (buried, leased): (Vec<_>, Vec<_>) =
            leased.into_iter().partition(|leased| leased.buried_at.is_some());
        for Leased { instance, epoch, buried_at } in buried {
            let is_known = instance.can_run();
            let Instance { id, connection, .. } = instance;
            let since = buried_at.unwrap_or_default();
            self.bury(Buried { instance: id, connection: is_known.then_some(connection), epoch, since });
        }
        let leased: Vec<_> =
            leased.into_iter().filter(|leased| !self.is_suspended(leased.instance.owner)).collect();
        for leased in &leased {
            self.inner.quotas.know(&leased.instance, leased.epoch);
            self.inner.dispatcher.serve(leased.instance.id, leased.instance.owner, leased.epoch);
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

    /// Renews the lease, gives up what was lost, and takes what others let go of. Never ends.
    async fn keep_leases(&self) {
        let mut renewals = interval(RENEWAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            renewals.tick().await;
            if let Err(error) = self.inner.node.renew(|instance| self.lose(instance)).await {
                tracing::warn!(%error, "the lease of this process's instances could not be renewed");
            }
            if let Err(error) = self.heed_users().await {
                tracing::warn!(%error, "who is disabled can't be told");
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
    pub(super) fn let_go(&self, instance: InstanceId, epoch: Epoch) {
        if self.inner.node.lose(instance, epoch) {
            self.inner.quotas.forget(instance);
            self.inner.dispatcher.release(instance);
            tracing::warn!(%instance, "another process carries the instance now");
        }
    }
}
