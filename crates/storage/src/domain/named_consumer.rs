use std::time::Duration;

use crate::{EventKind, InstanceId, Timestamp};

/// How long events are kept, beyond their retention, for a named consumer that says nothing. One that was forgotten keeps no
/// log for ever.
pub const CONSUMER_PATIENCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A reader of an instance's event log that pulls, under a name that its owner gave. It says itself how far it has come,
/// and what it has not acknowledged is kept for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedConsumer {
    /// The instance whose log it reads.
    pub instance: InstanceId,
    /// Unique among the named consumers of the instance, and fixed. Webhooks have names of their own.
    pub name: String,
    /// Only these kinds, where given.
    pub kinds: Option<Vec<EventKind>>,
    /// It has had everything up to here.
    pub position: i64,
    /// When it last acknowledged something, or was changed.
    pub seen_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings were last changed.
    pub updated_at: Timestamp,
}

impl NamedConsumer {
    /// Whether events wait for it beyond their retention.
    pub fn is_awaited(&self, now: Timestamp) -> bool {
        self.seen_at >= now.before(CONSUMER_PATIENCE)
    }
}

/// Where a named consumer is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerStart {
    /// Before the oldest event that there is.
    Oldest,
    /// Behind the newest one.
    Newest,
    /// Behind this position; one that the log doesn't have yet is `Invalid`.
    After(i64),
}

/// Changes to a named consumer by its owner; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerChange {
    /// New choice of kinds; `Some(None)` means all.
    pub kinds: Option<Option<Vec<EventKind>>>,
    /// Where it goes on; a new one without this begins behind the newest event.
    pub start: Option<ConsumerStart>,
}

impl ConsumerChange {
    /// The consumer as it is after the change: of the present one, if there is one, in a log that ends at `end`. `None` for a
    /// position beyond that end.
    pub fn applied(
        self,
        present: Option<NamedConsumer>,
        (instance, name): (InstanceId, &str),
        end: i64,
        now: Timestamp,
    ) -> Option<NamedConsumer> {
        let mut consumer = present.unwrap_or_else(|| NamedConsumer {
            instance,
            name: name.to_owned(),
            kinds: None,
            position: end,
            seen_at: now,
            created_at: now,
            updated_at: now,
        });
        if let Some(kinds) = self.kinds {
            consumer.kinds = kinds;
        }
        match self.start {
            None => {}
            Some(ConsumerStart::Oldest) => consumer.position = 0,
            Some(ConsumerStart::Newest) => consumer.position = end,
            Some(ConsumerStart::After(position)) if position > end => return None,
            Some(ConsumerStart::After(position)) => consumer.position = position,
        }
        (consumer.seen_at, consumer.updated_at) = (now, now);
        Some(consumer)
    }
}
