use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use storage::{Event, StorageError, Timestamp};
use tokio::time::Instant;

use super::now;
use crate::context::Context;
use crate::courier::Failure;
use crate::gate::Shown;
use crate::lanes::{Lane, Row};
use crate::perishable::is_void;
use crate::post::Post;

/// One attempt at one delivery.
pub(super) struct Attempt {
    pub(super) context: Arc<Context>,
    pub(super) post: Arc<Post>,
    pub(super) replaced: Arc<AtomicI64>,
}

/// One thing to deliver.
pub(super) enum Work {
    /// Straight from the log.
    Fresh(Arc<Event>),
    /// Stored earlier; its event is read when its turn comes, so that a long queue needs no memory.
    Stored(Row),
}

/// An attempt that has ended.
pub(super) struct Finished {
    pub(super) lane: Lane,
    pub(super) work: Work,
    /// What was tried, where it came so far.
    pub(super) event: Option<Arc<Event>>,
    pub(super) outcome: Result<Outcome, StorageError>,
    /// When it was tried, and for how many milliseconds.
    pub(super) tried: (Timestamp, u32),
}

/// What became of an attempt.
pub(super) enum Outcome {
    /// With this status.
    Delivered(u16),
    /// There is nothing to deliver: the event is gone from the log, or of no use any more.
    Void,
    Failed(Failure),
    /// It was given up before or while it took place: nothing is said of the receiver.
    Abandoned,
}

/// When it was tried and for how long, what was tried, and what became of it.
type Tried = ((Timestamp, u32), Option<Arc<Event>>, Result<Outcome, StorageError>);

impl Attempt {
    pub(super) async fn run(self, lane: Lane, work: Work) -> Finished {
        let (tried, event, outcome) = self.when_admitted(&work).await;
        Finished { lane, work, event, outcome, tried }
    }

    /// Waits for its turn, which a webhook without a destination doesn't need.
    async fn when_admitted(&self, work: &Work) -> Tried {
        let Some(route) = self.post.target.route() else { return self.deliver(work).await };
        let nothing = || ((Timestamp::default(), 0), None, Ok(Outcome::Abandoned));
        let failed_before = matches!(work, Work::Stored(row) if row.attempts > 0);
        let permit = tokio::select! {
            biased;
            () = self.post.finishing() => return nothing(),
            permit = self.context.gate.admit(route, failed_before) => permit,
        };
        let tried = tokio::select! {
            biased;
            delivered = self.deliver(work) => delivered,
            () = self.context.abandoned.cancelled() => nothing(),
        };
        permit.finish(match &tried.2 {
            Ok(Outcome::Delivered(_)) => Shown::Answer,
            Ok(Outcome::Failed(failure)) => failure.shows(),
            Ok(Outcome::Void | Outcome::Abandoned) | Err(_) => Shown::Nothing,
        });
        tried
    }

    async fn deliver(&self, work: &Work) -> Tried {
        let (at, began) = (now(), Instant::now());
        let (event, outcome) = self.attempt(work).await;
        let took = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        ((at, took), event, outcome)
    }

    async fn attempt(&self, work: &Work) -> (Option<Arc<Event>>, Result<Outcome, StorageError>) {
        let (found, number) = match work {
            Work::Fresh(event) => (Ok(Some(Arc::clone(event))), 1),
            Work::Stored(row) => {
                let found = self.context.storage.event(self.post.consumer.instance, row.seq).await;
                (found.map(|event| event.map(Arc::new)), row.attempts.saturating_add(1))
            }
        };
        let event = match found {
            Ok(Some(event)) => event,
            Ok(None) => return (None, Ok(Outcome::Void)),
            Err(error) => return (None, Err(error)),
        };
        if is_void(&event, self.replaced.load(Ordering::Relaxed), now()) {
            return (Some(event), Ok(Outcome::Void));
        }
        let replayed = matches!(work, Work::Stored(row) if row.replayed);
        let delivered = self.context.deliver(&self.post.target, &event, number, replayed).await;
        (Some(event), Ok(delivered.map_or_else(Outcome::Failed, Outcome::Delivered)))
    }
}
