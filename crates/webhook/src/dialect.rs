//! In whose words events are told: the seam between our typed events and the JSON that an API documents.

mod evolution;
mod seed0;
mod seed1;
mod standard;
mod waha;
mod whatsgate;
mod witi;

mod account;

use bytes::Bytes;
use storage::{Event, EventId, EventKind, Json, Timestamp, WebhookFormat};

use crate::signature::Signer;

pub use account::Account;
pub use evolution::Evolution;
pub use seed0::Seed0;
pub use seed1::Seed1;
pub use seed1::data::media_path;
pub use standard::Standard;
pub use waha::Waha;
pub use whatsgate::{Whatsgate, message_key, session_webhook};
pub use witi::Witi;

/// Tells events in the words of one API. Pure: the same event gives the same bytes at every attempt, after a restart and
/// on another node, as long as the account is called the same.
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

    /// The event as a receiver gets it.
    fn webhook(&self, event: &Event, to: &Telling<'_>) -> Call;

    /// The event as an entry of the event log.
    fn listed(&self, event: &Event) -> Json;

    /// What happened, without name, id and time: the `data` of both.
    fn data(&self, event: &Event) -> Json;

    /// Whether the API knows events like this one. A webhook passes over those that it doesn't.
    fn tells(&self, _event: &Event) -> bool {
        true
    }

    /// Whether events tell of the account, so that it is looked up for each.
    fn tells_account(&self) -> bool {
        false
    }

    /// Headers that a call has beside those of every dialect, and instead of them where they are called alike.
    fn headers(&self, _attempt: &Attempt<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
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

/// Whom an event is told, and of whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// Where the webhook's calls go.
    pub url: &'a str,
    /// The account, where the dialect [tells of it](Dialect::tells_account).
    pub account: Option<&'a Account>,
    /// Under which URL others reach the gateway, without a slash at its end; empty where it wasn't told.
    pub public_url: &'a str,
}

/// An attempt to make a call, for its headers.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The event's id, the same for every attempt.
    pub id: EventId,
    /// When the attempt is made.
    pub at: Timestamp,
    /// The bytes of the body.
    pub body: &'a [u8],
    /// Signs with the webhook's secret, if it has one.
    pub signer: Option<&'a Signer>,
    /// Signs with the secret that is to follow.
    pub next: Option<&'a Signer>,
}

impl std::fmt::Debug for Attempt<'_> {
    /// Without the body, since messages stand in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
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
        WebhookFormat::Waha => &Waha::Named,
        WebhookFormat::WahaAny => &Waha::Any,
        WebhookFormat::Evolution => &Evolution,
        WebhookFormat::Standard => &Standard,
    }
}

#[cfg(test)]
mod tests;
