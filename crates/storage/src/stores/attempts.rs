use std::time::Duration;

use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{Attempt, AttemptQuery, Consumer, Page, Timestamp, UserId};

/// What was tried of a webhook's deliveries, as the owner of the instance sees it. It is written with
/// [`DeliveryStore::settle`](crate::DeliveryStore::settle).
#[async_trait]
pub trait AttemptStore: Send + Sync + 'static {
    /// A page of the attempts of a webhook, newest first, of the last [`KEPT_ATTEMPTS`](crate::KEPT_ATTEMPTS) or some more.
    /// `NotFound` when the instance isn't the owner's.
    async fn attempts(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &AttemptQuery,
    ) -> Result<Page<Attempt>, StorageError>;

    /// Makes deliveries of these events that are due at `now`, with no attempts counted and marked as
    /// [`replayed`](crate::Delivery::replayed), whether there were such deliveries or not. Left out are events that the log
    /// doesn't have, or that the webhook has not come to yet. Answers the positions of the others. `NotFound` when the
    /// instance isn't the owner's, or has no such webhook.
    fn redeliver(&self, owner: UserId, consumer: Consumer, seqs: Vec<i64>, now: Timestamp)
    -> Write<Vec<i64>>;

    /// Forgets attempts from longer ago than `kept`, about `limit` of them; answers how many rows went, so that the caller
    /// goes on in pieces until that is 0.
    async fn prune_attempts(&self, kept: Duration, limit: u64) -> Result<u64, StorageError>;
}
