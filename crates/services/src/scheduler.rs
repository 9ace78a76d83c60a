//! Sends what was scheduled, when its time has come.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Clock, InstanceId, Storage, StorageError};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::alarm::Alarm;
use crate::messaging::{Departure, MessagingService};
use crate::running::RunningInstance;
use crate::supervisor::Supervisor;

/// Longest sleep: the clock may jump, and what could not leave is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long an instance that is on its way to a connection is waited for.
const ONLINE_WITHIN: Duration = Duration::from_secs(10);
/// Instances whose messages are made and handed in at once.
const AT_ONCE: usize = 32;
/// Messages that are read at a time.
const PIECE: u64 = 20;

/// Looks at the schedule whenever something may be due, and has one task for each instance that has something to send:
/// one that takes its time keeps no other waiting. Clones are the same scheduler.
#[derive(Clone)]
pub(crate) struct Scheduler {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    messages: MessagingService,
    alarm: Alarm,
    clock: Clock,
    busy: Arc<Mutex<HashSet<InstanceId>>>,
    room: Arc<Semaphore>,
}

/// An instance's messages are being sent as long as it lives.
struct Turn {
    instance: InstanceId,
    busy: Arc<Mutex<HashSet<InstanceId>>>,
}

impl Scheduler {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        supervisor: Supervisor,
        messages: MessagingService,
        alarm: Alarm,
        clock: Clock,
    ) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        Self { storage, supervisor, messages, alarm, clock, busy: Arc::default(), room }
    }

    /// Never ends.
    pub(crate) async fn keep(self) {
        loop {
            let pause = self.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what is scheduled can't be read; it waits");
                LOOK_AGAIN
            });
            tokio::select! {
                () = sleep(pause) => {}
                () = self.alarm.rung() => {}
            }
        }
    }

    /// Begins to send what is due; answers when to look again.
    async fn look(&self) -> Result<Duration, StorageError> {
        let now = self.clock.now();
        for instance in self.storage.due_instances(now).await? {
            let running = self.supervisor.run_of(instance);
            if let Some(running) = running
                && let Some(turn) = self.turn(instance)
            {
                self.supervisor.accompany(self.clone().serve(running, turn));
            }
        }
        let next = self.storage.next_due(now).await?;
        let pause = next.map(|next| next.millis().saturating_sub(now.millis()));
        let pause = pause.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
        Ok(pause.map_or(LOOK_AGAIN, |pause| pause.min(LOOK_AGAIN)))
    }

    /// Nothing if the instance's messages are being sent already.
    fn turn(&self, instance: InstanceId) -> Option<Turn> {
        let is_free = self.busy.lock().insert(instance);
        is_free.then(|| Turn { instance, busy: Arc::clone(&self.busy) })
    }

    /// Sends all that is due of an instance.
    async fn serve(self, running: Arc<RunningInstance>, turn: Turn) {
        running.is_online_within(ONLINE_WITHIN).await;
        let sent = {
            // Never closed.
            let _room = self.room.acquire().await;
            self.send_all(&running).await
        };
        drop(turn);
        match sent {
            // What has become due meanwhile was passed by.
            Ok(Departure::Done) => self.alarm.ring(),
            Ok(Departure::NotNow) => {}
            Err(error) => {
                tracing::warn!(instance = %running.instance, %error, "what is scheduled can't be read; it waits");
            }
        }
    }

    async fn send_all(&self, running: &RunningInstance) -> Result<Departure, StorageError> {
        let mut seen = HashSet::new();
        loop {
            let now = self.clock.now();
            let due = self.storage.due_messages(running.instance, now, PIECE).await?;
            let new: Vec<_> = due.into_iter().filter(|due| seen.insert(due.due())).collect();
            if new.is_empty() {
                return Ok(Departure::Done);
            }
            for due in new {
                if self.messages.send_due(running, &due, now).await == Departure::NotNow {
                    return Ok(Departure::NotNow);
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().remove(&self.instance);
    }
}

#[cfg(test)]
mod tests;
