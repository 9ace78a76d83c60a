use std::path::Path;
use std::sync::Arc;

use diesel::{ConnectionError, SqliteConnection};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

use super::connection::open_reader;
use crate::fault::Fault;

/// A few reading connections, used on the runtime's blocking threads.
pub(crate) struct Readers {
    /// As many as there are permits out of use; the one used last is used first, since its cache is warm.
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Arc<Self>, ConnectionError> {
        let count = count.max(1);
        let idle = (0..count).map(|_| open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(count)) }))
    }

    /// Runs a read on a blocking thread, when a connection is free.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Closed)?;
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let mut connection = readers.take().ok_or(Fault::Closed)?;
            let result = work(&mut connection);
            readers.give_back(connection);
            drop(permit);
            result
        });
        read.await.unwrap_or(Err(Fault::Closed))
    }

    /// Refuses further reads and closes the connections; one that is in use closes after its read.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.connections().clear();
    }

    fn take(&self) -> Option<SqliteConnection> {
        self.connections().pop()
    }

    fn give_back(&self, connection: SqliteConnection) {
        if !self.permits.is_closed() {
            self.connections().push(connection);
        }
    }

    fn connections(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock()
    }
}
