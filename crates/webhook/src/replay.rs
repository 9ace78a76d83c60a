//! Delivering a part of the log once more.

use chrono::Utc;
use storage::{Consumer, Storage, StorageError, UserId, Webhook};

/// Most events that one call delivers again: each is a stored delivery until it has arrived.
pub const MAX_REPLAY: u64 = 10_000;
/// Events that are read at once, and made due by one write.
const PIECE: u64 = 250;

/// What is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How many events.
    pub count: u64,
    /// Where the rest of the range begins, if there was too much for one call.
    pub next: Option<i64>,
}

/// Makes what the webhook wants of the events from one position to another due again, piece by piece.
pub(crate) async fn range(
    storage: &dyn Storage,
    owner: UserId,
    webhook: &Webhook,
    from: i64,
    to: i64,
) -> Result<Replay, StorageError> {
    let consumer = Consumer::webhook(webhook.instance, webhook.name.as_str());
    let (mut replay, mut after) = (Replay { count: 0, next: None }, from.saturating_sub(1));
    while after < to {
        if replay.count >= MAX_REPLAY {
            replay.next = Some(after + 1);
            break;
        }
        let events = storage.events_after(webhook.instance, after, PIECE).await?;
        let Some(last) = events.last() else { break };
        after = last.seq;
        let wanted = events.iter().filter(|event| event.seq <= to && webhook.filter.wants_event(event));
        let seqs: Vec<_> = wanted.map(|event| event.seq).collect();
        if !seqs.is_empty() {
            let again = storage.redeliver(owner, consumer.clone(), seqs, Utc::now().into()).await?;
            replay.count += again.len() as u64;
        }
    }
    Ok(replay)
}
