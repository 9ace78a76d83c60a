use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use storage::{
    Budget, Chat, Event, EventData, EventId, EventKind, EventLog, EventPage, EventQuery, EventStart,
    InstanceId, NewEvent, StorageError, Timestamp, UnreadableData, UserId,
};

use super::ownership::owned_key;
use super::{limit, sixteen, time};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::events;
use crate::seal::{Place, Sealer};
use crate::sqlite::Tx;
use crate::unreadable;

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
pub(super) struct EventRow {
    seq: i64,
    id: Vec<u8>,
    kind: String,
    chat: Option<String>,
    chat_pn: Option<String>,
    chat_lid: Option<String>,
    timestamp: i64,
    format: i64,
    data: String,
    code: Option<Vec<u8>>,
}

impl EventRow {
    /// What it counts in a page.
    pub(super) fn size(&self) -> usize {
        self.data.len()
    }

    /// The event; one that can't be read is told as such. Its place in the log stays, and with it those of all others.
    pub(super) fn open(self, instance: InstanceId, sealer: &Sealer) -> Event {
        let tell = |fault| unreadable::tell("events", instance, &self.seq, &fault);
        let data = self.data(instance, sealer).unwrap_or_else(|fault| {
            tell(fault);
            EventData::Unreadable(UnreadableData { kind: self.kind.parse().ok() })
        });
        let id = sixteen(&self.id).unwrap_or_else(|fault| {
            tell(fault);
            in_place_of_id(instance, self.seq)
        });
        let (pn, lid) = (self.chat_pn, self.chat_lid);
        Event {
            seq: self.seq,
            id: EventId::from_bytes(id),
            instance,
            chat: self.chat.map(|jid| Chat { jid, pn, lid }),
            timestamp: time(self.timestamp),
            data,
        }
    }

    fn data(&self, instance: InstanceId, sealer: &Sealer) -> Result<EventData, Fault> {
        let format = u32::try_from(self.format).unwrap_or(u32::MAX);
        // The present format holds the kind itself, so that a damaged word beside it does no harm.
        let kind = self.kind.parse().unwrap_or(EventKind::Unreadable);
        let mut data = EventData::decode(format, kind, &self.data)?;
        if let (EventData::QrReceived(told), Some(sealed)) = (&mut data, &self.code) {
            let code = at(instance, self.seq, |place| sealer.open(place, sealed))?;
            std::str::from_utf8(&code)
                .map_err(|error| Fault::corrupt(CODE, error))?
                .clone_into(&mut told.code);
        }
        Ok(data)
    }
}

/// Where codes are sealed.
const CODE: &str = "events.code";

fn at<T>(instance: InstanceId, seq: i64, f: impl FnOnce(&Place<'_>) -> T) -> T {
    f(&Place { column: CODE, row: &[instance.as_bytes(), &seq.to_le_bytes()] })
}

/// Stands for the id of an event that is damaged: the same whenever it is told.
fn in_place_of_id(instance: InstanceId, seq: i64) -> [u8; 16] {
    (u128::from_le_bytes(*instance.as_bytes()) ^ u128::from(seq.cast_unsigned())).to_le_bytes()
}

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
        let (text, code) = self.written(&data, seq)?;
        let row = (
            events::instance.eq(self.key),
            events::seq.eq(seq),
            events::id.eq(&id.as_bytes()[..]),
            events::kind.eq(data.kind().as_str()),
            events::chat.eq(chat.as_ref().map(|chat| chat.jid.as_str())),
            events::chat_pn.eq(chat.as_ref().and_then(|chat| chat.pn.as_deref())),
            events::chat_lid.eq(chat.as_ref().and_then(|chat| chat.lid.as_deref())),
            events::timestamp.eq(self.timestamp.millis()),
            events::format.eq(i64::from(EventData::FORMAT)),
            events::data.eq(text),
            events::code.eq(code),
        );
        if data.voids_codes() {
            let before =
                events::table.filter(events::instance.eq(self.key)).filter(events::code.is_not_null());
            diesel::update(before).set(events::code.eq(None::<Vec<u8>>)).execute(&mut tx.db)?;
        }
        diesel::insert_into(events::table).values(row).execute(&mut tx.db)?;
        tx.set_log_end(self.instance, seq, self.timestamp)?;
        let (instance, timestamp) = (self.instance, self.timestamp);
        self.events.push(Event { seq, id, instance, chat, timestamp, data });
        Ok(())
    }
}

impl Appender<'_> {
    /// What is stored of an event: its text, and apart from it, sealed, the code that it tells.
    fn written(&self, data: &EventData, seq: i64) -> Result<(String, Option<Vec<u8>>), Fault> {
        let EventData::QrReceived(told) = data else { return Ok((data.encode()?, None)) };
        let code = at(self.instance, seq, |place| self.sealer.seal(place, told.code.as_bytes()))?;
        let mut without = data.clone();
        without.forget_code();
        Ok((without.encode()?, Some(code)))
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

/// A page by time ends between two times: at its limit it takes in the rest of its last time, at its size it leaves that
/// time out, unless it is the only one.
fn between_times(
    db: &mut SqliteConnection,
    key: i64,
    query: &EventQuery,
    taken: Taken,
) -> Result<(Vec<EventRow>, bool), Fault> {
    let Taken { mut rows, next } = taken;
    let (Some(next), Some(last)) = (next, rows.last()) else { return Ok((rows, next.is_some())) };
    if next != last.timestamp {
        return Ok((rows, true));
    }
    let (last_seq, time) = (last.seq, last.timestamp);
    let shorter = rows.iter().rposition(|row| row.timestamp != time).map(|at| at + 1);
    if let (Some(shorter), true) = (shorter, (rows.len() as u64) < query.limit) {
        rows.truncate(shorter);
        return Ok((rows, true));
    }
    let end = seq_at(db, key, time)?;
    let ties = matching(key, query, Range::Between { after: last_seq, up_to: end });
    rows.extend(ties.load::<EventRow>(db)?);
    let more = matching(key, query, Range::After { seq: end }).limit(1).load::<EventRow>(db)?;
    Ok((rows, !more.is_empty()))
}

/// What a page holds at most.
struct Taken {
    rows: Vec<EventRow>,
    /// The time of the event that follows, if one does.
    next: Option<i64>,
}

/// Reads row by row until the limit is reached, or the size of a page.
fn take(db: &mut SqliteConnection, key: i64, query: &EventQuery, range: Range) -> Result<Taken, Fault> {
    let (mut rows, mut budget) = (Vec::new(), Budget::default());
    let found = matching(key, query, range).limit(limit(query.limit.saturating_add(1)));
    for row in found.load_iter::<EventRow, DefaultLoadingMode>(db)? {
        let row = row?;
        if rows.len() as u64 == query.limit || !budget.has_room() {
            return Ok(Taken { rows, next: Some(row.timestamp) });
        }
        budget.take(row.data.len());
        rows.push(row);
    }
    Ok(Taken { rows, next: None })
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
