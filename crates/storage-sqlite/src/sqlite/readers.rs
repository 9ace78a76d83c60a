use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use diesel::connection::SimpleConnection;
use diesel::{ConnectionError, SqliteConnection};
use parking_lot::Mutex;
use storage::UserId;
use storage_sql::{Fault, Shares};
use tokio::sync::oneshot;

use super::connection::open_reader;

/// A few reading connections, each on a thread of its own: whatever else blocks threads of the process, reads go on.
///
/// A read is handed over as soon as its future is polled first, and needs no further poll to come to its end. So a future
/// that nobody polls for a while, because its task is busy with another one, keeps no connection from that other one.
pub(crate) struct Readers {
    line: Arc<Mutex<Line>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What is to be read, and by whom.
#[derive(Default)]
struct Line {
    /// Threads without work; the one used last is used first, since its cache is warm.
    idle: Vec<Sender<Turn>>,
    /// In their order; nothing waits while a thread is idle.
    waiting: VecDeque<Job>,
    /// Of these, what may not even wait here yet.
    shares: Shares<Job>,
    is_closed: bool,
}

/// A read, and the thread's own end of the line: whoever has it may give the thread the next one.
struct Turn {
    job: Job,
    thread: Sender<Turn>,
}

struct Job {
    owner: Option<UserId>,
    read: Box<dyn Read>,
}

/// A read, and who waits for it.
trait Read: Send {
    fn run(&mut self, connection: &mut SqliteConnection);
    fn answer(self: Box<Self>);
}

struct Asked<T, W> {
    work: Option<W>,
    result: Result<T, Fault>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, ConnectionError> {
        let line = Arc::new(Mutex::new(Line::default()));
        let start = |_| start(open_reader(path)?, Arc::clone(&line));
        let started = (0..count.max(1)).map(start).collect::<Result<Vec<_>, _>>()?;
        let (idle, threads) = started.into_iter().unzip();
        line.lock().idle = idle;
        Ok(Self { line, threads: Mutex::new(threads) })
    }

    /// Runs a read when a connection is free, and it is its owner's turn, if it has one.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        owner: Option<UserId>,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let read = Box::new(Asked { work: Some(work), result: Err(Fault::Closed), reply });
        self.ask(Job { owner, read })?;
        answer.await.unwrap_or(Err(Fault::Closed))
    }

    /// Refuses further reads and closes the connections, those in use after their read, and waits for that.
    pub(crate) fn close(&self) {
        let left = {
            let mut line = self.line.lock();
            line.is_closed = true;
            let refused: Vec<_> = line.shares.drain();
            (refused, std::mem::take(&mut line.waiting), std::mem::take(&mut line.idle))
        };
        // Not under the lock: a read may hold on to the database, and let go of it last.
        drop(left);
        let threads = std::mem::take(&mut *self.threads.lock());
        let others = threads.into_iter().filter(|reader| reader.thread().id() != thread::current().id());
        for reader in others {
            if reader.join().is_err() {
                tracing::error!("a reading thread of the database has panicked");
            }
        }
    }

    fn ask(&self, job: Job) -> Result<(), Fault> {
        let mut line = self.line.lock();
        if line.is_closed {
            return Err(Fault::Closed);
        }
        let job = match job.owner {
            Some(owner) => line.shares.enter(owner, job),
            None => Some(job),
        };
        let Some(job) = job else { return Ok(()) };
        match line.idle.pop() {
            Some(thread) => {
                let itself = thread.clone();
                thread.send(Turn { job, thread: itself }).map_err(|_| Fault::Closed)?;
            }
            None => line.waiting.push_back(job),
        }
        Ok(())
    }
}

impl Line {
    /// The next read for a thread that has come to the end of one; none lets it rest.
    fn next(&mut self, done: Option<UserId>, thread: Sender<Turn>) -> Option<Turn> {
        if self.is_closed {
            return None;
        }
        let goes_ahead = done.and_then(|owner| self.shares.leave(owner));
        self.waiting.extend(goes_ahead);
        match self.waiting.pop_front() {
            Some(job) => Some(Turn { job, thread }),
            None => {
                self.idle.push(thread);
                None
            }
        }
    }
}

impl<T, W> Read for Asked<T, W>
where
    T: Send,
    W: FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, connection: &mut SqliteConnection) {
        // Nobody listens any more when the caller dropped the future.
        let Some(work) = self.work.take().filter(|_| !self.reply.is_closed()) else { return };
        match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(result) => self.result = result,
            // Whatever it had begun; without a transaction this says that there is none.
            Err(_) => drop(connection.batch_execute("ROLLBACK")),
        }
    }

    fn answer(self: Box<Self>) {
        // As above.
        let _ = self.reply.send(self.result);
    }
}

/// Starts the thread of a connection, which ends when nobody can ask it any more.
fn start(
    connection: SqliteConnection,
    line: Arc<Mutex<Line>>,
) -> Result<(Sender<Turn>, JoinHandle<()>), ConnectionError> {
    let (sender, turns) = channel();
    let thread = thread::Builder::new().name("sqlite-reader".to_owned());
    let started = thread.spawn(move || serve(connection, &turns, &line));
    let failed = |error| ConnectionError::BadConnection(format!("no thread for reading: {error}"));
    Ok((sender, started.map_err(failed)?))
}

fn serve(mut connection: SqliteConnection, turns: &Receiver<Turn>, line: &Mutex<Line>) {
    while let Ok(turn) = turns.recv() {
        let mut next = Some(turn);
        while let Some(Turn { job: Job { owner, mut read }, thread }) = next {
            read.run(&mut connection);
            // Before the answer: whoever asks again at once finds this thread, whose cache is warm.
            next = line.lock().next(owner, thread);
            read.answer();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn readers(count: usize) -> (tempfile::TempDir, Arc<Readers>) {
        let folder = tempfile::tempdir().unwrap();
        let readers = Readers::open(&folder.path().join("empty.db"), count).unwrap();
        (folder, Arc::new(readers))
    }

    /// The pool that outsiders can fill is never waited for.
    #[test]
    fn reads_go_on_while_the_runtimes_blocking_threads_are_all_taken() {
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
        let (release, held) = channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let (_folder, readers) = readers(2);
        assert_eq!(runtime.block_on(readers.read(None, |_| Ok(7))).unwrap(), 7);
        drop(release);
    }

    #[tokio::test]
    async fn a_read_that_panics_or_that_nobody_waits_for_costs_no_reader() {
        let (_folder, readers) = readers(1);
        for _ in 0..3 {
            assert!(readers.read::<()>(None, |_| panic!("a defect")).await.is_err());
            let (entered, wait) = oneshot::channel();
            let abandoned = tokio::spawn({
                let readers = Arc::clone(&readers);
                async move { readers.read(None, |_| Ok(entered.send(()).is_ok())).await }
            });
            wait.await.unwrap();
            abandoned.abort();
        }
        assert!(readers.read(None, |_| Ok(())).await.is_ok());
        readers.close();
        assert!(matches!(readers.read(None, |_| Ok(())).await, Err(Fault::Closed)));
    }

    /// As in a task that has begun some reads, and needs the answer to another before it looks at them again.
    #[tokio::test]
    async fn reads_that_nobody_polls_hold_up_no_other() {
        let (_folder, readers) = readers(1);
        for owner in [None, Some(UserId::generate())] {
            let (release, held) = channel::<()>();
            let mut put_aside: Vec<Pin<Box<dyn Future<Output = _>>>> =
                vec![Box::pin(readers.read(owner, move |_| Ok(held.recv().is_err())))];
            put_aside.extend((0..3).map(|_| Box::pin(readers.read(owner, |_| Ok(true))) as Pin<Box<_>>));
            let mut nobody = Context::from_waker(Waker::noop());
            for read in &mut put_aside {
                assert!(read.as_mut().poll(&mut nobody).is_pending());
            }
            drop(release);
            assert!(readers.read(owner, |_| Ok(true)).await.unwrap());
            for read in put_aside {
                assert!(read.await.unwrap());
            }
        }
    }
}
