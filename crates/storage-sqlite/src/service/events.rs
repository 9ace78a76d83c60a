use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    Chat, Event, EventData, EventId, EventKind, EventLog, EventPage, EventQuery, EventStart, InstanceId,
    NewEvent, StorageError, Timestamp, UserId,
};

use super::ownership::owned_key;
use super::{limit, sixteen, time};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::events;
use crate::sqlite::Tx;

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
}

impl EventRow {
    pub(super) fn open(self, instance: InstanceId) -> Result<Event, Fault> {
        let format = u32::try_from(self.format).unwrap_or(u32::MAX);
        let (pn, lid) = (self.chat_pn, self.chat_lid);
        Ok(Event {
            seq: self.seq,
            id: EventId::from_bytes(sixteen(&self.id)?),
            instance,
            chat: self.chat.map(|jid| Chat { jid, pn, lid }),
            timestamp: time(self.timestamp),
            data: EventData::decode(format, self.kind.parse()?, &self.data)?,
        })
    }
}

/// The events of one record, as they are appended to the log.
pub(super) struct Appender {
    instance: InstanceId,
    key: i64,
    /// Position of the last event before.
    pub(super) after: i64,
    /// The time of all of them.
    timestamp: Timestamp,
    /// What was appended so far.
    pub(super) events: Vec<Event>,
}

impl Appender {
    pub(super) fn start(tx: &mut Tx, instance: InstanceId, key: i64) -> Result<Self, Fault> {
        let (after, timestamp) = tx.log_end(instance)?;
        Ok(Self { instance, key, after, timestamp, events: Vec::new() })
    }

    pub(super) fn append(&mut self, tx: &mut Tx, event: NewEvent) -> Result<(), Fault> {
        let NewEvent { id, chat, data } = event;
        let seq = self.after + 1 + limit(self.events.len() as u64);
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
            events::data.eq(data.encode()?),
        );
        diesel::insert_into(events::table).values(row).execute(&mut tx.db)?;
        tx.set_log_end(self.instance, seq, self.timestamp)?;
        let (instance, timestamp) = (self.instance, self.timestamp);
        self.events.push(Event { seq, id, instance, chat, timestamp, data });
        Ok(())
    }
}

/// Up to `count` events after a position, ascending.
pub(super) fn after(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    seq: i64,
    count: u64,
) -> Result<Vec<Event>, Fault> {
    let rows = events::table
        .filter(events::instance.eq(key))
        .filter(events::seq.gt(seq))
        .order(events::seq)
        .limit(limit(count))
        .select(EventRow::as_select())
        .load(db)?;
    rows.into_iter().map(|row| row.open(instance)).collect()
}

/// One event by its position.
pub(super) fn at(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    seq: i64,
) -> Result<Option<Event>, Fault> {
    let row = events::table.find((key, seq)).select(EventRow::as_select()).first(db).optional()?;
    row.map(|row| row.open(instance)).transpose()
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
        let query = query.clone();
        let page = self.read(move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                page(db, key, instance, &query)
            })
        });
        Ok(page.await?)
    }
}

fn page(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    query: &EventQuery,
) -> Result<EventPage, Fault> {
    let mut rows = match query.start {
        EventStart::Newest => {
            let mut rows = matching(db, key, &query.kinds, Range::Newest { count: query.limit })?;
            rows.reverse();
            return page_of(rows, instance, false);
        }
        EventStart::Oldest => forward(db, key, query, 0)?,
        EventStart::AfterSeq(seq) => forward(db, key, query, seq)?,
        EventStart::AfterTime(time) => {
            let seq = seq_at(db, key, time.millis())?;
            forward(db, key, query, seq)?
        }
    };
    let beyond = rows.len() as u64 > query.limit;
    let next = if beyond { rows.pop() } else { None };
    let (Some(next), Some(last), EventStart::AfterTime(_)) = (next, rows.last(), query.start) else {
        return page_of(rows, instance, beyond);
    };
    // A page by time takes in all events of the time that it ends with.
    if next.timestamp != last.timestamp {
        return page_of(rows, instance, true);
    }
    let end = seq_at(db, key, last.timestamp)?;
    let ties = Range::Between { after: last.seq, up_to: end };
    rows.extend(matching(db, key, &query.kinds, ties)?);
    let more = matching(db, key, &query.kinds, Range::After { seq: end, count: 1 })?;
    page_of(rows, instance, !more.is_empty())
}

fn page_of(rows: Vec<EventRow>, instance: InstanceId, has_more: bool) -> Result<EventPage, Fault> {
    let events = rows.into_iter().map(|row| row.open(instance)).collect::<Result<_, _>>()?;
    Ok(EventPage { events, has_more })
}

/// One event more than the page takes, to know whether there is more.
fn forward(
    db: &mut SqliteConnection,
    key: i64,
    query: &EventQuery,
    seq: i64,
) -> Result<Vec<EventRow>, Fault> {
    matching(db, key, &query.kinds, Range::After { seq, count: query.limit.saturating_add(1) })
}

#[derive(Clone, Copy)]
enum Range {
    After { seq: i64, count: u64 },
    Between { after: i64, up_to: i64 },
    Newest { count: u64 },
}

fn matching(
    db: &mut SqliteConnection,
    key: i64,
    kinds: &[EventKind],
    range: Range,
) -> Result<Vec<EventRow>, Fault> {
    let mut query = events::table.filter(events::instance.eq(key)).select(EventRow::as_select()).into_boxed();
    if !kinds.is_empty() {
        query = query.filter(events::kind.eq_any(kinds.iter().map(|kind| kind.as_str())));
    }
    let query = match range {
        Range::After { seq, count } => {
            query.filter(events::seq.gt(seq)).order(events::seq).limit(limit(count))
        }
        Range::Between { after, up_to } => {
            query.filter(events::seq.gt(after)).filter(events::seq.le(up_to)).order(events::seq)
        }
        Range::Newest { count } => query.order(events::seq.desc()).limit(limit(count)),
    };
    Ok(query.load(db)?)
}
