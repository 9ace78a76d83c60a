use std::collections::HashMap;
use std::collections::hash_map::Entry;

use diesel::dsl::{max, min};
use diesel::prelude::*;
use storage::{Epoch, InstanceId, Missing, Timestamp};
use storage_sql::schema::{events, instances};
use storage_sql::{CommitFailure, Fault};

use super::statement::DataVersion;

/// What the writing connection knows of instances from its own transactions, so that it needn't read it in each.
///
/// It is used only while it is what the database says: each transaction, which keeps all other writers out, first asks
/// SQLite whether another connection has changed anything since, and forgets everything if so. It is forgotten as well
/// when a job is undone, and when leases change.
#[derive(Default)]
pub(super) struct Remembered {
    /// Of the database, when it was last asked.
    version: i64,
    by_id: HashMap<InstanceId, KnownInstance>,
}

/// What is known of one instance.
pub(super) struct KnownInstance {
    /// `instances.key`.
    pub(super) key: i64,
    pub(super) epoch: Epoch,
    log: Option<LogEnd>,
}

/// Where the event log of an instance ends.
#[derive(Clone, Copy)]
pub(crate) struct LogEnd {
    /// Position of the last event; 0 without one.
    pub(crate) seq: i64,
    /// Its time, Unix milliseconds.
    pub(crate) timestamp: i64,
    /// The transaction that wrote it, as far as it was one of this connection: what it writes becomes visible together.
    pub(crate) batch: u64,
}

impl Remembered {
    /// To be called at the beginning of each transaction.
    pub(super) fn check(&mut self, db: &mut SqliteConnection) -> Result<(), CommitFailure> {
        let version: i64 = DataVersion.get_result(db)?;
        if version != self.version {
            self.forget();
            self.version = version;
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.by_id.clear();
    }

    /// An instance that exists.
    pub(super) fn instance(
        &mut self,
        db: &mut SqliteConnection,
        id: InstanceId,
    ) -> Result<&mut KnownInstance, Fault> {
        match self.by_id.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let row = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
                let row: Option<(i64, i64)> =
                    row.select((instances::key, instances::epoch)).first(db).optional()?;
                let (key, epoch) = row.ok_or(Fault::NotFound(Missing::Instance))?;
                Ok(unknown.insert(KnownInstance { key, epoch: Epoch::new(epoch), log: None }))
            }
        }
    }
}

impl KnownInstance {
    pub(super) fn log_end(&mut self, db: &mut SqliteConnection) -> Result<LogEnd, Fault> {
        if let Some(end) = self.log {
            return Ok(end);
        }
        let newest = events::table.filter(events::instance.eq(self.key)).order(events::seq.desc());
        let newest = newest.select((events::seq, events::timestamp)).first(db).optional()?;
        let (seq, timestamp) = newest.unwrap_or((0, i64::MIN));
        Ok(*self.log.insert(LogEnd { seq, timestamp, batch: 0 }))
    }

    /// Gives the events whose time lies in the future times up to now, in their order: a millisecond apart, as far as there
    /// is room behind those before them. The answer is where the log ends then.
    pub(super) fn pull_back(&mut self, db: &mut SqliteConnection, now: Timestamp) -> Result<LogEnd, Fault> {
        let end = self.log_end(db)?;
        let of_instance = || events::table.filter(events::instance.eq(self.key));
        let good = of_instance().filter(events::timestamp.le(now.millis())).select(max(events::timestamp));
        let floor = good.first::<Option<i64>>(db)?.map_or(i64::MIN, |good| good.saturating_add(1));
        let first = of_instance().filter(events::timestamp.gt(now.millis())).select(min(events::seq));
        if let Some(first) = first.first::<Option<i64>>(db)? {
            let ahead = of_instance().filter(events::seq.ge(first)).order(events::seq).select(events::seq);
            for seq in ahead.load::<i64>(db)? {
                let time = floor.max(now.millis().saturating_sub(end.seq - seq));
                let event = diesel::update(events::table.find((self.key, seq)));
                event.set(events::timestamp.eq(time)).execute(db)?;
            }
        }
        self.log = None;
        self.log_end(db)
    }

    pub(super) fn set_log_end(&mut self, end: LogEnd) {
        self.log = Some(end);
    }
}
