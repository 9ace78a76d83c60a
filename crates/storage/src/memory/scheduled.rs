use async_trait::async_trait;

use super::messages::size;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Budget, Claim, Cursor, Due, InstanceId, Missing, Page, ScheduleLimits, ScheduleStore, Scheduled,
    ScheduledPatch, StorageError, StoredClaim, StoredMessageId, Timestamp, UserId, Write,
};

#[async_trait]
impl ScheduleStore for MemoryStorage {
    fn schedule(
        &self,
        owner: UserId,
        scheduled: Scheduled,
        claim: Option<Claim>,
        limits: ScheduleLimits,
    ) -> Write<Option<StoredClaim>> {
        self.write(|tables| {
            let instance = scheduled.instance;
            tables.owned(owner, instance)?;
            if let Some((_, earlier)) =
                claim.as_ref().and_then(|claim| tables.claims.get(&(claim.scope.clone(), claim.key.clone())))
            {
                return Ok(Some(earlier.clone()));
            }
            tables.instance_mut(instance)?.add_scheduled(scheduled, limits)?;
            if let Some(Claim { scope, key, fingerprint, answer, at }) = claim {
                tables.claims.insert((scope, key), (instance, StoredClaim { fingerprint, answer, at }));
            }
            Ok(None)
        })
    }

    async fn scheduled(
        &self,
        owner: UserId,
        instance: InstanceId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<Page<Scheduled>, StorageError> {
        let tables = self.lock();
        let all = tables.owned(owner, instance)?.scheduled_in_order();
        let total = all.len() as u64;
        let is_behind = |place: &Cursor| {
            after.is_none_or(|after| (place.major, place.minor) > (after.major, after.minor))
        };
        let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
        for (place, scheduled) in all.into_iter().filter(|(place, _)| is_behind(place)) {
            if !budget.has_room() || items.len() == size(limit) {
                return Ok(Page { items, total, has_more: true, next });
            }
            budget.take(scheduled.size());
            next = Some(place);
            items.push(scheduled.clone());
        }
        Ok(Page { items, total, has_more: false, next: None })
    }

    async fn scheduled_message(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Option<Scheduled>, StorageError> {
        let tables = self.lock();
        let mut all = tables.owned(owner, instance)?.scheduled.values();
        Ok(all.find(|scheduled| scheduled.message_id == message_id).cloned())
    }

    fn reschedule(
        &self,
        owner: UserId,
        instance: InstanceId,
        due: Due,
        patch: ScheduledPatch,
        now: Timestamp,
    ) -> Write<Scheduled> {
        self.write(|tables| {
            let mut all = tables.owned_mut(owner, instance)?.scheduled.values_mut();
            let found = all.find(|scheduled| scheduled.message_id == due.message_id).ok_or(NOT_SCHEDULED)?;
            if found.version != due.version {
                return Err(StorageError::Stale);
            }
            patch.apply(found, now);
            Ok(found.clone())
        })
    }

    fn unschedule(&self, owner: UserId, instance: InstanceId, message_id: String) -> Write<Scheduled> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            let key = tables.scheduled_key(|scheduled| scheduled.message_id == message_id);
            key.and_then(|key| tables.scheduled.remove(&key)).ok_or(NOT_SCHEDULED)
        })
    }

    async fn due_instances(&self, at: Timestamp) -> Result<Vec<InstanceId>, StorageError> {
        let tables = self.lock();
        let has_due = |tables: &InstanceTables| tables.scheduled.values().any(|one| one.send_at <= at);
        Ok(tables.instances.iter().filter(|(_, tables)| has_due(tables)).map(|(id, _)| *id).collect())
    }

    async fn due_messages(
        &self,
        instance: InstanceId,
        at: Timestamp,
        limit: u64,
    ) -> Result<Vec<Scheduled>, StorageError> {
        let tables = self.lock();
        let all = tables.instance(instance)?.scheduled_in_order().into_iter().map(|(_, one)| one);
        Ok(all.filter(|one| one.send_at <= at).take(size(limit)).cloned().collect())
    }

    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StorageError> {
        let tables = self.lock();
        let all = tables.instances.values().flat_map(|tables| tables.scheduled.values());
        Ok(all.map(|one| one.send_at).filter(|at| *at > after).min())
    }
}

impl InstanceTables {
    fn add_scheduled(&mut self, scheduled: Scheduled, limits: ScheduleLimits) -> Result<(), StorageError> {
        if self.scheduled_key(|other| other.message_id == scheduled.message_id).is_some() {
            return Err(StorageError::Conflict { what: "id" });
        }
        let files = self.scheduled.values().filter(|other| other.file.is_some()).count();
        let is_full = self.scheduled.len() >= size(limits.messages);
        if is_full || scheduled.file.is_some() && files >= size(limits.files) {
            return Err(StorageError::LimitReached { what: "scheduled messages" });
        }
        let key = self.scheduled.last_key_value().map_or(1, |(last, _)| last + 1);
        self.scheduled.insert(key, scheduled);
        Ok(())
    }

    /// By their time, then in the order they were added in, each with its place.
    fn scheduled_in_order(&self) -> Vec<(Cursor, &Scheduled)> {
        let place = |(key, one): (&i64, _)| Cursor { major: Scheduled::send_millis(one), minor: *key };
        let mut all: Vec<_> = self.scheduled.iter().map(|found| (place(found), found.1)).collect();
        all.sort_by_key(|(place, _)| (place.major, place.minor));
        all
    }

    fn scheduled_key(&self, is_it: impl Fn(&Scheduled) -> bool) -> Option<i64> {
        self.scheduled.iter().find(|(_, one)| is_it(one)).map(|(key, _)| *key)
    }

    /// Takes a message whose time has come.
    pub(super) fn take_due(&mut self, due: &Due) -> Result<(), StorageError> {
        let is_it = |one: &Scheduled| one.message_id == due.message_id && one.version == due.version;
        let key = self.scheduled_key(is_it).ok_or(StorageError::Stale)?;
        self.scheduled.remove(&key);
        Ok(())
    }

    pub(super) fn has_scheduled_file(&self, file: StoredMessageId) -> bool {
        self.scheduled.values().any(|one| one.file == Some(file))
    }
}

const NOT_SCHEDULED: StorageError = StorageError::NotFound { what: Missing::Scheduled };
