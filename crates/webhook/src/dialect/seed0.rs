use storage::{Event, EventKind, Json};

use super::seed1::{Data, Envelope, Listed, Seed1, json};
use super::{Call, Dialect, Telling};

/// The older revision of the multi-instance API: other names for the ends of a connection, otherwise [`Seed1`].
#[derive(Clone, Copy, Debug)]
pub struct Seed0;

impl Dialect for Seed0 {
    fn name(&self, kind: EventKind) -> &'static str {
        match kind {
            EventKind::Connected => "connection_opened",
            EventKind::Disconnected => "connection_closed",
            other => Seed1.name(other),
        }
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
