//! In whose words events are told: the seam between our typed events and the JSON that an API documents.

mod seed0;
mod seed1;

use bytes::Bytes;
use storage::{Event, EventKind, Json, WebhookFormat};

pub use seed0::Seed0;
pub use seed1::Seed1;

/// Tells events in the words of one API. Pure: the same event gives the same bytes at every attempt, after a restart and
/// on another node.
///
/// ```
/// use storage::{EventKind, WebhookFormat};
/// use webhook::dialect;
///
/// assert_eq!(dialect(WebhookFormat::Seed1).name(EventKind::Connected), "connected");
/// assert_eq!(dialect(WebhookFormat::Seed0).name(EventKind::Connected), "connection_opened");
/// ```
pub trait Dialect: Send + Sync {
    /// What events of this kind are called.
    fn name(&self, kind: EventKind) -> &'static str;

    /// The event as a webhook's receiver gets it.
    fn webhook(&self, event: &Event) -> Call;

    /// The event as an entry of the event log.
    fn listed(&self, event: &Event) -> Json;

    /// What happened, without name, id and time: the `data` of both.
    fn data(&self, event: &Event) -> Json;
}

/// What a receiver gets, besides the headers that are the same in every dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The event's name in this dialect.
    pub event: &'static str,
    /// The request's body: JSON.
    pub body: Bytes,
}

impl std::fmt::Debug for Call {
    /// Without the body, since messages stand in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("event", &self.event).field("bytes", &self.body.len()).finish()
    }
}

/// The dialect of a webhook format.
pub fn dialect(format: WebhookFormat) -> &'static dyn Dialect {
    match format {
        WebhookFormat::Seed1 => &Seed1,
        WebhookFormat::Seed0 => &Seed0,
    }
}

#[cfg(test)]
mod tests;
