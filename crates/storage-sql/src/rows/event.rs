//! Events of the log.

use diesel::prelude::*;
use storage::{Chat, Event, EventData, EventId, EventKind, InstanceId, UnreadableData};

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
