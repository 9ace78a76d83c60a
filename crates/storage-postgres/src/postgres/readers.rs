use std::sync::Arc;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use parking_lot::Mutex;
use storage::UserId;
use storage_sql::{Fault, Shares};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::connect::{Connector, Session};
use super::said;
use super::work::Work;

/// A few reading connections. One that is lost is made anew when it is needed.
///
/// A read is a task of its own from the first poll of its future on. So a future that nobody polls for a while, because its
/// task is busy with another one, keeps no connection from that other one. The tasks are those of the runtime in which the
/// database was opened: whoever asks on another one may end with it, and connections stay.
pub(crate) struct Readers(Arc<Inner>);

struct Inner {
    runtime: Handle,
    connector: Connector,
    /// As many as there may be connections; closed with the database.
    permits: Semaphore,
    /// The one used last is used first.
    idle: Mutex<Vec<Session>>,
    shares: Mutex<Shares<oneshot::Sender<()>>>,
}

/// What a read sees, if it has several statements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// Each statement what is stored by then.
    Each,
    /// All of them the same.
    One,
}

impl Readers {
    pub(crate) fn new(connector: Connector, count: usize) -> Self {
        let permits = Semaphore::new(count.max(1));
        let (runtime, idle, shares) = (Handle::current(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { runtime, connector, permits, idle, shares }))
    }

    /// Runs a read when a connection is free, and it is its owner's turn, if it has one.
    pub(crate) async fn read<T, F>(&self, owner: Option<UserId>, sees: Sees, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
            + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        let inner = Arc::clone(&self.0);
        let reading = self.0.runtime.spawn(async move {
            let _turn = match owner {
                Some(owner) => Some(inner.turn(owner).await),
                None => None,
            };
            let _permit = inner.permits.acquire().await.map_err(|_| Fault::Closed)?;
            let mut session = inner.session().await?;
            let result = run(&mut session.db, sees, work).await.map_err(said);
            inner.put_back(session);
            result
        });
        // Fails only if the read panicked, or the runtime is at its end.
        reading.await.unwrap_or(Err(Fault::Closed))
    }

    /// Refuses further reads, and closes the connections; those in use after their read.
    pub(crate) fn close(&self) {
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.0.idle.lock());
        drop(idle);
    }
}

impl Inner {
    /// Waits until a read of this owner may go ahead.
    async fn turn(self: &Arc<Self>, owner: UserId) -> Turn {
        let (call, called) = oneshot::channel();
        if let Some(call) = self.shares.lock().enter(owner, call) {
            // Nobody has to be waited for.
            let _ = call.send(());
        }
        let turn = Turn { inner: Arc::clone(self), owner };
        let _ = called.await;
        turn
    }

    async fn session(&self) -> Result<Session, Fault> {
        loop {
            let idle = self.idle.lock().pop();
            match idle {
                Some(session) if session.is_over() => drop(session),
                Some(session) => return Ok(session),
                None => return Ok(self.connector.connect().await?),
            }
        }
    }

    fn put_back(&self, session: Session) {
        if !session.is_over() && !self.permits.is_closed() {
            self.idle.lock().push(session);
        }
    }
}

/// A read that has gone ahead; its owner's next one follows when it is over.
struct Turn {
    inner: Arc<Inner>,
    owner: UserId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.inner.shares.lock().leave(self.owner);
        if let Some(next) = next {
            // It is a task, which waits.
            let _ = next.send(());
        }
    }
}

async fn run<T, F>(db: &mut AsyncPgConnection, sees: Sees, work: F) -> Result<T, Fault>
where
    for<'db> F: AsyncFnOnce(&'db mut AsyncPgConnection) -> Result<T, Fault>
        + Work<&'db mut AsyncPgConnection, Result<T, Fault>, Running: Send>,
{
    if sees == Sees::Each {
        return work(db).await;
    }
    db.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let result = work(db).await;
    db.batch_execute("ROLLBACK").await?;
    result
}
