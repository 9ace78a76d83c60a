use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use diesel::prelude::*;
use storage::{Clock, Urgency, UserId, Write};
use storage_sql::{CommitFigures, Commits, Fault, MasterKey, Sealer, WriteFailure};
use tokio::sync::oneshot;

use crate::file;
use crate::open::{OpenError, migrate};
use crate::sqlite::queue::WriteQueue;
use crate::sqlite::readers::Readers;
use crate::sqlite::{Tx, connection};
use crate::url::DatabaseUrl;

/// The gateway's database in one SQLite file: implements all traits of `storage`, and hands out the stores of companions.
///
/// Clones share one database. One thread writes: see [`storage::Write`] for the order of writes, and the README for how
/// they share commits. Other processes may have the same database open, and write in turn. When the last clone and the last companion's store are dropped, whatever is queued is finished
/// first; that may take a moment, so call [`close`](Self::close) where blocking matters.
#[derive(Clone)]
pub struct SqliteDatabase {
    pub(crate) shared: Arc<Shared>,
}

/// Limits of a database; the defaults suit thousands of instances.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Reading connections: how many reads run at once.
    pub readers: usize,
    /// Writes that may wait; one more is refused as overloaded.
    pub queue: usize,
    /// Writes that share a commit at most.
    pub batch: usize,
    /// What time it is: the machine's clock, which all processes on the database share.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, queue: 16_384, batch: 1_024, clock: Clock::system() }
    }
}

pub(crate) struct Shared {
    pub(crate) queue: WriteQueue,
    pub(crate) readers: Readers,
    pub(crate) sealer: Arc<Sealer>,
    master: MasterKey,
    clock: Clock,
    path: PathBuf,
    commits: Commits,
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
        let file = file::prepare(path)?;
        let mut writer = connection::open_writer(&file).map_err(OpenError::database)?;
        let sealer = Sealer::for_service(&master);
        migrate(&mut writer, &sealer, &master)?;
        connection::make_shrinkable(&mut writer);
        let readers = Readers::open(&file, options.readers).map_err(OpenError::database)?;
        let tx = Tx::new(writer, options.clock.clone());
        let commits = tx.commits();
        let queue = WriteQueue::start(tx, options.queue, options.batch).map_err(OpenError::database)?;
        let (sealer, clock) = (Arc::new(sealer), options.clock);
        let shared = Shared { queue, readers, sealer, master, clock, path: path.to_owned(), commits };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The database file, as it was opened; its log lies beside it as `-wal`.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Finishes what is queued, then closes the database for all clones and companions. Later calls are refused with `Closed`.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        let (tell, told) = oneshot::channel();
        let closing = move || {
            shared.close();
            let _ = tell.send(());
        };
        // Not on the runtime's blocking threads: others may have taken all of them.
        match thread::Builder::new().name("sqlite-closing".to_owned()).spawn(closing) {
            // Fails only if the closing itself panicked.
            Ok(_) => told.await.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "no thread to close the database on");
                self.shared.close();
            }
        }
    }

    /// Since when and why nothing can be written, from the first commit that failed to the next that succeeds.
    pub fn write_failure(&self) -> Option<WriteFailure> {
        self.shared.commits.failure()
    }

    /// How commits have gone since it was opened.
    pub fn commit_figures(&self) -> CommitFigures {
        self.shared.commits.figures()
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> Write<T> {
        self.write_by(Urgency::Now, work)
    }

    pub(crate) fn write_by<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> Write<T> {
        self.shared.queue.write(urgency, work)
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shared.readers.read(None, work).await
    }

    /// A read that a user asks for: it waits for that user's other reads.
    pub(crate) async fn read_for<T: Send + 'static>(
        &self,
        owner: UserId,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shared.readers.read(Some(owner), work).await
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(crate) fn master_key(&self) -> &MasterKey {
        &self.shared.master
    }

    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.shared.sealer)
    }
}

impl Shared {
    fn close(&self) {
        self.readers.close();
        self.queue.close();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
