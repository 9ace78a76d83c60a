use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{Day, InstanceId, Usage, UserId};

/// What instances have done, counted by day. Messages are counted by the event that tells of them, in its commit
/// ([`Usage::of`]); the rest by [`Self::add_usage`]. Counts stay when messages and events are forgotten, and go with their
/// instance.
#[async_trait]
pub trait UsageStore: Send + Sync + 'static {
    /// What the owner's instance has done on each day from this one on, ascending; days without anything are left out.
    /// `NotFound` when the instance isn't the owner's.
    async fn usage_by_day(
        &self,
        owner: UserId,
        instance: InstanceId,
        from: Day,
    ) -> Result<Vec<(Day, Usage)>, StorageError>;

    /// Each instance of a user, oldest first, with its name and what it has done from this day on.
    async fn usage_of_owner(
        &self,
        owner: UserId,
        from: Day,
    ) -> Result<Vec<(InstanceId, String, Usage)>, StorageError>;

    /// What an instance has done from this day on, whoever owns it; nothing where there is none.
    async fn usage_since(&self, instance: InstanceId, from: Day) -> Result<Usage, StorageError>;

    /// What all instances together have ever done. Reads all of it.
    async fn usage_of_all(&self) -> Result<Usage, StorageError>;

    /// Adds to what instances have done; those that don't exist (any more) are left out. Nobody waits for it: it is as
    /// [`Urgency::Soon`](crate::Urgency::Soon).
    fn add_usage(&self, counts: Vec<(InstanceId, Day, Usage)>) -> Write<()>;
}
