pub(super) mod data;
mod details;
mod happening;

use bytes::Bytes;
use serde::Serialize;
use storage::{Event, EventId, EventKind, Json, Timestamp};

pub(super) use self::data::Data;
use super::{Call, Dialect, JSON, Telling};

/// Room for the body of a usual text, so that writing it allocates once.
const USUAL_BODY: usize = 768;

/// The multi-instance API. Every field that either its webhooks or its event log document is in both.
#[derive(Clone, Copy, Debug)]
pub struct Seed1;

impl Dialect for Seed1 {
    fn name(&self, kind: EventKind) -> &'static str {
        kind.as_str()
    }

    fn webhook(&self, event: &Event, _to: &Telling<'_>) -> Call {
        Envelope::new(self.name(event.kind()), event).call()
    }

    fn listed(&self, event: &Event) -> Json {
        json(&Listed::new(self.name(event.kind()), event))
    }

    fn data(&self, event: &Event) -> Json {
        json(&Data::of(event))
    }
}

/// A webhook's body: the documented envelope, and our stable event id.
#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    id: EventId,
    event: &'static str,
    data: Data<'a>,
    timestamp: Timestamp,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(name: &'static str, event: &'a Event) -> Self {
        Self { id: event.id, event: name, data: Data::of(event), timestamp: event.timestamp }
    }

    pub(super) fn call(&self) -> Call {
        let mut body = Vec::with_capacity(USUAL_BODY);
        // Strings, numbers and structs always have a JSON form, and memory takes every write.
        let written = serde_json::to_writer(&mut body, self);
        debug_assert!(written.is_ok());
        Call { event: self.event, content_type: JSON, body: Bytes::from(body) }
    }
}

/// An entry of the event log.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

impl<'a> Listed<'a> {
    pub(super) fn new(name: &'static str, event: &'a Event) -> Self {
        Self { id: event.id, kind: name, timestamp: event.timestamp, data: Data::of(event) }
    }
}

/// Strings, numbers and structs always have a JSON form, so the fallback (`null`) is never met.
pub(super) fn json(value: &impl Serialize) -> Json {
    Json::of(value).unwrap_or_default()
}
