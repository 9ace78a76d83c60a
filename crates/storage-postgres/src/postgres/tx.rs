use std::collections::HashMap;

use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use storage::{Clock, Day, Epoch, InstanceId, MAX_EVENT_LEAD, Missing, Timestamp, Usage};
use storage_sql::schema::{events, instances};
use storage_sql::{CommitFailure, Commits, Counted, Fault};

use super::connect::{Driver, Session};
use super::queue::Touches;
use crate::statement::{AddUsage, LockInstances, LogEnds, Now};

/// The writing connection inside a batch, as a job sees it. While it lasts, nobody else writes of what the batch touches, also
/// no other process.
pub(crate) struct Tx {
    /// The connection, for statements: all of them are part of the transaction.
    pub(crate) db: AsyncPgConnection,
    driver: Driver,
    /// Of the instances that the batch touches, as far as they exist.
    known: HashMap<InstanceId, KnownInstance>,
    touches: Touches,
    /// In the place of the server's, for tests.
    clock: Option<Clock>,
    /// When the batch began.
    now: Timestamp,
    /// Whether something was removed since it was last asked.
    retired: bool,
    counted: Counted,
    commits: Commits,
    /// What a job of this batch met that is nobody's fault: a full disk and the like.
    trouble: Option<String>,
}

/// What a batch knows of an instance.
struct KnownInstance {
    key: i64,
    epoch: Epoch,
    log: Option<LogEnd>,
}

/// Where the event log of an instance ends.
#[derive(Clone, Copy)]
struct LogEnd {
    /// Position of the last event; 0 without one.
    seq: i64,
    /// Its time, Unix milliseconds.
    timestamp: i64,
    /// Who wrote it: what one batch writes becomes visible together.
    by: Writer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    ThisBatch,
    Earlier,
}

/// One for each schema, so that several gateways in one database don't wait for each other.
const WHOLE: &str = "hashtextextended('trunkline/' || current_schema(), 0)";

impl Tx {
    pub(super) fn new(session: Session, clock: Option<Clock>, commits: Commits) -> Self {
        let (db, driver) = session.into_parts();
        Self {
            db,
            driver,
            known: HashMap::new(),
            touches: Touches::Everything,
            clock,
            now: Timestamp::default(),
            retired: false,
            counted: Counted::default(),
            commits,
            trouble: None,
        }
    }

    /// Whether the connection is lost.
    pub(super) fn is_over(&self) -> bool {
        self.driver.is_over()
    }

    /// The time of everything in this batch.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The key of an instance that exists.
    pub(crate) async fn instance_key(&mut self, id: InstanceId) -> Result<i64, Fault> {
        Ok(self.instance(id).await?.key)
    }

    /// The key of an instance that exists and is held under this epoch; `Fenced` under another one.
    pub(crate) async fn check_epoch(&mut self, id: InstanceId, epoch: Epoch) -> Result<i64, Fault> {
        let instance = self.instance(id).await?;
        if instance.epoch == epoch { Ok(instance.key) } else { Err(Fault::Fenced) }
    }

    /// Where the event log of an instance ends, and the earliest time of an event that is appended to it now. Events that
    /// become visible in different commits never share a time. A log that a wrong clock has led far into the future comes
    /// back.
    pub(crate) async fn log_end(&mut self, id: InstanceId) -> Result<(i64, Timestamp), Fault> {
        let mut end = self.known_end(id).await?;
        if end.timestamp > self.now.after(MAX_EVENT_LEAD).millis() {
            tracing::warn!(instance = %id, "events bear times of a clock that was wrong; they are corrected");
            self.pull_back(id, end).await?;
            end = self.known_end(id).await?;
        }
        let floor = match end.by {
            Writer::ThisBatch => end.timestamp,
            Writer::Earlier => end.timestamp.saturating_add(1),
        };
        Ok((end.seq, self.now.max(Timestamp::from_millis(floor))))
    }

    /// To be called when events were appended.
    pub(crate) async fn set_log_end(
        &mut self,
        id: InstanceId,
        seq: i64,
        time: Timestamp,
    ) -> Result<(), Fault> {
        let end = LogEnd { seq, timestamp: time.millis(), by: Writer::ThisBatch };
        self.instance(id).await?.log = Some(end);
        Ok(())
    }

    /// Counts what an instance has done. It is written once for all jobs of the batch.
    pub(crate) fn count(&mut self, instance: i64, day: Day, usage: Usage) {
        self.counted.count(instance, day, usage);
    }

    /// To be called when leases change.
    pub(crate) fn forget_epochs(&mut self) {
        self.known.clear();
    }

    /// To be called when an instance is deleted: forgets it, and has its leftovers removed when there is time.
    pub(crate) fn retire_instance(&mut self) {
        self.known.clear();
        self.retired = true;
    }

    /// Whether an instance was deleted since the last call.
    pub(super) fn take_retired(&mut self) -> bool {
        std::mem::take(&mut self.retired)
    }

    async fn instance(&mut self, id: InstanceId) -> Result<&mut KnownInstance, Fault> {
        if !self.known.contains_key(&id) {
            if !matches!(self.touches, Touches::Everything) {
                // It would have been found when it was locked.
                return Err(Fault::NotFound(Missing::Instance));
            }
            let row = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
            let row = row.select((instances::key, instances::epoch)).first::<(i64, i64)>(&mut self.db).await;
            let (key, epoch) = row.optional()?.ok_or(Fault::NotFound(Missing::Instance))?;
            self.known.insert(id, KnownInstance { key, epoch: Epoch::new(epoch), log: None });
        }
        self.known.get_mut(&id).ok_or(Fault::NotFound(Missing::Instance))
    }

    /// Reads where the logs end of all instances that the batch touches, so that it is asked once.
    async fn known_end(&mut self, id: InstanceId) -> Result<LogEnd, Fault> {
        if let Some(end) = self.instance(id).await?.log {
            return Ok(end);
        }
        let unread = |known: &&mut KnownInstance| known.log.is_none();
        let keys = self.known.values_mut().filter(unread).map(|known| known.key).collect();
        let ends: Vec<(i64, i64, i64)> = LogEnds { keys }.load(&mut self.db).await?;
        let ends: HashMap<i64, (i64, i64)> =
            ends.into_iter().map(|(key, seq, timestamp)| (key, (seq, timestamp))).collect();
        for known in self.known.values_mut().filter(unread) {
            let (seq, timestamp) = ends.get(&known.key).copied().unwrap_or((0, i64::MIN));
            known.log = Some(LogEnd { seq, timestamp, by: Writer::Earlier });
        }
        self.instance(id).await?.log.ok_or(Fault::NotFound(Missing::Instance))
    }

    /// Gives the events whose time lies in the future times up to now, in their order: a millisecond apart, as far as there
    /// is room behind those before them.
    async fn pull_back(&mut self, id: InstanceId, end: LogEnd) -> Result<(), Fault> {
        let (key, now) = (self.instance_key(id).await?, self.now);
        let of_instance = || events::table.filter(events::instance.eq(key));
        let good = of_instance().filter(events::timestamp.le(now.millis())).select(max(events::timestamp));
        let good: Option<i64> = good.first(&mut self.db).await?;
        let floor = good.map_or(i64::MIN, |good| good.saturating_add(1));
        let first = of_instance().filter(events::timestamp.gt(now.millis())).select(min(events::seq));
        if let Some(first) = first.first::<Option<i64>>(&mut self.db).await? {
            let ahead = of_instance().filter(events::seq.ge(first)).order(events::seq).select(events::seq);
            for seq in ahead.load::<i64>(&mut self.db).await? {
                let time = floor.max(now.millis().saturating_sub(end.seq - seq));
                let event = diesel::update(events::table.find((key, seq)));
                event.set(events::timestamp.eq(time)).execute(&mut self.db).await?;
            }
        }
        self.instance(id).await?.log = None;
        Ok(())
    }

    /// Begins a batch, when nobody else writes of what it touches any more.
    pub(super) async fn begin(&mut self, touches: Touches) -> Result<(), CommitFailure> {
        self.trouble = None;
        self.counted.clear();
        self.known.clear();
        let (lock, ids) = match &touches {
            Touches::Everything => ("pg_advisory_xact_lock", Vec::new()),
            Touches::Instances(ids) => {
                ("pg_advisory_xact_lock_shared", ids.iter().map(|id| id.as_bytes().to_vec()).collect())
            }
        };
        self.touches = touches;
        let begin = format!("BEGIN; SELECT {lock}({WHOLE})");
        // All of it is sent at once; the server takes one after the other.
        let (mut first, mut second, mut third) = (&self.db, &self.db, &self.db);
        let locked = async {
            if ids.is_empty() { Ok(Vec::new()) } else { LockInstances { ids }.load(&mut second).await }
        };
        let (begun, locked, now) =
            futures_util::join!(first.batch_execute(&begin), locked, Now {}.get_result::<i64>(&mut third));
        begun.map_err(|error| self.batch_failure(error))?;
        let locked: Vec<(Vec<u8>, i64, i64)> = locked.map_err(|error| self.batch_failure(error))?;
        let now = now.map_err(|error| self.batch_failure(error))?;
        self.now = self.clock.as_ref().map_or(Timestamp::from_millis(now), Clock::now);
        for (id, key, epoch) in locked {
            if let Ok(id) = id.try_into() {
                let known = KnownInstance { key, epoch: Epoch::new(epoch), log: None };
                self.known.insert(InstanceId::from_bytes(id), known);
            }
        }
        Ok(())
    }

    /// Makes the batch durable. In a transaction that has failed, `COMMIT` would undo it and say nothing; the statement before
    /// it says so.
    pub(super) async fn commit(&mut self) -> Result<(), CommitFailure> {
        let counts = self.counted.take();
        if !counts.is_empty() {
            let added = AddUsage::of(&counts).execute(&mut self.db).await;
            added.map_err(|error| self.batch_failure(error))?;
        }
        self.execute("SELECT 1; COMMIT").await?;
        match self.trouble.take() {
            Some(trouble) => self.commits.failed(self.now, trouble),
            None if self.commits.are_failing() => self.commits.succeeded(),
            None => {}
        }
        Ok(())
    }

    /// Undoes the whole batch. Where that fails, the connection is of no use any more.
    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        self.known.clear();
        self.counted.clear();
        self.db.batch_execute("ROLLBACK").await
    }

    /// Opens a job inside of a batch of several, after another one if there was one.
    pub(super) async fn begin_job(&mut self, is_first: bool) -> Result<(), CommitFailure> {
        self.execute(if is_first { "SAVEPOINT job" } else { "RELEASE SAVEPOINT job; SAVEPOINT job" }).await
    }

    /// Undoes a job.
    pub(super) async fn undo_job(&mut self) -> Result<(), CommitFailure> {
        match self.touches {
            Touches::Everything => self.known.clear(),
            // They are locked all the same.
            Touches::Instances(_) => self.known.values_mut().for_each(|known| known.log = None),
        }
        self.execute("ROLLBACK TO SAVEPOINT job").await
    }

    /// To be called after each job.
    pub(super) fn end_job<T>(&mut self, result: &Result<T, Fault>) {
        self.counted.end_job(result.is_ok());
        if let Err(fault) = result {
            self.trouble = of_the_machine(fault).or(self.trouble.take());
        }
    }

    async fn execute(&mut self, statements: &str) -> Result<(), CommitFailure> {
        let done = self.db.batch_execute(statements).await;
        done.map_err(|error| self.batch_failure(error))
    }

    fn batch_failure(&mut self, error: Error) -> CommitFailure {
        // What a job met first says more than what follows from it.
        let why = self.trouble.take().unwrap_or_else(|| error.to_string());
        self.commits.failed(self.now, why);
        CommitFailure::from(error)
    }
}

/// What the server says, where it or the way to it is at fault and not whoever called.
fn of_the_machine(fault: &Fault) -> Option<String> {
    const SAYINGS: [&str; 5] = [
        "No space left",
        "could not extend",
        "could not write",
        "read-only transaction",
        "Input/output error",
    ];
    let Fault::Database(Error::DatabaseError(kind, why)) = fault else { return None };
    let is_lost =
        matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection);
    let is_said = is_lost || SAYINGS.iter().any(|saying| why.message().contains(saying));
    is_said.then(|| why.message().to_owned())
}
