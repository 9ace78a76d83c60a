use serde::{Deserialize, Serialize};

use super::activity::InstanceData;
use super::event_data_v0;
use super::happening_data::{
    CallData, ChannelData, ChatStateData, GroupData, PersonData, PostFigures, PresenceData,
};
use super::word::words;
use crate::{
    CauseKind, EventKind, FailureCause, MediaFault, MediaState, MessageDetails, MessageKind, MessageStatus,
    StoredMedia,
};

/// What happened, in our words: dialects make JSON of it where it leaves.
///
/// It is stored as JSON under [`EventData::FORMAT`]. Within a format fields are only ever added, as optional ones; what
/// can't be told that way takes a new format, and [`EventData::decode`] goes on reading the old ones. `Debug` shows
/// neither bodies nor codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum EventData {
    /// A message came in.
    MessageReceived(MessageData),
    /// A message of ours was taken by WhatsApp, or written on another device of ours.
    MessageSent(MessageData),
    /// A message of ours was delivered, read, played or refused.
    MessageStatus(StatusData),
    /// The file of a message has come further.
    MessageMedia(MessageMediaData),
    /// A message came in that can't be decrypted (yet).
    MessageUndecryptable(UndecryptableData),
    /// Logged in.
    Connected(ConnectedData),
    /// The connection ended.
    Disconnected(DisconnectedData),
    /// A new QR code waits to be scanned.
    QrReceived(QrData),
    /// A usage limit was passed.
    LimitExceeded(LimitData),
    /// Webhook settings changed.
    WebhookUpdated(WebhookData),
    /// The receiver of a webhook takes nothing, so that only probes are made; or it does again.
    WebhookPaused(WebhookPausedData),
    /// The contact of the event's chat has set up WhatsApp anew, or somebody else answers in their name: their identity
    /// key is another one.
    IdentityChanged(IdentityData),
    /// WhatsApp will refuse this version of the client after a time.
    ClientExpiring(ExpiryData),
    /// WhatsApp has changed whom the account may write to.
    LimitsChanged(LimitsData),
    /// The phone has told another piece of what was before the instance was linked: its messages and contacts are stored, and
    /// nothing else tells of them.
    HistoryProgress(HistoryData),
    /// The group of the event's chat was changed, or who is in it.
    GroupUpdated(GroupData),
    /// The person of the event's chat came online, or went.
    PresenceUpdated(PresenceData),
    /// Somebody is about to write in the event's chat, or no longer.
    ChatState(ChatStateData),
    /// The person of the event's chat calls, or that call ended.
    Call(CallData),
    /// Somebody has posted something to their status, or to a channel that the account follows: the event's chat.
    PostReceived(MessageData),
    /// The account follows the channel of the event's chat or no longer, or how posts there are received.
    ChannelUpdated(ChannelData),
    /// Something was done to the instance, or became of it, that no other event tells.
    InstanceChanged(InstanceData),
    /// Something that was stored and can't be read any more: damaged, or written by a later version. No row says so; it is
    /// what a row is told as.
    Unreadable(UnreadableData),
}

impl EventData {
    /// The version that this code writes.
    pub const FORMAT: u32 = 1;

    /// What happened, by name.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::MessageReceived(_) => EventKind::MessageReceived,
            Self::MessageSent(_) => EventKind::MessageSent,
            Self::MessageStatus(_) => EventKind::MessageStatus,
            Self::MessageMedia(_) => EventKind::MessageMedia,
            Self::MessageUndecryptable(_) => EventKind::MessageUndecryptable,
            Self::Connected(_) => EventKind::Connected,
            Self::Disconnected(_) => EventKind::Disconnected,
            Self::QrReceived(_) => EventKind::QrReceived,
            Self::LimitExceeded(_) => EventKind::LimitExceeded,
            Self::WebhookUpdated(_) => EventKind::WebhookUpdated,
            Self::WebhookPaused(_) => EventKind::WebhookPaused,
            Self::IdentityChanged(_) => EventKind::IdentityChanged,
            Self::ClientExpiring(_) => EventKind::ClientExpiring,
            Self::LimitsChanged(_) => EventKind::LimitsChanged,
            Self::HistoryProgress(_) => EventKind::HistoryProgress,
            Self::GroupUpdated(_) => EventKind::GroupUpdated,
            Self::PresenceUpdated(_) => EventKind::PresenceUpdated,
            Self::ChatState(_) => EventKind::ChatState,
            Self::Call(_) => EventKind::Call,
            Self::PostReceived(_) => EventKind::PostReceived,
            Self::ChannelUpdated(_) => EventKind::ChannelUpdated,
            Self::InstanceChanged(_) => EventKind::InstanceChanged,
            Self::Unreadable(_) => EventKind::Unreadable,
        }
    }

    /// Whether the codes of all `qr_received` events before are void: a newer one replaces them, the instance is linked, or
    /// the connection on which they were good has ended. They hold a secret, so the log forgets them.
    pub fn voids_codes(&self) -> bool {
        matches!(self, Self::QrReceived(_) | Self::Connected(_) | Self::Disconnected(_))
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        /// What there is beside a text.
        const REST: usize = 512;
        match self {
            Self::MessageReceived(told) | Self::MessageSent(told) | Self::PostReceived(told) => {
                REST + told.text.as_ref().map_or(0, String::len)
            }
            Self::GroupUpdated(told) => {
                let about = told.description.as_ref().map_or(0, String::len);
                REST + about + told.participants.len() * std::mem::size_of::<PersonData>() * 2
            }
            Self::ChannelUpdated(told) => REST + told.posts.len() * std::mem::size_of::<PostFigures>() * 2,
            _ => REST,
        }
    }

    /// Forgets the code, if there is one. Tells whether there was.
    pub fn forget_code(&mut self) -> bool {
        let Self::QrReceived(told) = self else { return false };
        let had_code = !told.code.is_empty();
        told.code.clear();
        had_code
    }

    /// The text to store, in the present [`FORMAT`](Self::FORMAT).
    pub fn encode(&self) -> Result<String, InvalidEventData> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads what was stored in any format there ever was. `kind` is what the row says; the first version's rows (format
    /// 0) hold it nowhere else.
    pub fn decode(format: u32, kind: EventKind, text: &str) -> Result<Self, InvalidEventData> {
        match format {
            0 => Ok(event_data_v0::decode(kind, text)?),
            1 => Ok(serde_json::from_str(text)?),
            _ => Err(InvalidEventData::UnknownFormat(format)),
        }
    }
}

/// Why a stored event can't be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEventData {
    /// A later version wrote it.
    #[error("format {0} of event data is not known")]
    UnknownFormat(u32),
    /// It isn't what its format says.
    #[error("not event data of its format")]
    Malformed(#[from] serde_json::Error),
}

impl std::fmt::Debug for EventData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind().as_str())
    }
}

/// A message as it is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageData {
    /// WhatsApp's id.
    pub message_id: String,
    /// Who wrote it in a group, under the name that the API uses; `None` between two people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// What it is by its content: a text, a picture, an edit …
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// Its text, the text under a file, the new text of an edit, the emoji of a reaction (empty: taken away).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// WhatsApp's id of the message that it edits, takes back, reacts to or pins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The message that it answers, where it quotes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// When it was written, by WhatsApp's clock: Unix seconds.
    pub timestamp: i64,
    /// The name that the sender chose for themself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// The file that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaData>,
    /// What else is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<MessageDetails>>,
    /// How far it has come.
    pub status: MessageStatus,
    /// Whether it left through this gateway, and not through another device of the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_us: bool,
    /// Whether its sender was not answered with what became of it: this event tells them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
}

/// The file of a message has come further: it is there, or can't be had.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMediaData {
    /// WhatsApp's id of the message.
    pub message_id: String,
    /// Whether the message is ours.
    pub from_me: bool,
    /// Who wrote it in a group, under the name that the API uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// What the message is by its content.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// Its file.
    pub media: MediaData,
}

/// A file, as far as it was known then.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaData {
    /// How far it had come; unknown for what was written before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MediaState>,
    /// Why it can't be had; there only beside `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<MediaFault>,
    /// Its MIME type: as the sender says, or as its content does once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its name, as the sender says; never a path to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Its size in bytes: as the sender says, or as it is once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl From<&StoredMedia> for MediaData {
    fn from(media: &StoredMedia) -> Self {
        Self {
            state: Some(media.state),
            fault: media.fault,
            mime_type: media.mime_type.clone(),
            file_name: Some(media.file_name.clone()),
            size: media.size,
        }
    }
}

/// The progress of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusData {
    /// WhatsApp's id.
    pub message_id: String,
    /// How far it has come.
    pub status: MessageStatus,
    /// Whether the message is ours.
    pub from_me: bool,
    /// When, by WhatsApp's clock where it said so: Unix seconds.
    pub timestamp: i64,
    /// Why it failed; there only beside `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a message of ours will never be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of refusal, for programs.
    pub cause: FailureCause,
    /// WhatsApp's code, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// What was refused and why, as a sentence in English.
    pub message: String,
    /// When what stands against it ends, where that is known: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A message that can't be decrypted (yet).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndecryptableData {
    /// WhatsApp's id.
    pub message_id: String,
    /// Who wrote it in a group, under the name that the API uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// Whether another device of the own account wrote it.
    pub from_me: bool,
    /// When it was written, by WhatsApp's clock: Unix seconds.
    pub timestamp: i64,
    /// The name that the sender chose for themself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// Why it can't be read.
    pub reason: UndecryptableReason,
    /// How often the sender was asked to send it again.
    pub retries: u32,
}

words! {
    /// Why a message can't be read.
    UndecryptableReason, "reason" {
        /// There is no session with the device that sent it.
        NoSession = "no_session",
        /// It was encrypted for a prekey that isn't there, or not any more.
        UnknownPreKey = "unknown_prekey",
        /// The ciphertext is damaged, or was made with other keys.
        BadCiphertext = "bad_ciphertext",
        /// What it decrypts to is no message.
        BadContent = "bad_content",
        /// Its key is used up, and no record of it was found.
        Repeated = "repeated",
        /// It opens a session, and the account of the companion that sent it doesn't vouch for that companion.
        Untrusted = "untrusted",
        /// WhatsApp holds only a placeholder of it, as of a view-once message.
        Unavailable = "unavailable",
        /// There is nothing in it.
        Empty = "empty",
        /// WhatsApp's stanza doesn't say who wrote it, or under which id.
        Malformed = "malformed",
    }
}

/// A login, as it is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectedData {
    /// The own JID by phone number, without device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jid: Option<String>,
}

/// The end of a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisconnectedData {
    /// Why it ended, as far as it is known.
    pub cause: CauseKind,
    /// WhatsApp's code, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// When the cause ends, where that is known: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Whether the instance comes back by itself.
    pub will_reconnect: bool,
    /// The server's last word as XML text, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// The end of a version of the client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryData {
    /// The version, such as `2.3000.1045649367`.
    pub version: String,
    /// When WhatsApp begins to refuse it: Unix milliseconds.
    pub expires_at: i64,
}

/// A code to scan.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QrData {
    /// The text of the code; empty once it is void.
    pub code: String,
    /// From 1; counts the codes since the last connection.
    pub attempt: u32,
    /// Unix milliseconds when the next code replaces it; unknown for what was written before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// A usage limit that was passed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitData {
    /// Its name in the API: `maxMessagesSent`, …
    pub limit: String,
    /// How much is allowed.
    pub allowed: u64,
    /// How much was used.
    pub used: u64,
}

/// Whom WhatsApp lets the account write to. Without either part: everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsData {
    /// Only people who gave the account a token may be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_lock: Option<TimeLockData>,
    /// So many people may be written to for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_chats: Option<NewChatsData>,
}

/// A piece of the phone's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryData {
    /// How much of the history has been told, in percent, where the phone says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u32>,
    /// Messages of the piece.
    pub messages: u64,
    /// Chats of the piece.
    pub chats: u64,
}

/// A lock on writing to people who don't trust the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLockData {
    /// When it ends, where that is known: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// WhatsApp's name for it; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// A cap on new chats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewChatsData {
    /// How many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// How many there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// When they are counted anew, where that is known: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Whether there may be no more.
    pub is_reached: bool,
}

/// A webhook whose settings changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookData {
    /// Its name, which no other webhook of the instance has.
    pub name: String,
    /// Whether it is called.
    pub enabled: bool,
    /// Whether it is gone.
    #[serde(default)]
    pub deleted: bool,
}

/// A webhook whose receiver takes nothing, or does again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookPausedData {
    /// Its name, which no other webhook of the instance has.
    pub name: String,
    /// Whether only probes are made from now on; else it goes on.
    pub paused: bool,
    /// When the first call failed, of a receiver that takes nothing: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<i64>,
}

/// What is known of an event that can't be read.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableData {
    /// The kind that was stored with it, if that is a known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EventKind>,
}

/// A change of somebody's identity. Who it is, is the event's chat.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityData {}
