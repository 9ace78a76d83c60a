use super::id::identifier;
use super::word::words;
use crate::{EventData, InstanceId, Timestamp};

identifier! {
    /// Identifies an event for consumers: stable over retries and replays.
    EventId
}

words! {
    /// What happened: the names by which events are filtered and, where a dialect has no other, told.
    EventKind, "event type" {
        /// A message came in.
        MessageReceived = "message_received",
        /// A message of ours was taken by WhatsApp, or written on another device of ours.
        MessageSent = "message_sent",
        /// A message of ours was delivered, read, played or refused.
        MessageStatus = "message_status",
        /// The file of a message has come further.
        MessageMedia = "message_media",
        /// A message came in that can't be decrypted (yet).
        MessageUndecryptable = "message_undecryptable",
        /// Logged in.
        Connected = "connected",
        /// The connection ended.
        Disconnected = "disconnected",
        /// A new QR code waits to be scanned.
        QrReceived = "qr_received",
        /// A usage limit was passed.
        LimitExceeded = "limit_exceeded",
        /// Webhook settings changed.
        WebhookUpdated = "webhook_updated",
        /// The receiver of a webhook takes nothing, so that only probes are made; or it does again.
        WebhookPaused = "webhook_paused",
        /// A contact's identity key is another one.
        IdentityChanged = "identity_changed",
        /// WhatsApp will refuse this version of the client after a time.
        ClientExpiring = "client_expiring",
        /// WhatsApp has changed whom the account may write to.
        LimitsChanged = "limits_changed",
        /// The phone has told another piece of what was before the instance was linked.
        HistoryProgress = "history_progress",
        /// A group was changed, or who is in it.
        GroupUpdated = "group_updated",
        /// Somebody came online, or went.
        PresenceUpdated = "presence_updated",
        /// Somebody is about to write, or no longer.
        ChatState = "chat_state",
        /// Somebody calls, or a call ended.
        Call = "call",
        /// Somebody has posted something to their status, or to a channel that the account follows.
        PostReceived = "post_received",
        /// The account follows a channel or no longer, or how posts there are received.
        ChannelUpdated = "channel_updated",
        /// Something was done to the instance, or became of it, that no other event tells.
        InstanceChanged = "instance_changed",
        /// Something that was stored and can't be read any more. Never written.
        Unreadable = "unreadable",
    }
}

/// A conversation under all its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chat {
    /// The name that the API uses: the phone number's JID where known, else the LID's or the group's.
    pub jid: String,
    /// The person's JID by phone number, where it is a person and the number is known.
    pub pn: Option<String>,
    /// The person's JID by LID, where it is a person and the LID is known.
    pub lid: Option<String>,
}

/// An event to append to the log of an instance. Position and time are the store's to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the caller.
    pub id: EventId,
    /// The chat it belongs to: events of one chat are delivered in order.
    pub chat: Option<Chat>,
    /// What happened, with all that is told of it.
    pub data: EventData,
}

impl NewEvent {
    /// An event with a new id.
    pub fn new(chat: Option<Chat>, data: EventData) -> Self {
        Self { id: EventId::generate(), chat, data }
    }
}

/// A row of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position in the log of this instance: starts at 1, grows with every event, has gaps.
    pub seq: i64,
    /// The same in the log, in every webhook call and in every replay: consumers tell repeats by it.
    pub id: EventId,
    /// The instance it belongs to.
    pub instance: InstanceId,
    /// The chat it belongs to.
    pub chat: Option<Chat>,
    /// By the database's clock. Within one instance it never falls as `seq` grows, and events that became visible at
    /// different times never share a value. So whoever asks for events after the timestamp they saw last misses none
    /// and sees none twice.
    pub timestamp: Timestamp,
    /// What happened.
    pub data: EventData,
}

impl Event {
    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.data.size()
    }

    /// What happened, by name.
    pub fn kind(&self) -> EventKind {
        self.data.kind()
    }

    /// The conversation whose order it keeps.
    pub fn lane(&self) -> Option<&str> {
        self.chat.as_ref().map(|chat| chat.jid.as_str())
    }
}

/// Where a page of events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStart {
    /// With the oldest event there is.
    Oldest,
    /// So that the page ends with the newest event there is.
    Newest,
    /// With the first event behind this position.
    AfterSeq(i64),
    /// After this time. Such a page may be longer than its limit: it never ends between events of the same time.
    AfterTime(Timestamp),
}

/// Which events of an instance; always in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Where the page begins.
    pub start: EventStart,
    /// Only these kinds; empty means all.
    pub kinds: Vec<EventKind>,
    /// How many to return at most (see [`EventStart::AfterTime`]).
    pub limit: u64,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// In ascending order of `seq`.
    pub events: Vec<Event>,
    /// Whether newer events match the query than the last one of this page.
    pub has_more: bool,
}
