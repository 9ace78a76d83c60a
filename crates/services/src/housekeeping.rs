//! What the services tidy up while they run.

mod aging;

use std::sync::Arc;
use std::time::Duration;

use storage::{Clock, Storage, StorageError};
use tokio::time::sleep;

use self::aging::Aging;

/// How long an idempotency key is remembered. A client that repeats a call later than that means it.
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often is looked for what has grown too old.
const INTERVAL: Duration = Duration::from_secs(60 * 60);
/// No QR code is good for longer; those that are left had an owner that has died.
const LONGEST_CODE: Duration = Duration::from_secs(60 * 60);
/// How long it is told what was tried of deliveries, of the last attempts.
const ATTEMPTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows that are forgotten in one commit: few enough that nobody who writes meanwhile notices.
const PIECE: u64 = 1_000;
/// How often is looked for messages that can't be found yet: searches don't depend on it, but the more there are the more
/// each costs.
const INDEX_INTERVAL: Duration = Duration::from_secs(5);
/// The rest between two pieces.
const BREATH: Duration = Duration::from_millis(50);

/// How long events, messages and files are kept where an instance has no setting of its own; `None` keeps them for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepFor {
    /// Events: every consumer that is switched on gets them all the same.
    pub events: Option<Duration>,
    /// Messages, counted from when they were written; those that still wait to be sent stay.
    pub messages: Option<Duration>,
    /// The files of messages, counted as these.
    pub media: Option<Duration>,
    /// Dead letters, counted from when they were given up; with them goes what keeps their events.
    pub dead_letters: Option<Duration>,
    /// The audit log.
    pub audit: Option<Duration>,
}

impl Default for KeepFor {
    /// Events and dead letters for 30 days, messages and files for ever, the audit log for a year.
    fn default() -> Self {
        let days = |count: u64| Some(Duration::from_secs(count * 24 * 60 * 60));
        Self { events: days(30), messages: None, media: None, dead_letters: days(30), audit: days(365) }
    }
}

/// Forgets what has grown too old, now and every hour. Never ends.
pub(crate) async fn keep(storage: Arc<dyn Storage>, keep_for: KeepFor, clock: Clock) {
    let mut aging = Aging::load(&*storage, clock).await;
    let mut hours = tokio::time::interval(INTERVAL);
    loop {
        hours.tick().await;
        let seen = aging.advance(&*storage).await;
        let before = seen.time.before(IDEMPOTENCY_LIFETIME);
        let keys = in_pieces(|| storage.prune_claims(before, PIECE)).await;
        report("idempotency keys", keys);
        let codes = storage.forget_codes(seen.time.before(LONGEST_CODE)).await;
        report("QR codes", codes);
        if seen.doubts {
            tracing::warn!(
                seen = %seen.time,
                "the clock is far ahead of the time that was seen to pass; events and messages are kept until that catches up"
            );
            continue;
        }
        if let Some(kept) = keep_for.dead_letters {
            let letters = in_pieces(|| storage.prune_dead(kept, PIECE)).await;
            report("dead letters", letters);
        }
        let attempts = in_pieces(|| storage.prune_attempts(ATTEMPTS, PIECE)).await;
        report("attempts of deliveries", attempts);
        let events = in_pieces(|| storage.prune_events(keep_for.events, PIECE)).await;
        report("events", events);
        let messages = in_pieces(|| storage.prune_messages(keep_for.messages, PIECE)).await;
        report("messages", messages);
        let files = in_pieces(|| storage.prune_media(keep_for.media, PIECE)).await;
        report("files of messages", files);
        if let Some(kept) = keep_for.audit {
            let before = seen.time.before(kept);
            let entries = in_pieces(|| storage.prune_audit(before, PIECE)).await;
            report("entries of the audit log", entries);
        }
    }
}

/// Lets messages be found by their words soon after they were stored. Never ends.
pub(crate) async fn keep_searchable(storage: Arc<dyn Storage>) {
    loop {
        if let Err(error) = in_pieces(|| storage.index_messages(PIECE)).await {
            tracing::warn!(%error, "messages can't be indexed; searches do it");
        }
        sleep(INDEX_INTERVAL).await;
    }
}

/// Goes on until there is nothing left to forget; answers how much there was.
async fn in_pieces<F>(forget: impl Fn() -> F) -> Result<u64, StorageError>
where
    F: Future<Output = Result<u64, StorageError>>,
{
    let mut total = 0;
    loop {
        match forget().await? {
            0 => return Ok(total),
            count => total += count,
        }
        sleep(BREATH).await;
    }
}

fn report(what: &str, forgotten: Result<u64, StorageError>) {
    match forgotten {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old {what} are forgotten"),
        Err(error) => tracing::warn!(%error, "old {what} can't be forgotten"),
    }
}

#[cfg(test)]
mod tests;
