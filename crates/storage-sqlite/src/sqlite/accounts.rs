use std::collections::HashMap;
use std::collections::hash_map::Entry;

use diesel::prelude::*;
use storage::InstanceId;

use crate::fault::Fault;
use crate::schema::{events, instances, sent_messages};

/// What the writer remembers of instances between jobs, so that it needn't look it up for each.
///
/// It may run ahead of the database after a job was undone: positions then have gaps, which is allowed. After an undone
/// batch it is emptied.
#[derive(Default)]
pub(crate) struct Accounts {
    by_id: HashMap<InstanceId, Account>,
}

/// One instance.
pub(crate) struct Account {
    /// `instances.key`.
    pub(crate) key: i64,
    log: Option<LogEnd>,
    last_turn: Option<i64>,
}

/// Where the event log of an instance ends.
#[derive(Clone, Copy)]
struct LogEnd {
    seq: i64,
    timestamp: i64,
    /// The batch that wrote the last event; 0 when it was read from the database.
    batch: u64,
}

impl Accounts {
    /// The account of an instance that exists.
    pub(crate) fn find(&mut self, db: &mut SqliteConnection, id: InstanceId) -> Result<&mut Account, Fault> {
        match self.by_id.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let key =
                    instances::table.filter(instances::id.eq(&id.as_bytes()[..])).select(instances::key);
                let key = key.first(db).optional()?.ok_or(Fault::NotFound("instance"))?;
                Ok(unknown.insert(Account { key, log: None, last_turn: None }))
            }
        }
    }

    pub(crate) fn forget(&mut self, id: InstanceId) {
        self.by_id.remove(&id);
    }

    pub(crate) fn forget_all(&mut self) {
        self.by_id.clear();
    }
}

impl Account {
    /// Position and time of the next event.
    ///
    /// Events that become visible in different commits never share a time: within a batch the time must not fall, and
    /// the first event of a batch is later than all before it.
    pub(crate) fn next_event(
        &mut self,
        db: &mut SqliteConnection,
        batch: u64,
        timestamp: i64,
    ) -> Result<(i64, i64), Fault> {
        let end = match self.log {
            Some(end) => end,
            None => LogEnd::read(db, self.key)?,
        };
        let floor = if end.batch == batch { end.timestamp } else { end.timestamp.saturating_add(1) };
        let next = LogEnd { seq: end.seq + 1, timestamp: timestamp.max(floor), batch };
        self.log = Some(next);
        Ok((next.seq, next.timestamp))
    }

    /// Number of the next sent message.
    pub(crate) fn next_turn(&mut self, db: &mut SqliteConnection) -> Result<i64, Fault> {
        let last = match self.last_turn {
            Some(turn) => turn,
            None => {
                let of_instance = sent_messages::table.filter(sent_messages::instance.eq(self.key));
                of_instance
                    .select(diesel::dsl::max(sent_messages::turn))
                    .first::<Option<i64>>(db)?
                    .unwrap_or(-1)
            }
        };
        self.last_turn = Some(last + 1);
        Ok(last + 1)
    }
}

impl LogEnd {
    fn read(db: &mut SqliteConnection, instance: i64) -> Result<Self, Fault> {
        let newest = events::table.filter(events::instance.eq(instance)).order(events::seq.desc());
        let newest = newest.select((events::seq, events::timestamp)).first(db).optional()?;
        let (seq, timestamp) = newest.unwrap_or((0, i64::MIN));
        Ok(Self { seq, timestamp, batch: 0 })
    }
}
