use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use storage::{Clock, InstanceId, Urgency, UserId, Write};
use storage_sql::{CommitFigures, Commits, Fault, MasterKey, Sealer, WriteFailure};

use crate::address::DatabaseAddress;
use crate::open::{OpenError, prepare};
use crate::postgres::connect::Connector;
use crate::postgres::queue::WriteQueue;
use crate::postgres::readers::{Readers, Sees};
use crate::postgres::work::Work;
use crate::postgres::{Touches, Tx};
use crate::resolver::Resolver;

/// The gateway's database on a PostgreSQL server: implements all traits of `storage`, and hands out the stores of companions.
///
/// Clones share one database. One task writes: see [`storage::Write`] for the order of writes, and the README for how they
/// share commits. Other processes may have the same database open. When the last clone and the last companion's store are
/// dropped, whatever is queued is still finished; [`close`](Self::close) waits for that.
#[derive(Clone)]
pub struct PostgresDatabase {
    pub(crate) shared: Arc<Shared>,
}

/// Limits of a database; the defaults suit thousands of instances.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Reading connections: how many reads run at once. One more connection writes.
    pub readers: usize,
    /// Writes that may wait; one more is refused as overloaded.
    pub queue: usize,
    /// Writes that share a commit at most: each is a subtransaction, of which a server looks after 64 with ease.
    pub batch: usize,
    /// What time it is, in the place of the server's own clock, which all processes on the database share.
    pub clock: Option<Clock>,
    /// Looks the server's name up, in the place of the system.
    pub resolver: Option<Resolver>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 8, queue: 16_384, batch: 64, clock: None, resolver: None }
    }
}

pub(crate) struct Shared {
    pub(crate) queue: WriteQueue,
    pub(crate) readers: Readers,
    pub(crate) sealer: Arc<Sealer>,
    master: MasterKey,
    clock: Option<Clock>,
    address: DatabaseAddress,
    commits: Commits,
}

impl PostgresDatabase {
    /// Opens the database at an address and brings its schema up to date. The database itself must exist.
    ///
    /// # Errors
    /// [`OpenError`]: the server can't be reached, or what is there isn't ours.
    pub async fn open(address: &DatabaseAddress, master: MasterKey) -> Result<Self, OpenError> {
        Self::open_with(address, master, Options::default()).await
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As above.
    pub async fn open_with(
        address: &DatabaseAddress,
        master: MasterKey,
        options: Options,
    ) -> Result<Self, OpenError> {
        let connector = Connector::new(address, options.resolver).map_err(OpenError::Certificates)?;
        let sealer = Sealer::for_service(&master);
        prepare(&connector, &sealer, &master).await?;
        let commits = Commits::default();
        let limits = (options.queue, options.batch);
        let queue = WriteQueue::start(connector.clone(), options.clock.clone(), commits.clone(), limits);
        let readers = Readers::new(connector, options.readers);
        let (sealer, clock, address) = (Arc::new(sealer), options.clock, address.clone());
        Ok(Self { shared: Arc::new(Shared { queue, readers, sealer, master, clock, address, commits }) })
    }

    /// Where it is, without the password.
    pub fn address(&self) -> &DatabaseAddress {
        &self.shared.address
    }

    /// Finishes what is queued, then closes the database for all clones and companions. Later calls are refused with `Closed`.
    pub async fn close(&self) {
        self.shared.readers.close();
        self.shared.queue.close().await;
    }

    /// Since when and why nothing can be written, from the first commit that failed to the next that succeeds.
    pub fn write_failure(&self) -> Option<WriteFailure> {
        self.shared.commits.failure()
    }

    /// How commits have gone since it was opened.
    pub fn commit_figures(&self) -> CommitFigures {
        self.shared.commits.figures()
    }

    /// A write that is alone in the database.
    pub(crate) fn write<T, F>(&self, work: F) -> Write<T>
    where
        T: Send + 'static,
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
            + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.queue.write(Urgency::Now, Touches::Everything, work)
    }

    /// A write that depends on what belongs to one instance, and changes nothing else.
    pub(crate) fn write_of<T, F>(&self, instance: InstanceId, work: F) -> Write<T>
    where
        T: Send + 'static,
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
            + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.write_by(Urgency::Now, vec![instance], work)
    }

    /// The same of several, and at another urgency.
    pub(crate) fn write_by<T, F>(&self, urgency: Urgency, instances: Vec<InstanceId>, work: F) -> Write<T>
    where
        T: Send + 'static,
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
            + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.queue.write(urgency, Touches::Instances(instances), work)
    }

    /// A read, which may have several statements, of which each sees what is stored by then.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
            + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.readers.read(None, Sees::Each, work).await
    }

    /// A read whose statements all see the same.
    pub(crate) async fn snapshot<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
            + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.readers.read(None, Sees::One, work).await
    }

    /// A read that a user asks for: it waits for that user's other reads.
    pub(crate) async fn read_for<T, F>(&self, owner: UserId, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
            + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.readers.read(Some(owner), Sees::Each, work).await
    }

    /// The same, whose statements all see the same.
    pub(crate) async fn snapshot_for<T, F>(&self, owner: UserId, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
            + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        self.shared.readers.read(Some(owner), Sees::One, work).await
    }

    /// The clock that stands for the server's, if one does.
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.shared.clock.clone()
    }

    pub(crate) fn master_key(&self) -> &MasterKey {
        &self.shared.master
    }

    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.shared.sealer)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.readers.close();
        self.queue.end();
    }
}
