use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use diesel::connection::SimpleConnection;
use diesel::{ConnectionError, SqliteConnection};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::connection::open_reader;
use crate::fault::Fault;

/// A few reading connections, each on a thread of its own: whatever else blocks threads of the process, reads go on.
pub(crate) struct Readers {
    /// As many as there are permits out of use; the one used last is used first, since its cache is warm. Each has its
    /// thread at the other end.
    idle: Mutex<Vec<Sender<Job>>>,
    permits: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A read that answers by itself.
type Job = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Arc<Self>, ConnectionError> {
        let count = count.max(1);
        let started = (0..count).map(|_| start(open_reader(path)?)).collect::<Result<Vec<_>, _>>()?;
        let (idle, threads) = started.into_iter().unzip();
        let permits = Arc::new(Semaphore::new(count));
        Ok(Arc::new(Self { idle: Mutex::new(idle), permits, threads: Mutex::new(threads) }))
    }

    /// Runs a read, when a connection is free.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Closed)?;
        let reader = self.idle.lock().pop().ok_or(Fault::Closed)?;
        let (reply, answer) = oneshot::channel();
        let (readers, itself) = (Arc::clone(self), reader.clone());
        let job: Job = Box::new(move |connection| {
            let result = catch_unwind(AssertUnwindSafe(|| work(connection)));
            if result.is_err() {
                // Whatever it had begun; without a transaction this says that there is none.
                let _ = connection.batch_execute("ROLLBACK");
            }
            readers.give_back(itself);
            drop(permit);
            // Nobody listens any more when the caller dropped the future.
            let _ = reply.send(result.unwrap_or(Err(Fault::Closed)));
        });
        reader.send(job).map_err(|_| Fault::Closed)?;
        answer.await.unwrap_or(Err(Fault::Closed))
    }

    /// Refuses further reads and closes the connections, those in use after their read, and waits for that.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
        let threads = std::mem::take(&mut *self.threads.lock());
        // A read may hold on to the database, and let go of it last.
        let others = threads.into_iter().filter(|reader| reader.thread().id() != thread::current().id());
        for reader in others {
            if reader.join().is_err() {
                tracing::error!("a reading thread of the database has panicked");
            }
        }
    }

    fn give_back(&self, reader: Sender<Job>) {
        if !self.permits.is_closed() {
            self.idle.lock().push(reader);
        }
    }
}

/// Starts the thread of a connection, which ends when nobody can ask it any more.
fn start(connection: SqliteConnection) -> Result<(Sender<Job>, JoinHandle<()>), ConnectionError> {
    let (sender, jobs) = channel();
    let thread = thread::Builder::new().name("sqlite-reader".to_owned());
    let started = thread.spawn(move || serve(connection, &jobs));
    let failed = |error| ConnectionError::BadConnection(format!("no thread for reading: {error}"));
    Ok((sender, started.map_err(failed)?))
}

fn serve(mut connection: SqliteConnection, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job(&mut connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(count: usize) -> (tempfile::TempDir, Arc<Readers>) {
        let folder = tempfile::tempdir().unwrap();
        let readers = Readers::open(&folder.path().join("empty.db"), count).unwrap();
        (folder, readers)
    }

    /// The pool that outsiders can fill is never waited for.
    #[test]
    fn reads_go_on_while_the_runtimes_blocking_threads_are_all_taken() {
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
        let (release, held) = channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let (_folder, readers) = readers(2);
        assert_eq!(runtime.block_on(readers.read(|_| Ok(7))).unwrap(), 7);
        drop(release);
    }

    #[tokio::test]
    async fn a_read_that_panics_or_that_nobody_waits_for_costs_no_reader() {
        let (_folder, readers) = readers(1);
        for _ in 0..3 {
            assert!(readers.read::<()>(|_| panic!("a defect")).await.is_err());
            let (entered, wait) = oneshot::channel();
            let abandoned = tokio::spawn({
                let readers = Arc::clone(&readers);
                async move { readers.read(|_| Ok(entered.send(()).is_ok())).await }
            });
            wait.await.unwrap();
            abandoned.abort();
        }
        assert!(readers.read(|_| Ok(())).await.is_ok());
        readers.close();
        assert!(matches!(readers.read(|_| Ok(())).await, Err(Fault::Closed)));
    }
}
