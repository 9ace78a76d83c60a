//! The deliveries of one webhook, for as long as there is something to do.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use storage::{Backoff, DeliveryState, Event, InstanceId, StorageError, Timestamp, Write};
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::Context;
use crate::courier::Failure;
use crate::lanes::{Admission, Lane, Lanes, Row};
use crate::ledger::{Ledger, Position};
use crate::policy::Verdict;
use crate::post::{Heard, News, Post, Start};

/// Events read at once.
const BATCH: u64 = 256;
/// Events that may be read and not yet settled: bounds memory.
const WINDOW: usize = 1024;
/// Stored deliveries of one webhook. Above this the log itself is the queue and isn't read further.
const MAX_STORED: usize = 10_000;
/// Achievements that may be uncommitted before no further call begins: together with the calls under way, all that a
/// crash repeats. The ledger's own bound on what is ahead of a slow event is lower, so a commit always makes room.
const MAX_AT_RISK: usize = 128;
/// A worker that ran this long before the store failed starts again as soon as one that never failed before.
const STABLE: Duration = Duration::from_secs(30);

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything is delivered.
    Resting,
    /// It was told to finish.
    Finished,
    /// Another node holds the instance.
    Fenced,
}

/// Serves the webhook until it rests or has ended; survives errors of the store and panics.
pub(crate) async fn run(context: Arc<Context>, post: Arc<Post>, mut start: Start) -> End {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let worked = AssertUnwindSafe(Worker::run(&context, &post, start)).catch_unwind().await;
        let consumer = &post.consumer;
        match worked {
            Ok(Ok(End::Resting)) => return End::Resting,
            Ok(Ok(end)) => {
                post.end();
                return end;
            }
            Ok(Err(error)) => {
                tracing::warn!(instance = %consumer.instance, webhook = %consumer.name, %error, "deliveries pause: the store failed");
            }
            Err(_) => {
                tracing::error!(instance = %consumer.instance, webhook = %consumer.name, "deliveries pause: their worker panicked");
            }
        }
        if began.elapsed() > STABLE {
            backoff.reset();
        }
        tokio::select! {
            () = post.finishing() => {
                post.end();
                return End::Finished;
            }
            () = sleep(backoff.pause()) => {}
        }
        start = Start::Stored;
    }
}

/// Everything in memory about the deliveries of one webhook.
struct Worker {
    context: Arc<Context>,
    post: Arc<Post>,
    lanes: Lanes<Arc<Event>>,
    ledger: Ledger,
    ready: VecDeque<(Lane, Arc<Event>)>,
    calls: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// The commit under way: while there is one, achievements gather for the next.
    commit: Option<Write<Vec<InstanceId>>>,
    caught_up: bool,
}

/// One thing to deliver.
enum Work {
    /// Straight from the log.
    Fresh(Arc<Event>),
    /// Stored earlier; its event is read when its turn comes, so that a long queue needs no memory.
    Stored(Row),
}

/// An attempt that has ended.
struct Finished {
    lane: Lane,
    work: Work,
    result: Result<Result<(), Failure>, StorageError>,
}

impl Worker {
    async fn run(context: &Arc<Context>, post: &Arc<Post>, start: Start) -> Result<End, StorageError> {
        let worker = match start {
            Start::At(position) => Self::new(context, post, position, Lanes::new()),
            Start::Stored => {
                post.succeed().await;
                Self::load(context, post).await?
            }
        };
        worker.serve().await
    }

    async fn load(context: &Arc<Context>, post: &Arc<Post>) -> Result<Self, StorageError> {
        let cursor = context.storage.cursor(&post.consumer).await?.unwrap_or(0);
        let mut lanes = Lanes::new();
        let mut after = 0;
        loop {
            let page = context.storage.pending_deliveries(&post.consumer, after, BATCH).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for delivery in page {
                let row = Row {
                    seq: delivery.seq,
                    attempts: delivery.attempts,
                    due: delivery.next_attempt,
                    created_at: delivery.created_at,
                };
                lanes.restore(delivery.chat.map(Arc::from), row);
            }
        }
        let worker = Self::new(context, post, Position { cursor, committed: cursor }, lanes);
        Ok(Self { caught_up: false, ..worker })
    }

    fn new(context: &Arc<Context>, post: &Arc<Post>, position: Position, lanes: Lanes<Arc<Event>>) -> Self {
        Self {
            context: Arc::clone(context),
            post: Arc::clone(post),
            lanes,
            ledger: Ledger::new(post.consumer.clone(), post.epoch, position),
            ready: VecDeque::new(),
            calls: FuturesUnordered::new(),
            commit: None,
            caught_up: true,
        }
    }

    async fn serve(mut self) -> Result<End, StorageError> {
        loop {
            if self.listen() {
                return self.finish().await;
            }
            self.read().await?;
            self.launch();
            self.commit();
            if self.is_idle() {
                if self.post.rest(self.ledger.position()) {
                    return Ok(End::Resting);
                }
                continue;
            }
            let due = self.next_due();
            tokio::select! {
                Some(finished) = self.calls.next() => self.settle_with_all_others(finished)?,
                stale = answer(&mut self.commit) => {
                    if self.is_fenced(&stale?) {
                        return Ok(End::Fenced);
                    }
                }
                () = self.post.rung() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// Takes what it was told in the meantime, and answers whether to finish. Events that follow on what was read last
    /// need no reading.
    fn listen(&mut self) -> bool {
        let mail = self.post.take_mail();
        self.caught_up &= !mail.missed;
        for News { after, events } in mail.news {
            if !self.caught_up || after > self.ledger.read() || !self.has_room() {
                self.caught_up = false;
                break;
            }
            let (now, read) = (now(), self.ledger.read());
            events.into_iter().filter(|heard| heard.seq() > read).for_each(|heard| self.admit(heard, now));
        }
        mail.finish
    }

    /// Reads the log until the window is full or its end is reached.
    async fn read(&mut self) -> Result<(), StorageError> {
        while !self.caught_up && self.has_room() {
            let instance = self.post.consumer.instance;
            let events = self.context.storage.events_after(instance, self.ledger.read(), BATCH).await?;
            self.caught_up = (events.len() as u64) < BATCH;
            let now = now();
            for event in events {
                let wanted = self.post.target.wants(&event);
                let heard = if wanted { Heard::Wanted(Arc::new(event)) } else { Heard::Unwanted(event.seq) };
                self.admit(heard, now);
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.ledger.open() < WINDOW && self.lanes.stored() < MAX_STORED
    }

    fn admit(&mut self, heard: Heard, now: Timestamp) {
        let event = match heard {
            Heard::Unwanted(seq) => return self.ledger.pass(seq),
            Heard::Wanted(event) => event,
        };
        let (seq, lane) = (event.seq, event.lane().map(Arc::from));
        self.ledger.begin(seq, Lane::clone(&lane));
        match self.lanes.admit(&lane, seq, now, event) {
            Admission::Send(event) => self.ready.push_back((lane, event)),
            Admission::Queued => {}
            Admission::Store(_) => {
                self.ledger.stored(&lane, Row::behind(seq, now), DeliveryState::Pending, None, now);
            }
        }
    }

    /// Starts attempts as far as the webhook's share allows.
    fn launch(&mut self) {
        let now = now();
        while self.may_launch() {
            // What is stored is older than what has just been read.
            let stored = self.lanes.take_due(now).map(|(lane, row)| (lane, Work::Stored(row)));
            let fresh = || self.ready.pop_front().map(|(lane, event)| (lane, Work::Fresh(event)));
            let Some((lane, work)) = stored.or_else(fresh) else { break };
            let attempt = attempt(Arc::clone(&self.context), Arc::clone(&self.post), lane, work);
            self.calls.push(Box::pin(attempt));
        }
    }

    fn may_launch(&self) -> bool {
        self.calls.len() < self.context.per_webhook && self.ledger.at_risk() < MAX_AT_RISK
    }

    /// Begins a commit, if one is due and none is under way.
    fn commit(&mut self) {
        if self.commit.is_none() && self.ledger.is_due() {
            self.commit =
                self.ledger.take(now()).map(|settlement| self.context.storage.settle(vec![settlement]));
        }
    }

    /// The commit under way has ended.
    fn is_fenced(&mut self, stale: &[InstanceId]) -> bool {
        self.commit = None;
        self.ledger.committed();
        stale.contains(&self.post.consumer.instance)
    }

    fn is_idle(&self) -> bool {
        self.caught_up && self.lanes.is_empty() && self.commit.is_none() && !self.ledger.is_due()
    }

    /// When a stored delivery is due that nothing else announces.
    fn next_due(&self) -> Option<Instant> {
        let due = self.lanes.next_due().filter(|_| self.may_launch())?;
        let wait = due.millis().saturating_sub(now().millis());
        Some(Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(0)))
    }

    /// Settles an attempt that has ended, and all others that have by now: one commit for all of them.
    fn settle_with_all_others(&mut self, finished: Finished) -> Result<(), StorageError> {
        self.settle(finished)?;
        while let Some(Some(finished)) = self.calls.next().now_or_never() {
            self.settle(finished)?;
        }
        Ok(())
    }

    fn settle(&mut self, finished: Finished) -> Result<(), StorageError> {
        let Finished { lane, work, result } = finished;
        match (work, result?) {
            (Work::Fresh(event), Ok(())) => {
                self.ledger.delivered(event.seq);
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
        let policy = self.post.target.policy();
        let verdict = policy.after_failure(row.attempts, failure.retry_after(), rand::random());
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
            self.ready.push_back((lane, next));
        }
    }

    /// Lets the calls under way end, starts nothing new, commits. What waited and was overtaken by events of other chats
    /// is stored, so that the cursor can pass it and nothing is delivered twice.
    async fn finish(mut self) -> Result<End, StorageError> {
        while let Some(finished) = self.calls.next().await {
            self.settle(finished)?;
        }
        if let Some(commit) = self.commit.take()
            && self.is_fenced(&commit.await?)
        {
            return Ok(End::Fenced);
        }
        let now = now();
        self.ledger.detain_overtaken(now);
        let Some(settlement) = self.ledger.take(now) else { return Ok(End::Finished) };
        let stale = self.context.storage.settle(vec![settlement]).await?;
        Ok(if self.is_fenced(&stale) { End::Fenced } else { End::Finished })
    }
}

async fn attempt(context: Arc<Context>, post: Arc<Post>, lane: Lane, work: Work) -> Finished {
    let result = match &work {
        Work::Fresh(event) => Ok(context.deliver(&post.target, event, 1).await),
        Work::Stored(row) => match context.storage.event(post.consumer.instance, row.seq).await {
            Ok(Some(event)) => Ok(context.deliver(&post.target, &event, row.attempts + 1).await),
            // The event is gone from the log, so there is nothing to deliver.
            Ok(None) => Ok(Ok(())),
            Err(error) => Err(error),
        },
    };
    Finished { lane, work, result }
}

/// The answer of the commit under way; never, if there is none.
async fn answer(commit: &mut Option<Write<Vec<InstanceId>>>) -> Result<Vec<InstanceId>, StorageError> {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

fn now() -> Timestamp {
    Utc::now().into()
}
