use async_trait::async_trait;

use super::messages::size;
use super::{MemoryStorage, Tables};
use crate::{AuditEntry, AuditPage, AuditQuery, AuditStore, Budget, StorageError, Timestamp, Write};

#[async_trait]
impl AuditStore for MemoryStorage {
    fn audit(&self, entry: AuditEntry) -> Write<()> {
        self.write(|tables| {
            tables.tell(Some(entry));
            Ok(())
        })
    }

    async fn audited(&self, query: &AuditQuery) -> Result<AuditPage, StorageError> {
        let tables = self.lock();
        let before = query.before.unwrap_or(i64::MAX);
        let asked = |(place, entry): &&(i64, AuditEntry)| *place < before && query.asks_for(entry);
        let mut found = tables.audit.iter().rev().filter(asked);
        let (mut entries, mut budget) = (Vec::new(), Budget::default());
        for (place, entry) in found.by_ref().take(size(query.limit)) {
            budget.take(entry.size());
            entries.push((*place, entry.clone()));
            if !budget.has_room() {
                break;
            }
        }
        let next = found.next().and(entries.last()).map(|(place, _)| *place);
        Ok(AuditPage { entries, next })
    }

    async fn prune_audit(&self, before: Timestamp, limit: u64) -> Result<u64, StorageError> {
        let mut tables = self.lock();
        let (had, mut seen) = (tables.audit.len(), 0);
        tables.audit.retain(|(_, entry)| {
            seen += 1;
            seen > limit || entry.at >= before
        });
        Ok((had - tables.audit.len()) as u64)
    }
}

impl Tables {
    /// Appends to the audit log.
    pub(super) fn tell(&mut self, told: Option<AuditEntry>) {
        if let Some(entry) = told {
            self.audit_end += 1;
            self.audit.push((self.audit_end, entry));
        }
    }
}
