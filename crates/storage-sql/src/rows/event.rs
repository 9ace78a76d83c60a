//! Events of the log.

use std::ops::ControlFlow;

use diesel::prelude::*;
use storage::{Budget, Chat, Event, EventData, EventId, EventKind, InstanceId, UnreadableData};

use super::{sixteen, time};
use crate::fault::Fault;
use crate::schema::events;
use crate::seal::{Place, Sealer};
use crate::unreadable;

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct EventRow {
    pub seq: i64,
    pub id: Vec<u8>,
    pub kind: String,
    pub chat: Option<String>,
    pub chat_pn: Option<String>,
    pub chat_lid: Option<String>,
    pub timestamp: i64,
    pub format: i64,
    pub data: String,
    pub code: Option<Vec<u8>>,
}

impl EventRow {
    /// What it counts in a page.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// The event; one that can't be read is told as such. Its place in the log stays, and with it those of all others.
    pub fn open(self, instance: InstanceId, sealer: &Sealer) -> Event {
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

/// What tells of the instance itself. Literally as in the index `events_of_instance`, which is used only then.
pub const OF_INSTANCE: &str = "kind IN ('connected', 'disconnected', 'qr_received', 'limit_exceeded', 'webhook_updated', \
                               'client_expiring', 'limits_changed', 'instance_changed')";

/// The rows of a page of the log, which ends at a limit or at the size of a page.
#[derive(Default)]
pub struct Taken {
    pub rows: Vec<EventRow>,
    /// The time of the event that follows, if one does.
    pub next: Option<i64>,
    budget: Budget,
}

/// Of the events with this time the page has only those up to a position.
pub struct Tie {
    pub after: i64,
    pub time: i64,
}

impl Taken {
    /// Takes a row, unless the page is full without it; then answers that.
    pub fn take(&mut self, row: EventRow, most: u64) -> ControlFlow<()> {
        if self.rows.len() as u64 == most || !self.budget.has_room() {
            self.next = Some(row.timestamp);
            return ControlFlow::Break(());
        }
        self.budget.take(row.size());
        self.rows.push(row);
        ControlFlow::Continue(())
    }

    /// Has the page end between two times: at its size it leaves its last time out, unless that is the only one. At its limit
    /// it is to take in the rest of that time: then answers which.
    pub fn end_between_times(&mut self, most: u64) -> Option<Tie> {
        let last = self.rows.last()?;
        if self.next? != last.timestamp {
            return None;
        }
        let (after, time) = (last.seq, last.timestamp);
        let shorter = self.rows.iter().rposition(|row| row.timestamp != time).map(|at| at + 1);
        match shorter.filter(|_| (self.rows.len() as u64) < most) {
            Some(shorter) => {
                self.rows.truncate(shorter);
                None
            }
            None => Some(Tie { after, time }),
        }
    }
}

/// Where codes are sealed.
const CODE: &str = "events.code";

/// The place of a code.
pub fn at<T>(instance: InstanceId, seq: i64, f: impl FnOnce(&Place<'_>) -> T) -> T {
    f(&Place { column: CODE, row: &[instance.as_bytes(), &seq.to_le_bytes()] })
}

/// Stands for the id of an event that is damaged: the same whenever it is told.
fn in_place_of_id(instance: InstanceId, seq: i64) -> [u8; 16] {
    (u128::from_le_bytes(*instance.as_bytes()) ^ u128::from(seq.cast_unsigned())).to_le_bytes()
}

/// An event as it is appended to the log.
#[derive(Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
pub struct NewEventRow {
    pub instance: i64,
    pub seq: i64,
    pub id: Vec<u8>,
    pub kind: &'static str,
    pub chat: Option<String>,
    pub chat_pn: Option<String>,
    pub chat_lid: Option<String>,
    pub timestamp: i64,
    pub format: i64,
    pub data: String,
    pub code: Option<Vec<u8>>,
}

impl NewEventRow {
    /// The row of an event of the instance with this key.
    pub fn seal(key: i64, event: &Event, sealer: &Sealer) -> Result<Self, Fault> {
        let (data, code) = written(event, sealer)?;
        let chat = event.chat.as_ref();
        Ok(Self {
            instance: key,
            seq: event.seq,
            id: event.id.as_bytes().to_vec(),
            kind: event.data.kind().as_str(),
            chat: chat.map(|chat| chat.jid.clone()),
            chat_pn: chat.and_then(|chat| chat.pn.clone()),
            chat_lid: chat.and_then(|chat| chat.lid.clone()),
            timestamp: event.timestamp.millis(),
            format: i64::from(EventData::FORMAT),
            data,
            code,
        })
    }
}

/// What is stored of an event: its text, and apart from it, sealed, the code that it tells.
fn written(event: &Event, sealer: &Sealer) -> Result<(String, Option<Vec<u8>>), Fault> {
    let EventData::QrReceived(told) = &event.data else { return Ok((event.data.encode()?, None)) };
    let code = at(event.instance, event.seq, |place| sealer.seal(place, told.code.as_bytes()))?;
    let mut without = event.data.clone();
    without.forget_code();
    Ok((without.encode()?, Some(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_those_of_the_domain_and_of_the_indexes() {
        let kinds: Vec<_> = EventKind::OF_INSTANCE.iter().map(|kind| format!("'{kind}'")).collect();
        assert_eq!(OF_INSTANCE, format!("kind IN ({})", kinds.join(", ")));
        for step in [
            include_str!("../../../../migrations/sqlite/00000000000043_activity/up.sql"),
            include_str!("../../../../migrations/postgres/00000000000001_all/up.sql"),
        ] {
            assert!(step.contains(OF_INSTANCE));
        }
    }
}
