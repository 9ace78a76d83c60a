//! In whose words events are told: the seam between our typed events and the JSON that an API documents.

mod seed0;
mod seed1;
mod whatsgate;
mod witi;

use bytes::Bytes;
use storage::{Event, EventKind, Json, WebhookFormat};

pub use seed0::Seed0;
pub use seed1::Seed1;
pub use seed1::data::media_path;
pub use whatsgate::{Whatsgate, message_key, session_webhook};
pub use witi::Witi;

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

    /// What this event is called: more than its kind may matter.
    fn action(&self, event: &Event) -> &'static str {
        self.name(event.kind())
    }

    /// The event as the receiver of the webhook of this name gets it.
    fn webhook(&self, event: &Event, webhook: &str) -> Call;

    /// The event as an entry of the event log.
    fn listed(&self, event: &Event) -> Json;

    /// What happened, without name, id and time: the `data` of both.
    fn data(&self, event: &Event) -> Json;

    /// Whether the API knows events like this one. A webhook passes over those that it doesn't.
    fn tells(&self, _event: &Event) -> bool {
        true
    }

    /// What a receiver has to answer so that the call counts as delivered.
    fn receipt(&self) -> Receipt {
        Receipt::Status
    }

    /// How the delays before further attempts grow.
    fn pace(&self) -> Pace {
        Pace::Doubling
    }
}

/// What a receiver has to answer so that a call counts as delivered.
#[derive(Clone, Copy)]
pub enum Receipt {
    /// Any 2xx.
    Status,
    /// A 2xx with a body that this function takes for the receipt of the event.
    Body(fn(&Event, &[u8]) -> bool),
}

/// How the delays before further attempts grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Each is twice as long as the one before.
    #[default]
    Doubling,
    /// All are alike.
    Steady,
}

/// What a receiver gets, besides the headers that are the same in every dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The event's name in this dialect.
    pub event: &'static str,
    /// The type of the body.
    pub content_type: &'static str,
    /// The request's body.
    pub body: Bytes,
}

/// The type of bodies that are JSON.
pub(crate) const JSON: &str = "application/json";

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
        WebhookFormat::Witi => &Witi::Raw,
        WebhookFormat::WitiBulk => &Witi::Bulk,
        WebhookFormat::WitiBulkGz => &Witi::BulkGz,
        WebhookFormat::Whatsgate => &Whatsgate,
    }
}

#[cfg(test)]
mod tests;
