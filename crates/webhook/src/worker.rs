//! The deliveries of one webhook, for as long as there is something to do.

mod attempt;
mod settle;

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use storage::{Backoff, DeliveryState, Event, InstanceId, Recorded, StorageError, Timestamp, Write};
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::Context;
use crate::jumps::Jumps;
use crate::lanes::{Admission, Lane, Lanes, Row};
use crate::ledger::{Ledger, Position};
use crate::observer::ASK_AGAIN;
use crate::perishable::{is_perishable, replaces_codes};
use crate::post::{Heard, News, Post, Start};
use attempt::{Attempt, Finished, Work};

/// Events read at once.
const BATCH: u64 = 256;
/// Events that may be read and not yet settled: bounds memory, together with the next.
const WINDOW: usize = 1024;
/// Bytes of events that one webhook holds in memory, and beyond which no further ones are read: a text may have 260 KB.
const MAX_HELD: usize = 4 << 20;
/// Stored deliveries of one webhook that are known in memory. Above this the log itself is the queue and isn't read
/// further, and of those that a replay has made pending the later ones wait in the store.
const MAX_STORED: usize = 10_000;
/// Achievements that may be uncommitted before no further call begins: together with the calls under way, all that a
/// crash repeats. The ledger's own bound on what is ahead of a slow event is lower, so a commit always makes room.
const MAX_AT_RISK: usize = 128;
/// A worker that ran this long before the store failed starts again as soon as one that never failed before.
const STABLE: Duration = Duration::from_secs(30);

/// No sleep is longer: the clock may have jumped meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

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
    /// Stored deliveries after this one are not known yet, if there are any; before they are, the log isn't read.
    unloaded: Option<i64>,
    ready: VecDeque<(Lane, Arc<Event>)>,
    /// Bytes of the events in `ready`, in `lanes` and on their way.
    held: usize,
    /// Stored deliveries of events that lose their worth.
    perishing: HashSet<i64>,
    /// Position of the newest event that replaces codes.
    replaced: Arc<AtomicI64>,
    calls: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// The commit under way: while there is one, achievements gather for the next.
    commit: Option<Write<Vec<InstanceId>>>,
    /// What is being stored of the receiver.
    marks: FuturesUnordered<Write<Recorded>>,
    caught_up: bool,
    jumps: Jumps,
}

impl Worker {
    async fn run(context: &Arc<Context>, post: &Arc<Post>, start: Start) -> Result<End, StorageError> {
        let worker = match start {
            Start::At(position) => Self::new(context, post, position),
            Start::Stored => {
                post.succeed().await;
                let cursor = context.storage.cursor(&post.consumer).await?.unwrap_or(0);
                let worker = Self::new(context, post, Position { cursor, committed: cursor });
                Self { caught_up: false, unloaded: Some(0), ..worker }
            }
        };
        worker.serve().await
    }

    fn new(context: &Arc<Context>, post: &Arc<Post>, position: Position) -> Self {
        Self {
            context: Arc::clone(context),
            post: Arc::clone(post),
            lanes: Lanes::new(),
            ledger: Ledger::new(post.consumer.clone(), post.epoch, position),
            unloaded: None,
            ready: VecDeque::new(),
            held: 0,
            perishing: HashSet::new(),
            replaced: Arc::default(),
            calls: FuturesUnordered::new(),
            commit: None,
            marks: FuturesUnordered::new(),
            caught_up: true,
            jumps: Jumps::since(std::time::Instant::now(), now()),
        }
    }

    async fn serve(mut self) -> Result<End, StorageError> {
        loop {
            if self.listen() {
                return self.finish().await;
            }
            self.load().await?;
            self.read().await?;
            self.follow_clock();
            self.lanes.pull_in(now().after(self.post.target.policy().longest()));
            self.launch();
            self.commit();
            if self.is_idle() {
                if self.post.rest(self.ledger.position()) {
                    return Ok(End::Resting);
                }
                continue;
            }
            let due = self.next_due().or_else(|| self.is_kept_waiting().then(|| Instant::now() + ASK_AGAIN));
            tokio::select! {
                Some(finished) = self.calls.next() => self.settle_with_all_others(finished)?,
                stale = answer(&mut self.commit) => {
                    if self.is_fenced(&stale?) {
                        return Ok(End::Fenced);
                    }
                }
                Some(marked) = self.marks.next() => self.marked(marked)?,
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

    /// Reads what is pending, as far as there is room for it.
    async fn load(&mut self) -> Result<(), StorageError> {
        while let Some(after) = self.unloaded.filter(|_| self.lanes.stored() < MAX_STORED) {
            let page = self.context.storage.pending_deliveries(&self.post.consumer, after, BATCH).await?;
            self.unloaded = page.last().map(|last| last.seq);
            for delivery in page {
                let row = Row {
                    seq: delivery.seq,
                    attempts: delivery.attempts,
                    due: delivery.next_attempt,
                    created_at: delivery.created_at,
                    replayed: delivery.replayed,
                };
                self.lanes.restore(delivery.chat.map(Arc::from), row);
            }
        }
        Ok(())
    }

    /// Reads the log until the window is full or its end is reached.
    async fn read(&mut self) -> Result<(), StorageError> {
        while !self.caught_up && self.has_room() {
            let instance = self.post.consumer.instance;
            let events = self.context.storage.events_after(instance, self.ledger.read(), BATCH).await?;
            // A page may end early, at a size.
            self.caught_up = events.is_empty();
            let now = now();
            for event in events {
                let wanted = self.post.target.wants(&event);
                let heard = if wanted { Heard::Wanted(Arc::new(event)) } else { Heard::Unwanted(event.seq) };
                self.admit(heard, now);
            }
        }
        Ok(())
    }

    /// While the receiver doesn't answer, events wait in the log rather than in memory.
    fn has_room(&self) -> bool {
        let is_silent = || self.post.target.route().is_some_and(|route| self.context.gate.is_paused(route));
        let is_paused = self.post.standing.lock().is_paused();
        let window = match is_paused {
            true => 1,
            false if is_silent() => self.context.per_webhook,
            false => WINDOW,
        };
        self.ledger.open() < window
            && self.held < MAX_HELD
            && self.unloaded.is_none()
            && self.lanes.stored() < MAX_STORED
    }

    fn admit(&mut self, heard: Heard, now: Timestamp) {
        let event = match heard {
            Heard::Unwanted(seq) => return self.ledger.pass(seq),
            Heard::Wanted(event) => event,
        };
        let (seq, lane) = (event.seq, event.lane().map(Arc::from));
        self.ledger.begin(seq, Lane::clone(&lane));
        if replaces_codes(&event) {
            self.replaced.store(seq, Ordering::Relaxed);
            self.lanes.hasten(&lane, now, |seq| self.perishing.contains(&seq));
        }
        self.held += event.size();
        match self.lanes.admit(&lane, seq, now, event) {
            Admission::Send(event) => self.ready.push_back((lane, event)),
            Admission::Queued => {}
            Admission::Store(event) => self.store_behind(&lane, &event, now),
        }
    }

    /// The event becomes a stored delivery behind others of its chat, and is held no longer.
    fn store_behind(&mut self, lane: &Lane, event: &Event, now: Timestamp) {
        self.held -= event.size();
        if is_perishable(event) {
            self.perishing.insert(event.seq);
        }
        self.ledger.stored(lane, Row::behind(event.seq, now), DeliveryState::Pending, None, now);
    }

    /// Starts attempts as far as the webhook's share allows.
    fn launch(&mut self) {
        let now = now();
        while self.may_launch() && self.may_probe(now) {
            // What is stored is older than what has just been read.
            let stored = self.lanes.take_due(now).map(|(lane, row)| (lane, Work::Stored(row)));
            let fresh = || self.ready.pop_front().map(|(lane, event)| (lane, Work::Fresh(event)));
            let Some((lane, work)) = stored.or_else(fresh) else { break };
            self.post.standing.lock().probes(now);
            let attempt = Attempt {
                context: Arc::clone(&self.context),
                post: Arc::clone(&self.post),
                replaced: Arc::clone(&self.replaced),
            };
            self.calls.push(Box::pin(attempt.run(lane, work)));
        }
    }

    fn may_launch(&self) -> bool {
        self.calls.len() < self.context.per_webhook
            && self.ledger.at_risk() < MAX_AT_RISK
            && self.has_allowance()
    }

    /// Whether another call may be made, as far as calls of the instance are limited.
    fn has_allowance(&self) -> bool {
        let room = self.context.observer.room(self.post.consumer.instance);
        room.is_none_or(|room| (self.calls.len() as u64) < room)
    }

    /// Whether there is something to deliver that may not be delivered yet.
    fn is_kept_waiting(&self) -> bool {
        let is_due = !self.ready.is_empty() || self.lanes.next_due().is_some_and(|due| due <= now());
        let waits = is_due && self.calls.is_empty() && !self.has_allowance();
        if waits {
            self.context.observer.waiting(self.post.consumer.instance);
        }
        waits
    }

    /// While only probes are made, one at a time is, and none before its time.
    fn may_probe(&self, now: Timestamp) -> bool {
        let next = self.post.standing.lock().next_probe();
        next.is_none_or(|next| next <= now && self.calls.is_empty())
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

    /// A retry waits as long as it was to wait, wherever the clock is set meanwhile.
    fn follow_clock(&mut self) {
        if let Some(jump) = self.jumps.look(std::time::Instant::now(), now()) {
            tracing::info!(jump, "the clock has jumped; retries move with it");
            self.lanes.move_due(jump);
            self.post.standing.lock().follow_clock(jump);
        }
    }

    fn is_idle(&self) -> bool {
        let is_quiet = self.commit.is_none() && self.marks.is_empty();
        self.caught_up && self.lanes.is_empty() && is_quiet && !self.ledger.is_due()
    }

    /// When a stored delivery is due, or a probe, that nothing else announces.
    fn next_due(&self) -> Option<Instant> {
        let probe = self.post.standing.lock().next_probe();
        let due = match probe {
            None => self.lanes.next_due().filter(|_| self.may_launch())?,
            Some(_) if !self.calls.is_empty() => return None,
            Some(probe) if self.ready.is_empty() => self.lanes.next_due()?.max(probe),
            Some(probe) => probe,
        };
        let wait = due.millis().saturating_sub(now().millis());
        // A clock that is set back would make it an hour, or a year.
        Some(Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(0)).min(LOOK_AGAIN))
    }

    /// Lets the calls under way end for a moment (those that wait for their turn do at once), starts nothing new, commits.
    /// What waited and was overtaken by events of other chats
    /// is stored, so that the cursor can pass it and nothing is delivered twice.
    async fn finish(mut self) -> Result<End, StorageError> {
        while let Some(finished) = self.calls.next().await {
            self.settle(finished)?;
        }
        while let Some(marked) = self.marks.next().await {
            self.marked(marked)?;
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
