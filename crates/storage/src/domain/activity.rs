use serde::{Deserialize, Serialize};

use super::word::words;
use crate::{EventData, EventKind, NewEvent, Timestamp};

words! {
    /// What was done to an instance, or became of it, that no other event tells.
    InstanceAction, "action" {
        /// Its settings were changed.
        Updated = "updated",
        /// It begins to connect, after it had ended.
        Connecting = "connecting",
        /// Its owner had it connect anew.
        Reconnect = "reconnect",
        /// A code was made that links it without a scan.
        PairingCode = "pairing_code",
        /// An account was linked.
        Paired = "paired",
        /// The account was unlinked: its credentials are gone.
        LoggedOut = "logged_out",
        /// The phone has sent something that this version can't read, and that is kept as it came; `fields` say what:
        /// `lidMap`, who is who, or `history`.
        Unreadable = "unreadable",
    }
}

/// Something that was done to an instance, or became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceData {
    /// What it was.
    pub action: InstanceAction,
    /// The settings that were changed, under the API's names; never what they are. Or what the action says of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl InstanceAction {
    /// The event that tells of it.
    pub fn told(self) -> NewEvent {
        self.told_of(&[])
    }

    /// The event that tells of it, and what of it.
    pub fn told_of(self, fields: &[&str]) -> NewEvent {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        NewEvent::new(None, EventData::InstanceChanged(InstanceData { action: self, fields }))
    }
}

impl EventKind {
    /// The kinds that tell of an instance itself, and not of its messages, chats and people.
    pub const OF_INSTANCE: &[Self] = &[
        Self::Connected,
        Self::Disconnected,
        Self::QrReceived,
        Self::LimitExceeded,
        Self::WebhookUpdated,
        Self::ClientExpiring,
        Self::LimitsChanged,
        Self::InstanceChanged,
    ];
}

/// Which events that tell of an instance itself, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityQuery {
    /// Only these; `None` means all.
    pub only: Option<ActivityFilter>,
    /// Only what happened at or after this time.
    pub start: Option<Timestamp>,
    /// Only what happened at or before this time.
    pub end: Option<Timestamp>,
    /// How many to return at most.
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
}

/// Kinds of events, and what is wanted of [`EventKind::InstanceChanged`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Events of these kinds.
    pub kinds: Vec<EventKind>,
    /// Events of the kind `InstanceChanged` that tell of these.
    pub actions: Vec<InstanceAction>,
}

impl ActivityQuery {
    /// Whether an event with this kind and time and these contents is asked for.
    pub fn wants(&self, data: &EventData, at: Timestamp) -> bool {
        let (kind, in_time) = (data.kind(), |bound: Option<Timestamp>| bound.unwrap_or(at));
        EventKind::OF_INSTANCE.contains(&kind)
            && (in_time(self.start)..=in_time(self.end)).contains(&at)
            && self.only.as_ref().is_none_or(|only| only.names(data))
    }
}

impl ActivityFilter {
    fn names(&self, data: &EventData) -> bool {
        let by_action = match data {
            EventData::InstanceChanged(told) => self.actions.contains(&told.action),
            _ => false,
        };
        by_action || self.kinds.contains(&data.kind())
    }
}
