use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use storage::{
    ActivityQuery, Budget, Day, Event, EventLog, EventPage, EventQuery, EventStart, InstanceId, NewEvent,
    Page, StorageError, Timestamp, Usage, UserId,
};
use storage_sql::rows::event::{EventRow, NewEventRow, Taken, Tie};
use storage_sql::rows::limit;
use storage_sql::schema::events;
use storage_sql::{Fault, Sealer};

use super::activity;
use super::ownership::owned_key;
use crate::database::SqliteDatabase;
use crate::sqlite::Tx;

/// The events of one record, as they are appended to the log.
pub(super) struct Appender<'a> {
    sealer: &'a Sealer,
    instance: InstanceId,
    key: i64,
    /// Position of the last event before.
    pub(super) after: i64,
    /// The time of all of them.
    timestamp: Timestamp,
    /// What was appended so far.
    pub(super) events: Vec<Event>,
}

impl<'a> Appender<'a> {
    pub(super) fn start(
        tx: &mut Tx,
        instance: InstanceId,
        key: i64,
        sealer: &'a Sealer,
    ) -> Result<Self, Fault> {
        let (after, timestamp) = tx.log_end(instance)?;
        Ok(Self { sealer, instance, key, after, timestamp, events: Vec::new() })
    }

    pub(super) fn append(&mut self, tx: &mut Tx, event: NewEvent) -> Result<(), Fault> {
        let NewEvent { id, chat, data } = event;
        let seq = self.after + 1 + limit(self.events.len() as u64);
        let (instance, timestamp) = (self.instance, self.timestamp);
        let event = Event { seq, id, instance, chat, timestamp, data };
        let row = NewEventRow::seal(self.key, &event, self.sealer)?;
        if event.data.voids_codes() {
            let before =
                events::table.filter(events::instance.eq(self.key)).filter(events::code.is_not_null());
            diesel::update(before).set(events::code.eq(None::<Vec<u8>>)).execute(&mut tx.db)?;
        }
        diesel::insert_into(events::table).values(row).execute(&mut tx.db)?;
        tx.set_log_end(self.instance, seq, self.timestamp)?;
        tx.count(self.key, Day::of(self.timestamp), Usage::of(&event.data));
        self.events.push(event);
        Ok(())
    }
}

/// Forgets codes that were told before a time; answers how many.
pub(super) fn forget_codes(db: &mut SqliteConnection, before: Timestamp) -> Result<u64, Fault> {
    let old = events::table.filter(events::code.is_not_null()).filter(events::timestamp.lt(before.millis()));
    Ok(diesel::update(old).set(events::code.eq(None::<Vec<u8>>)).execute(db)? as u64)
}

/// Up to `count` events after a position, ascending, as far as they fit into a page.
pub(super) fn after(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    seq: i64,
    count: u64,
    sealer: &Sealer,
) -> Result<Vec<Event>, Fault> {
    let rows = events::table
        .filter(events::instance.eq(key))
        .filter(events::seq.gt(seq))
        .order(events::seq)
        .limit(limit(count))
        .select(EventRow::as_select())
        .load_iter::<EventRow, DefaultLoadingMode>(db)?;
    let (mut found, mut budget) = (Vec::new(), Budget::default());
    for row in rows {
        let row = row?;
        budget.take(row.size());
        found.push(row.open(instance, sealer));
        if !budget.has_room() {
            break;
        }
    }
    Ok(found)
}

/// One event by its position.
pub(super) fn one(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    seq: i64,
    sealer: &Sealer,
) -> Result<Option<Event>, Fault> {
    let row: Option<EventRow> =
        events::table.find((key, seq)).select(EventRow::as_select()).first(db).optional()?;
    Ok(row.map(|row| row.open(instance, sealer)))
}

/// The position of the last event; 0 when there is none.
pub(super) fn last_seq(db: &mut SqliteConnection, key: i64) -> Result<i64, Fault> {
    let last = events::table.filter(events::instance.eq(key)).select(events::seq).order(events::seq.desc());
    Ok(last.first(db).optional()?.unwrap_or(0))
}

/// The position of the last event at or before a time; 0 when there is none.
///
/// Times never fall as positions grow, so it is found by halving.
pub(super) fn seq_at(db: &mut SqliteConnection, key: i64, time: i64) -> Result<i64, Fault> {
    let of_instance = || events::table.filter(events::instance.eq(key)).select(events::seq);
    let (first, last) = (
        of_instance().order(events::seq).first::<i64>(db).optional()?,
        of_instance().order(events::seq.desc()).first::<i64>(db).optional()?,
    );
    let (Some(mut early), Some(mut late)) = (first.map(|seq| seq - 1), last.map(|seq| seq + 1)) else {
        return Ok(0);
    };
    // Invariant: what lies at or before `early` is at or before the time; what lies at or behind `late` is after it.
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let next: Option<(i64, i64)> = events::table
            .filter(events::instance.eq(key))
            .filter(events::seq.ge(middle))
            .order(events::seq)
            .select((events::seq, events::timestamp))
            .first(db)
            .optional()?;
        match next {
            // Positions have gaps: the next event may lie behind `late`, where it is known to be after the time.
            Some((seq, timestamp)) if seq < late && timestamp <= time => early = seq,
            _ => late = middle,
        }
    }
    Ok(early)
}

#[async_trait]
impl EventLog for SqliteDatabase {
    async fn events(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &EventQuery,
    ) -> Result<EventPage, StorageError> {
        let (query, sealer) = (query.clone(), self.sealer());
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                let (rows, has_more) = page(db, key, &query)?;
                let events = rows.into_iter().map(|row| row.open(instance, &sealer)).collect();
                Ok(EventPage { events, has_more })
            })
        });
        Ok(page.await?)
    }

    async fn activity(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ActivityQuery,
    ) -> Result<Page<Event>, StorageError> {
        let (query, sealer) = (query.clone(), self.sealer());
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                activity::page(db, key, instance, &query, &sealer)
            })
        });
        Ok(page.await?)
    }
}

/// The rows of a page, and whether more follow.
fn page(db: &mut SqliteConnection, key: i64, query: &EventQuery) -> Result<(Vec<EventRow>, bool), Fault> {
    let from = match query.start {
        EventStart::Newest => {
            let Taken { mut rows, .. } = take(db, key, query, Range::Newest)?;
            rows.reverse();
            return Ok((rows, false));
        }
        EventStart::Oldest => 0,
        EventStart::AfterSeq(seq) => seq,
        EventStart::AfterTime(time) => seq_at(db, key, time.millis())?,
    };
    let taken = take(db, key, query, Range::After { seq: from })?;
    match query.start {
        EventStart::AfterTime(_) => between_times(db, key, query, taken),
        _ => Ok((taken.rows, taken.next.is_some())),
    }
}

/// A page by time, as [`Taken::end_between_times`] says.
fn between_times(
    db: &mut SqliteConnection,
    key: i64,
    query: &EventQuery,
    mut taken: Taken,
) -> Result<(Vec<EventRow>, bool), Fault> {
    let Some(Tie { after, time }) = taken.end_between_times(query.limit) else {
        let has_more = taken.next.is_some();
        return Ok((taken.rows, has_more));
    };
    let end = seq_at(db, key, time)?;
    let ties = matching(key, query, Range::Between { after, up_to: end });
    let mut rows = taken.rows;
    rows.extend(ties.load::<EventRow>(db)?);
    let more = matching(key, query, Range::After { seq: end }).limit(1).load::<EventRow>(db)?;
    Ok((rows, !more.is_empty()))
}

/// Reads row by row until the limit is reached, or the size of a page.
fn take(db: &mut SqliteConnection, key: i64, query: &EventQuery, range: Range) -> Result<Taken, Fault> {
    let mut taken = Taken::default();
    let found = matching(key, query, range).limit(limit(query.limit.saturating_add(1)));
    for row in found.load_iter::<EventRow, DefaultLoadingMode>(db)? {
        if taken.take(row?, query.limit).is_break() {
            break;
        }
    }
    Ok(taken)
}

#[derive(Clone, Copy)]
enum Range {
    After { seq: i64 },
    Between { after: i64, up_to: i64 },
    Newest,
}

type Matching<'a> = diesel::dsl::IntoBoxed<
    'a,
    diesel::helper_types::Select<events::table, diesel::dsl::AsSelect<EventRow, Sqlite>>,
    Sqlite,
>;

fn matching(key: i64, query: &EventQuery, range: Range) -> Matching<'_> {
    let mut found = events::table.select(EventRow::as_select()).into_boxed().filter(events::instance.eq(key));
    if !query.kinds.is_empty() {
        found = found.filter(events::kind.eq_any(query.kinds.iter().map(|kind| kind.as_str())));
    }
    match range {
        Range::After { seq } => found.filter(events::seq.gt(seq)).order(events::seq),
        Range::Between { after, up_to } => {
            found.filter(events::seq.gt(after)).filter(events::seq.le(up_to)).order(events::seq)
        }
        Range::Newest => found.order(events::seq.desc()),
    }
}
