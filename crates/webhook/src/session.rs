//! The deliveries of one instance, from what is stored until there is nothing left to do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use storage::{Consumer, DeliveryState, Event, InstanceId, StorageError, Timestamp};
use tokio::time::{Instant, sleep_until};

use crate::courier::Failure;
use crate::dispatcher::{Shared, Signal};
use crate::lanes::{Admission, Lane, Lanes, Row};
use crate::ledger::Ledger;
use crate::policy::Verdict;
use crate::target::Target;

/// Events read at once.
const BATCH: u64 = 256;
/// Events that may be read and not yet settled. Bounds memory, and what a crash repeats.
const WINDOW: usize = 1024;
/// Stored deliveries of one instance. Above this the log itself is the queue and isn't read further.
const MAX_STORED: usize = 10_000;
/// A session without work is kept this long, so that the next event needs no look-up of settings.
const LINGER: Duration = Duration::from_secs(30);

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything is delivered and nothing has come for a while.
    Idle,
    /// The instance has no webhook that is switched on.
    Off,
    /// The instance doesn't exist any more.
    Gone,
    /// Settings or deliveries have changed: start again from what is stored.
    Reload,
    /// The dispatcher stops.
    Closing,
}

/// Everything in memory about the deliveries of one instance.
pub(crate) struct Session {
    shared: Arc<Shared>,
    instance: InstanceId,
    target: Arc<Target>,
    lanes: Lanes<Event>,
    ledger: Ledger,
    ready: VecDeque<(Lane, Work)>,
    in_flight: FuturesUnordered<BoxFuture<'static, Finished>>,
    caught_up: bool,
    idle_since: Instant,
}

/// One thing to deliver.
enum Work {
    /// Straight from the log.
    Fresh(Event),
    /// Stored earlier; its event is read when its turn comes, so that a long queue needs no memory.
    Stored(Row),
}

/// An attempt that has ended.
struct Finished {
    lane: Lane,
    work: Work,
    result: Result<Result<(), Failure>, StorageError>,
}

impl Session {
    /// Runs from what is stored until one of the [`End`]s.
    pub(crate) async fn run(
        shared: &Arc<Shared>,
        instance: InstanceId,
        signal: &Signal,
    ) -> Result<End, StorageError> {
        let Some(stored) = shared.storage.fleet_instance(instance).await? else { return Ok(End::Gone) };
        let Some(target) = Target::new(stored.webhook, &shared.guard) else { return Ok(End::Off) };
        Self::load(Arc::clone(shared), instance, Arc::new(target)).await?.serve(signal).await
    }

    async fn load(
        shared: Arc<Shared>,
        instance: InstanceId,
        target: Arc<Target>,
    ) -> Result<Self, StorageError> {
        let consumer = Consumer::webhook(instance);
        let cursor = shared.storage.cursor(&consumer).await?.unwrap_or(0);
        let mut lanes = Lanes::new();
        let mut after = 0;
        loop {
            let page = shared.storage.pending_deliveries(&consumer, after, BATCH).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for delivery in page {
                let row = Row {
                    seq: delivery.seq,
                    attempts: delivery.attempts,
                    due: delivery.next_attempt,
                    created_at: delivery.created_at,
                };
                lanes.restore(delivery.chat, row);
            }
        }
        Ok(Self {
            shared,
            instance,
            target,
            lanes,
            ledger: Ledger::new(instance, cursor),
            ready: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            caught_up: false,
            idle_since: Instant::now(),
        })
    }

    async fn serve(mut self, signal: &Signal) -> Result<End, StorageError> {
        let closing = self.shared.closing.clone();
        loop {
            self.read().await?;
            self.launch();
            let timer = self.next_timer();
            tokio::select! {
                () = closing.cancelled() => return self.finish(End::Closing).await,
                Some(finished) = self.in_flight.next() => self.settle(finished)?,
                () = signal.raised() => {
                    self.caught_up = false;
                    if signal.take_reload() {
                        return self.finish(End::Reload).await;
                    }
                }
                () = sleep_until(timer) => {
                    self.commit_if_due().await?;
                    if self.is_idle() && self.idle_since.elapsed() >= LINGER {
                        return Ok(End::Idle);
                    }
                }
            }
        }
    }

    /// Lets what is in flight end, starts nothing new, commits. What waited and was overtaken by events of
    /// other chats is stored, so that the cursor can pass those and nothing is delivered twice.
    async fn finish(mut self, end: End) -> Result<End, StorageError> {
        while let Some(finished) = self.in_flight.next().await {
            self.settle(finished)?;
        }
        let ready = std::mem::take(&mut self.ready).into_iter().filter_map(|(lane, work)| match work {
            Work::Fresh(event) => Some((lane, event)),
            Work::Stored(_) => None,
        });
        let now = now();
        for (lane, event) in ready.chain(self.lanes.take_waiting()) {
            if self.ledger.is_overtaken(event.seq) {
                self.ledger.stored(&lane, Row::behind(event.seq, now), DeliveryState::Pending, None, now);
            }
        }
        self.commit().await?;
        Ok(end)
    }

    /// Reads the log until the window is full or its end is reached.
    async fn read(&mut self) -> Result<(), StorageError> {
        while !self.caught_up && self.ledger.open() < WINDOW && self.lanes.stored() < MAX_STORED {
            let events = self.shared.storage.events_after(self.instance, self.ledger.read(), BATCH).await?;
            self.caught_up = (events.len() as u64) < BATCH;
            let now = now();
            for event in events {
                self.admit(event, now);
            }
            self.commit_if_due().await?;
        }
        Ok(())
    }

    fn admit(&mut self, event: Event, now: Timestamp) {
        let seq = event.seq;
        self.ledger.begin(seq);
        if !self.target.wants(&event) {
            return self.ledger.settled(seq);
        }
        let lane = event.chat.clone();
        match self.lanes.admit(&lane, seq, now, event) {
            Admission::Send(event) => self.ready.push_back((lane, Work::Fresh(event))),
            Admission::Queued => {}
            Admission::Store(_) => {
                self.ledger.stored(&lane, Row::behind(seq, now), DeliveryState::Pending, None, now)
            }
        }
    }

    /// Starts attempts as far as the instance's share allows.
    fn launch(&mut self) {
        let now = now();
        while self.in_flight.len() < self.shared.per_instance {
            // What is stored is older than what has just been read.
            let stored = self.lanes.take_due(now).map(|(lane, row)| (lane, Work::Stored(row)));
            let Some((lane, work)) = stored.or_else(|| self.ready.pop_front()) else { break };
            let attempt =
                attempt(Arc::clone(&self.shared), Arc::clone(&self.target), self.instance, lane, work);
            self.in_flight.push(Box::pin(attempt));
        }
    }

    fn settle(&mut self, finished: Finished) -> Result<(), StorageError> {
        let Finished { lane, work, result } = finished;
        self.idle_since = Instant::now();
        match (work, result?) {
            (Work::Fresh(event), Ok(())) => {
                self.ledger.settled(event.seq);
                self.proceed(lane);
            }
            (Work::Stored(row), Ok(())) => {
                self.ledger.removed(row.seq);
                self.lanes.retried(lane);
            }
            (work, Err(failure)) => self.fail(lane, &work, &failure),
        }
        Ok(())
    }

    fn fail(&mut self, lane: Lane, work: &Work, failure: &Failure) {
        let now = now();
        let mut row = match work {
            Work::Fresh(event) => Row::behind(event.seq, now),
            Work::Stored(row) => *row,
        };
        row.attempts += 1;
        let verdict = self.target.policy().after_failure(row.attempts, failure.retry_after(), rand::random());
        let Verdict::Retry(delay) = verdict else {
            self.ledger.stored(&lane, row, DeliveryState::Dead, Some(failure), now);
            return match work {
                Work::Fresh(_) => self.proceed(lane),
                Work::Stored(_) => self.lanes.retried(lane),
            };
        };
        row.due = now.plus_millis(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
        self.ledger.stored(&lane, row, DeliveryState::Pending, Some(failure), now);
        match work {
            Work::Stored(_) => self.lanes.retry_again(lane, row),
            Work::Fresh(_) => {
                for event in self.lanes.fail(lane.clone(), row, |event| event.seq) {
                    self.ledger.stored(&lane, Row::behind(event.seq, now), DeliveryState::Pending, None, now);
                }
            }
        }
    }

    fn proceed(&mut self, lane: Lane) {
        if let Some(next) = self.lanes.proceed(&lane) {
            self.ready.push_back((lane, Work::Fresh(next)));
        }
    }

    async fn commit_if_due(&mut self) -> Result<(), StorageError> {
        match self.ledger.due() {
            Some(due) if due <= Instant::now() => self.commit().await,
            _ => Ok(()),
        }
    }

    async fn commit(&mut self) -> Result<(), StorageError> {
        match self.ledger.take() {
            Some(settlement) => self.shared.storage.settle(vec![settlement]).await,
            None => Ok(()),
        }
    }

    fn is_idle(&self) -> bool {
        self.caught_up && self.lanes.is_empty() && self.ledger.open() == 0 && self.ledger.due().is_none()
    }

    /// When something is to be done that nothing else announces.
    fn next_timer(&self) -> Instant {
        if self.is_idle() {
            return self.idle_since + LINGER;
        }
        let retry =
            self.lanes.next_due().filter(|_| self.in_flight.len() < self.shared.per_instance).map(|due| {
                let wait = due.millis().saturating_sub(now().millis());
                Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(0))
            });
        [self.ledger.due(), retry].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + LINGER)
    }
}

async fn attempt(
    shared: Arc<Shared>,
    target: Arc<Target>,
    instance: InstanceId,
    lane: Lane,
    work: Work,
) -> Finished {
    let result = match &work {
        Work::Fresh(event) => Ok(shared.deliver(&target, event, 1).await),
        Work::Stored(row) => match shared.storage.event(instance, row.seq).await {
            Ok(Some(event)) => Ok(shared.deliver(&target, &event, row.attempts + 1).await),
            // The event is gone from the log, so there is nothing to deliver.
            Ok(None) => Ok(Ok(())),
            Err(error) => Err(error),
        },
    };
    Finished { lane, work, result }
}

fn now() -> Timestamp {
    Utc::now().into()
}
