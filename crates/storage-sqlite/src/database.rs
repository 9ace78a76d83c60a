use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::prelude::*;
use storage::{InstanceId, StorageError, Timestamp, Write};

use crate::companion::{self, CompanionStore};
use crate::fault::Fault;
use crate::master_key::MasterKey;
use crate::open::{DatabaseLock, OpenError, check_master_key, migrate};
use crate::schema::instances;
use crate::seal::Sealer;
use crate::sqlite::queue::WriteQueue;
use crate::sqlite::readers::Readers;
use crate::sqlite::{Tx, connection};
use crate::url::DatabaseUrl;

/// The gateway's database in one SQLite file: implements all traits of `storage`, and hands out the stores of companions.
///
/// Clones share one database. One thread writes: see [`storage::Write`] for the order of writes, and the README for how
/// they share commits. When the last clone and the last companion's store are dropped, whatever is queued is finished
/// first; that may take a moment, so call [`close`](Self::close) where blocking matters.
#[derive(Clone)]
pub struct SqliteDatabase {
    pub(crate) shared: Arc<Shared>,
}

/// Limits of a database; the defaults suit thousands of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Reading connections: how many reads run at once.
    pub readers: usize,
    /// Writes that may wait; one more is refused as overloaded.
    pub queue: usize,
    /// Writes that share a commit at most.
    pub batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, queue: 16_384, batch: 1_024 }
    }
}

/// Dropped in this order: first the queue is finished, last the lock is given up.
pub(crate) struct Shared {
    pub(crate) queue: WriteQueue,
    pub(crate) readers: Arc<Readers>,
    pub(crate) sealer: Arc<Sealer>,
    master: MasterKey,
    path: PathBuf,
    lock: std::sync::Mutex<Option<DatabaseLock>>,
}

impl SqliteDatabase {
    /// Opens the database that a URL names (see [`DatabaseUrl`]), creates it and its folders when they don't exist, and
    /// brings its schema up to date. Blocks for the time of a few file operations.
    pub fn open(url: &str, master: MasterKey) -> Result<Self, OpenError> {
        Self::open_with(url, master, Options::default())
    }

    /// The same with other limits.
    pub fn open_with(url: &str, master: MasterKey, options: Options) -> Result<Self, OpenError> {
        let url: DatabaseUrl = url.parse()?;
        let path = url.path();
        let lock = DatabaseLock::acquire(path)?;
        let mut writer = connection::open_writer(path).map_err(OpenError::database)?;
        migrate(&mut writer)?;
        let sealer = Sealer::for_service(&master);
        check_master_key(&mut writer, &sealer, &master)?;
        let readers = Readers::open(path, options.readers).map_err(OpenError::database)?;
        let queue =
            WriteQueue::start(Tx::new(writer), options.queue, options.batch).map_err(OpenError::database)?;
        let lock = std::sync::Mutex::new(Some(lock));
        let shared = Shared { queue, readers, sealer: Arc::new(sealer), master, path: path.to_owned(), lock };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The store of the companion that speaks for an instance. Its records go when the instance is deleted.
    pub fn companion_store(&self, instance: InstanceId) -> Arc<dyn wa_store::Store> {
        let sealer = Sealer::for_instance(&self.shared.master, instance);
        Arc::new(CompanionStore::new(self.clone(), instance, sealer))
    }

    /// Forgets messages that companions sent before this time and still keep for retry receipts; answers how many. The
    /// stores bound their number by themselves, so this is for privacy: a week is far more than a retry ever takes.
    pub async fn prune_sent_messages(&self, before: Timestamp) -> Result<u64, StorageError> {
        let keys = self.read(|db| Ok(instances::table.select(instances::key).load::<i64>(db)?)).await?;
        let mut pruned = 0;
        for key in keys {
            // A write for each instance, so that others come in between.
            pruned += self.write(move |tx| companion::prune_sent(&mut tx.db, key, before.millis())).await?;
        }
        Ok(pruned)
    }

    /// Finishes what is queued, then closes the database for all clones and companions and gives up its lock.
    /// Later calls are refused with `Closed`.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        // Fails only if the closing itself panicked.
        let _ = tokio::task::spawn_blocking(move || shared.close()).await;
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> Write<T> {
        self.shared.queue.write(work)
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shared.readers.read(work).await
    }

    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.shared.sealer)
    }
}

impl Shared {
    fn close(&self) {
        self.readers.close();
        self.queue.close();
        drop(self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
