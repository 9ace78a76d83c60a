use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{
    Claim, Cursor, Due, InstanceId, Page, ScheduleLimits, Scheduled, ScheduledPatch, StoredClaim, Timestamp,
    UserId,
};

/// Messages that are to be sent later. They are taken by [`Fleet::record`](crate::Fleet::record).
#[async_trait]
pub trait ScheduleStore: Send + Sync + 'static {
    /// Adds a scheduled message, together with an idempotency key if there is one. Answers the earlier claim, and adds
    /// nothing, if the key was taken already. `NotFound` when the instance isn't the owner's; `Conflict` when the id is taken;
    /// `LimitReached` when the instance has as many as are allowed.
    fn schedule(
        &self,
        owner: UserId,
        scheduled: Scheduled,
        claim: Option<Claim>,
        limits: ScheduleLimits,
    ) -> Write<Option<StoredClaim>>;

    /// A page of the scheduled messages of an instance by their time, then in the order they were added in; only those
    /// behind the place `after`. `NotFound` when the instance isn't the owner's.
    async fn scheduled(
        &self,
        owner: UserId,
        instance: InstanceId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<Page<Scheduled>, StorageError>;

    /// One of them, by WhatsApp's id. `NotFound` when the instance isn't the owner's.
    async fn scheduled_message(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Option<Scheduled>, StorageError>;

    /// Changes one of them. `NotFound` when there is no such one, or it has left; `Stale` when it isn't in this version any
    /// more. Answers the changed one.
    fn reschedule(
        &self,
        owner: UserId,
        instance: InstanceId,
        due: Due,
        patch: ScheduledPatch,
        now: Timestamp,
    ) -> Write<Scheduled>;

    /// Removes one of them, by WhatsApp's id; answers it. `NotFound` as above.
    fn unschedule(&self, owner: UserId, instance: InstanceId, message_id: String) -> Write<Scheduled>;

    /// The instances, whoever owns them, of which something is due at this time.
    async fn due_instances(&self, at: Timestamp) -> Result<Vec<InstanceId>, StorageError>;

    /// Up to `limit` messages of an instance that are due at this time, by their time, then in the order they were added in.
    async fn due_messages(
        &self,
        instance: InstanceId,
        at: Timestamp,
        limit: u64,
    ) -> Result<Vec<Scheduled>, StorageError>;

    /// The first time after this one at which something is due.
    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StorageError>;
}
