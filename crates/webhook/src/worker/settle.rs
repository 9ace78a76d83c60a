use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;
use storage::{
    Attempt, AttemptOutcome, DeliveryState, Event, Recorded, StorageError, Timestamp, WebhookMark,
};

use super::attempt::{Finished, Outcome, Work};
use super::{Worker, now};
use crate::courier::Failure;
use crate::lanes::{Lane, Row};
use crate::observer::CallOutcome;
use crate::perishable::{is_perishable, is_void};
use crate::policy::{OUR_PAUSE, PERISHABLE_PAUSE, Verdict};

/// What follows a failure.
enum Next {
    Retry(Duration),
    GiveUp,
    Drop,
}

/// What becomes of attempts that have ended.
impl Worker {
    /// Settles an attempt that has ended, and all others that have by now: one commit for all of them.
    pub(super) fn settle_with_all_others(&mut self, finished: Finished) -> Result<(), StorageError> {
        self.settle(finished)?;
        while let Some(Some(finished)) = self.calls.next().now_or_never() {
            self.settle(finished)?;
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, finished: Finished) -> Result<(), StorageError> {
        let Finished { lane, work, event, outcome, tried } = finished;
        if let Work::Fresh(event) = &work {
            self.held -= event.size();
        }
        match outcome? {
            Outcome::Delivered(status) => {
                self.observe(CallOutcome::Delivered, event.as_deref());
                self.took();
                if let Some(event) = &event {
                    let attempt = told(event, &work, tried, AttemptOutcome::Delivered);
                    self.ledger.tried(Attempt { status_code: Some(status), ..attempt });
                }
                self.done(lane, &work);
            }
            Outcome::Void => self.done(lane, &work),
            Outcome::Failed(failure) => {
                let outcome = self.fail(lane, &work, event.as_deref(), &failure);
                if let Some((event, outcome)) = event.zip(outcome) {
                    let (status_code, error) = (failure.status_code(), Some(failure.to_string()));
                    let attempt = told(&event, &work, tried, outcome);
                    self.ledger.tried(Attempt { status_code, error, ..attempt });
                }
            }
            // The worker finishes: what is in the log or stored stays there.
            Outcome::Abandoned => {}
        }
        Ok(())
    }

    /// The receiver has taken a call: if it had taken none for long, what waits is due.
    fn took(&mut self) {
        let now = now();
        let mark = self.post.standing.lock().took(now);
        if mark.is_some() {
            self.lanes.hasten_all(now);
        }
        self.mark(mark);
    }

    /// Has the store note something of the receiver.
    fn mark(&mut self, mark: Option<WebhookMark>) {
        let Some(mark) = mark else { return };
        let (consumer, epoch) = (self.post.consumer.clone(), self.post.epoch);
        if let WebhookMark::Paused { since } = mark {
            tracing::warn!(instance = %consumer.instance, webhook = %consumer.name, %since, "a webhook is paused: its receiver takes nothing");
        }
        self.marks.push(self.context.storage.mark_webhook(consumer, epoch, mark, now()));
    }

    /// Something of the receiver is stored. A webhook that is gone, or another process's, ends by itself.
    pub(super) fn marked(&self, marked: Result<Recorded, StorageError>) -> Result<(), StorageError> {
        match marked {
            Ok(recorded) => self.context.announce(self.post.consumer.instance, &recorded),
            Err(StorageError::NotFound { .. } | StorageError::Fenced) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn done(&mut self, lane: Lane, work: &Work) {
        match work {
            Work::Fresh(event) => {
                self.ledger.delivered(event.seq);
                self.proceed(lane);
            }
            Work::Stored(row) => {
                self.perishing.remove(&row.seq);
                self.ledger.removed(row.seq);
                self.lanes.retried(lane);
            }
        }
    }

    /// Answers what became of the attempt, if it was one.
    fn fail(
        &mut self,
        lane: Lane,
        work: &Work,
        event: Option<&Event>,
        failure: &Failure,
    ) -> Option<AttemptOutcome> {
        let now = now();
        let mut row = match work {
            Work::Fresh(event) => Row::behind(event.seq, now),
            Work::Stored(row) => *row,
        };
        let counts = failure.counts(row.created_at, now);
        let mark = counts.then(|| self.post.standing.lock().failed(now)).flatten();
        self.mark(mark);
        // A probe says nothing of what it tells.
        row.attempts += u32::from(counts && !self.post.standing.lock().is_paused());
        let failed = counts.then_some(AttemptOutcome::Failed);
        let delay = match self.next(row, event, failure, counts, now) {
            Next::Retry(delay) => delay,
            Next::GiveUp => {
                self.observe(CallOutcome::GivenUp, event);
                self.give_up(lane, work, row, failure, now);
                return Some(AttemptOutcome::GivenUp);
            }
            Next::Drop => {
                self.done(lane, work);
                return failed;
            }
        };
        self.observe(CallOutcome::Failed, event);
        row.due = now.plus_millis(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
        if event.is_some_and(is_perishable) {
            self.perishing.insert(row.seq);
        }
        self.ledger.stored(&lane, row, DeliveryState::Pending, Some(failure), now);
        match work {
            Work::Stored(_) => self.lanes.retry_again(lane, row),
            Work::Fresh(_) => {
                for event in self.lanes.fail(lane.clone(), row, |event| event.seq) {
                    self.store_behind(&lane, &event, now);
                }
            }
        }
        failed
    }

    /// What doesn't count is tried again without an end, what loses its worth is tried soon or not at all.
    fn next(&self, row: Row, event: Option<&Event>, failure: &Failure, counts: bool, now: Timestamp) -> Next {
        let standing = *self.post.standing.lock();
        let verdict = match () {
            () if standing.is_paused() => Verdict::Retry(standing.probe_pause()),
            () if !counts => Verdict::Retry(OUR_PAUSE),
            () if failure.is_refusal() && standing.is_refused(row.created_at, now) => Verdict::GiveUp,
            () => {
                let policy = self.post.target.policy();
                policy.after_failure(row.attempts, failure.retry_after(), rand::random())
            }
        };
        match (verdict, event.filter(|event| is_perishable(event))) {
            (Verdict::GiveUp, _) => Next::GiveUp,
            (Verdict::Retry(delay), None) => Next::Retry(delay),
            (Verdict::Retry(delay), Some(event)) => {
                let delay = delay.min(PERISHABLE_PAUSE);
                let then = now.plus_millis(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
                let is_void = is_void(event, self.replaced.load(Ordering::Relaxed), then);
                if is_void { Next::Drop } else { Next::Retry(delay) }
            }
        }
    }

    fn observe(&self, outcome: CallOutcome, event: Option<&Event>) {
        let age = event.map_or(0, |event| now().millis().saturating_sub(event.timestamp.millis()));
        let lag = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        self.context.observer.called(self.post.consumer.instance, outcome, lag);
    }

    fn give_up(&mut self, lane: Lane, work: &Work, row: Row, failure: &Failure, now: Timestamp) {
        self.perishing.remove(&row.seq);
        self.ledger.stored(&lane, row, DeliveryState::Dead, Some(failure), now);
        match work {
            Work::Fresh(_) => self.proceed(lane),
            Work::Stored(_) => self.lanes.retried(lane),
        }
    }

    fn proceed(&mut self, lane: Lane) {
        if let Some(next) = self.lanes.proceed(&lane) {
            self.ready.push_back((lane, next));
        }
    }
}

/// What is told of an attempt, before its status and its error.
fn told(event: &Event, work: &Work, (at, millis): (Timestamp, u32), outcome: AttemptOutcome) -> Attempt {
    let (number, replayed) = match work {
        Work::Fresh(_) => (1, false),
        Work::Stored(row) => (row.attempts.saturating_add(1), row.replayed),
    };
    let (seq, kind) = (event.seq, event.kind());
    Attempt {
        seq,
        event: event.id,
        kind,
        number,
        at,
        millis,
        status_code: None,
        error: None,
        outcome,
        replayed,
    }
}
