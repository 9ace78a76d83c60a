//! Events as the first version stored them: the words of its API.

use serde::Deserialize;

use super::event_data::{
    ConnectedData, DisconnectedData, EventData, ExpiryData, Failure, HistoryData, IdentityData, LimitData,
    LimitsData, MediaData, MessageData, MessageMediaData, QrData, StatusData, UndecryptableData, WebhookData,
};
use crate::{CauseKind, EventKind, FailureCause, MessageKind, MessageStatus, Webhook};

pub(super) fn decode(kind: EventKind, text: &str) -> Result<EventData, serde_json::Error> {
    Ok(match kind {
        EventKind::MessageReceived => {
            EventData::MessageReceived(serde_json::from_str::<OldMessage>(text)?.into())
        }
        EventKind::MessageSent => EventData::MessageSent(serde_json::from_str::<OldMessage>(text)?.into()),
        EventKind::MessageStatus => EventData::MessageStatus(serde_json::from_str::<Status>(text)?.into()),
        EventKind::Connected => EventData::Connected(serde_json::from_str::<Connected>(text)?.into()),
        EventKind::Disconnected => {
            EventData::Disconnected(serde_json::from_str::<Disconnected>(text)?.into())
        }
        EventKind::QrReceived => EventData::QrReceived(serde_json::from_str::<Qr>(text)?.into()),
        // The first version knew the words and wrote no such event.
        EventKind::MessageUndecryptable => {
            EventData::MessageUndecryptable(serde_json::from_str::<UndecryptableData>(text)?)
        }
        EventKind::MessageMedia => EventData::MessageMedia(serde_json::from_str::<MessageMediaData>(text)?),
        EventKind::ClientExpiring => EventData::ClientExpiring(serde_json::from_str::<ExpiryData>(text)?),
        EventKind::LimitExceeded => EventData::LimitExceeded(serde_json::from_str::<LimitData>(text)?),
        EventKind::LimitsChanged => EventData::LimitsChanged(serde_json::from_str::<LimitsData>(text)?),
        EventKind::HistoryProgress => EventData::HistoryProgress(serde_json::from_str::<HistoryData>(text)?),
        EventKind::IdentityChanged => EventData::IdentityChanged(serde_json::from_str::<IdentityData>(text)?),
        EventKind::GroupUpdated
        | EventKind::PresenceUpdated
        | EventKind::ChatState
        | EventKind::Call
        | EventKind::PostReceived
        | EventKind::ChannelUpdated
        | EventKind::InstanceChanged
        | EventKind::WebhookPaused => {
            return Err(serde::de::Error::custom("the first version did not know this"));
        }
        EventKind::Unreadable => return Err(serde::de::Error::custom("the kind is unknown")),
        EventKind::WebhookUpdated => {
            let (name, enabled, deleted) = (Webhook::DEFAULT.to_owned(), true, false);
            EventData::WebhookUpdated(WebhookData { name, enabled, deleted })
        }
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldMessage {
    message_id: String,
    participant: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    body: String,
    timestamp: i64,
    push_name: Option<String>,
    has_media: bool,
    mime_type: Option<String>,
    file_name: Option<String>,
    status: MessageStatus,
}

impl From<OldMessage> for MessageData {
    fn from(old: OldMessage) -> Self {
        let media = MediaData { mime_type: old.mime_type, file_name: old.file_name, ..MediaData::default() };
        Self {
            message_id: old.message_id,
            participant: old.participant,
            kind: message_kind(&old.kind),
            text: Some(old.body).filter(|body| !body.is_empty()),
            target: None,
            quoted: None,
            timestamp: old.timestamp,
            push_name: old.push_name,
            media: old.has_media.then_some(media),
            details: None,
            status: old.status,
            by_us: false,
            queued: false,
        }
    }
}

/// What came in was told by the name that WhatsApp's protocol has for it, what was sent by ours.
fn message_kind(word: &str) -> MessageKind {
    match word {
        "conversation" | "extendedTextMessage" => MessageKind::Text,
        "imageMessage" => MessageKind::Image,
        "videoMessage" => MessageKind::Video,
        "ptvMessage" => MessageKind::VideoNote,
        "audioMessage" => MessageKind::Audio,
        "documentMessage" => MessageKind::Document,
        "stickerMessage" => MessageKind::Sticker,
        "reactionMessage" | "encReactionMessage" => MessageKind::Reaction,
        "contactMessage" => MessageKind::Contact,
        "contactsArrayMessage" => MessageKind::Contacts,
        "locationMessage" => MessageKind::Location,
        "liveLocationMessage" => MessageKind::LiveLocation,
        "groupInviteMessage" => MessageKind::GroupInvite,
        "pollCreationMessage"
        | "pollCreationMessageV2"
        | "pollCreationMessageV3"
        | "pollCreationMessageV5" => MessageKind::Poll,
        "pollUpdateMessage" => MessageKind::PollVote,
        "eventMessage" => MessageKind::Event,
        "orderMessage" => MessageKind::Order,
        "listMessage" => MessageKind::List,
        "listResponseMessage" => MessageKind::ListResponse,
        "buttonsMessage" => MessageKind::Buttons,
        "buttonsResponseMessage" | "templateButtonReplyMessage" => MessageKind::ButtonsResponse,
        "templateMessage" => MessageKind::Template,
        "interactiveMessage" => MessageKind::Interactive,
        "interactiveResponseMessage" => MessageKind::InteractiveResponse,
        "albumMessage" => MessageKind::Album,
        "pinInChatMessage" => MessageKind::Pin,
        "keepInChatMessage" => MessageKind::Keep,
        "editedMessage" => MessageKind::Edit,
        // Of a revocation and an edit alike; the latter came mostly as the above.
        "protocolMessage" => MessageKind::Revoke,
        ours => ours.parse().unwrap_or(MessageKind::Unknown),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    message_id: String,
    status: MessageStatus,
    from_me: bool,
    timestamp: i64,
    cause: Option<String>,
    error: Option<String>,
}

impl From<Status> for StatusData {
    fn from(old: Status) -> Self {
        let failure = old.cause.map(|cause| Failure {
            cause: failure_cause(&cause),
            code: None,
            message: old.error.unwrap_or_default(),
            until: None,
        });
        Self {
            message_id: old.message_id,
            status: old.status,
            from_me: old.from_me,
            timestamp: old.timestamp,
            failure,
        }
    }
}

fn failure_cause(word: &str) -> FailureCause {
    match word {
        // Told by the way in which the account was unlinked.
        "logged_out" | "primary_gone" | "account_refused" => FailureCause::Unlinked,
        word => word.parse().unwrap_or(FailureCause::SendFailed),
    }
}

#[derive(Deserialize)]
struct Connected {
    jid: Option<String>,
}

impl From<Connected> for ConnectedData {
    fn from(old: Connected) -> Self {
        Self { jid: old.jid }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Disconnected {
    cause: String,
    will_reconnect: bool,
}

impl From<Disconnected> for DisconnectedData {
    fn from(old: Disconnected) -> Self {
        let cause = old.cause.parse().unwrap_or(CauseKind::Failure);
        Self { cause, code: None, until: None, will_reconnect: old.will_reconnect, raw: None }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Qr {
    qr_code: String,
    attempt: u32,
}

impl From<Qr> for QrData {
    fn from(old: Qr) -> Self {
        Self { code: old.qr_code, attempt: old.attempt, expires_at: None }
    }
}
