//! Records in one file, for programs that embed a companion and have no database.

use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::table::Table;
use crate::{Batch, Commit, Key, Kind, Records, StoreError};

mod frame;
mod log;

use log::Log;

/// All records in memory, every batch in a log on the disk.
pub(crate) struct FileRecords {
    /// Held while a batch is written: the order of batches is the order of its holders.
    log: Mutex<Log>,
    /// Only what is durable.
    table: Mutex<Table>,
}

impl FileRecords {
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let mut table = Table::default();
        let mut log = Log::open(path, &mut table)?;
        log.compact_if_large(&table);
        Ok(Self { log: Mutex::new(log), table: Mutex::new(table) })
    }

    fn apply_now(&self, batch: Batch) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        log.append(&batch).map_err(StoreError::backend)?;
        let mut table = self.table.lock();
        batch.into_steps().into_iter().for_each(|step| table.apply(step));
        log.compact_if_large(&table);
        Ok(())
    }
}

#[async_trait]
impl Records for FileRecords {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(self.table.lock().get(kind, keys))
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        Ok(self.table.lock().scan(kind, range, limit))
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        Ok(self.table.lock().count(kind))
    }

    fn apply(&self, batch: Batch) -> Commit {
        Box::pin(std::future::ready(self.apply_now(batch)))
    }
}

/// Why a store's file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file or its folder can't be made, read or written.
    #[error("{path} is not accessible")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What exactly failed.
        #[source]
        source: std::io::Error,
    },
    /// Another process, or another part of this one, has it open. Two companions with the same keys would break each
    /// other's sessions.
    #[error("{path} is in use")]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is something else, or of a newer version.
    #[error("{path} is no store that this version can read")]
    Format {
        /// The store's file.
        path: PathBuf,
    },
    /// A batch in the middle is damaged. Leaving it out would set ratchets back, so the file isn't used.
    #[error("{path} is damaged at byte {at}")]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// Where the first unreadable batch begins.
        at: u64,
    },
}

#[cfg(test)]
mod tests;
