use async_trait::async_trait;

use super::{InstanceTables, MemoryStorage};
use crate::{Day, Instance, InstanceId, StorageError, Usage, UsageStore, UserId, Write};

#[async_trait]
impl UsageStore for MemoryStorage {
    async fn usage_by_day(
        &self,
        owner: UserId,
        instance: InstanceId,
        from: Day,
    ) -> Result<Vec<(Day, Usage)>, StorageError> {
        let tables = self.lock();
        Ok(tables.owned(owner, instance)?.usage.range(from..).map(|(day, usage)| (*day, *usage)).collect())
    }

    async fn usage_of_owner(
        &self,
        owner: UserId,
        from: Day,
    ) -> Result<Vec<(InstanceId, String, Usage)>, StorageError> {
        let tables = self.lock();
        let mut owned: Vec<_> = tables.of_owner(owner).collect();
        owned.sort_by_key(|tables| tables.age());
        let of_each = owned.into_iter().map(|tables| {
            let Instance { id, name, .. } = &tables.instance;
            (*id, name.clone(), tables.usage_from(from))
        });
        Ok(of_each.collect())
    }

    async fn usage_since(&self, instance: InstanceId, from: Day) -> Result<Usage, StorageError> {
        let tables = self.lock();
        Ok(tables.instance(instance).map(|tables| tables.usage_from(from)).unwrap_or_default())
    }

    async fn usage_of_all(&self) -> Result<Usage, StorageError> {
        Ok(self.lock().instances.values().flat_map(|tables| tables.usage.values().copied()).sum())
    }

    fn add_usage(&self, counts: Vec<(InstanceId, Day, Usage)>) -> Write<()> {
        self.write(|tables| {
            for (instance, day, usage) in counts {
                if let Ok(tables) = tables.instance_mut(instance) {
                    tables.count(day, usage);
                }
            }
            Ok(())
        })
    }
}

impl InstanceTables {
    pub(super) fn count(&mut self, day: Day, usage: Usage) {
        if !usage.is_nothing() {
            *self.usage.entry(day).or_default() += usage;
        }
    }

    fn usage_from(&self, from: Day) -> Usage {
        self.usage.range(from..).map(|(_, usage)| *usage).sum()
    }
}
