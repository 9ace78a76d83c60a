use bytes::Bytes;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use storage::{
    Event, EventData, EventKind, GroupData, InstanceId, Json, MessageData, MessageKind, MessageStatus,
    Timestamp,
};

use super::seed1::{data::media_path, json};
use super::{Account, Call, Dialect, JSON, Telling};

/// The webhooks of Evolution API: `messages.upsert`, `send.message`, `messages.update`, `connection.update` and the like.
/// Of events that it doesn't know nothing is told.
#[derive(Clone, Copy, Debug)]
pub struct Evolution;

impl Dialect for Evolution {
    fn name(&self, kind: EventKind) -> &'static str {
        match kind {
            EventKind::MessageReceived => "messages.upsert",
            EventKind::MessageSent => "send.message",
            EventKind::MessageStatus => "messages.update",
            EventKind::Connected => "connection.update",
            EventKind::QrReceived => "qrcode.updated",
            EventKind::PresenceUpdated => "presence.update",
            EventKind::GroupUpdated => "groups.update",
            EventKind::Call => "call",
            other => other.as_str(),
        }
    }

    fn action(&self, event: &Event) -> &'static str {
        match &event.data {
            // What another device of the account wrote comes in, too.
            EventData::MessageSent(told) if !told.by_us => self.name(EventKind::MessageReceived),
            EventData::MessageReceived(told) if told.kind == MessageKind::Revoke => "messages.delete",
            EventData::MessageReceived(told) if told.kind == MessageKind::Edit => "messages.edited",
            EventData::Disconnected(_) => self.name(EventKind::Connected),
            EventData::ChatState(_) => self.name(EventKind::PresenceUpdated),
            EventData::GroupUpdated(told) if is_about_members(told) => "group-participants.update",
            _ => self.name(event.kind()),
        }
    }

    fn webhook(&self, event: &Event, to: &Telling<'_>) -> Call {
        let action = self.action(event);
        let body = serde_json::to_vec(&Envelope::of(event, action, to)).unwrap_or_default();
        Call { event: action, content_type: JSON, body: Bytes::from(body) }
    }

    fn listed(&self, event: &Event) -> Json {
        json(&Envelope::of(event, self.action(event), &Telling::default()))
    }

    fn data(&self, event: &Event) -> Json {
        json(&Told::of(event, &Telling::default()))
    }

    fn tells(&self, event: &Event) -> bool {
        match &event.data {
            EventData::MessageStatus(status) => status.from_me,
            EventData::QrReceived(code) => !code.code.is_empty(),
            _ => matches!(
                event.kind(),
                EventKind::MessageReceived
                    | EventKind::MessageSent
                    | EventKind::Connected
                    | EventKind::Disconnected
                    | EventKind::PresenceUpdated
                    | EventKind::ChatState
                    | EventKind::GroupUpdated
                    | EventKind::Call
            ),
        }
    }

    fn tells_account(&self) -> bool {
        true
    }
}

/// Whether it is about who is in a group, and not about the group.
fn is_about_members(told: &GroupData) -> bool {
    matches!(told.action.as_str(), "joined" | "added" | "removed" | "promoted" | "demoted")
}

#[derive(Serialize)]
struct Envelope<'a> {
    event: &'static str,
    instance: &'a str,
    data: Told<'a>,
    destination: &'a str,
    date_time: Timestamp,
    sender: Option<String>,
    server_url: &'a str,
    /// A key doesn't belong in what is sent to others.
    apikey: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    fn of(event: &'a Event, action: &'static str, to: &Telling<'a>) -> Self {
        Self {
            event: action,
            instance: to.account.map_or("", |account| &account.name),
            data: Told::of(event, to),
            destination: to.url,
            date_time: event.timestamp,
            sender: to.account.and_then(Account::jid),
            server_url: to.public_url,
            apikey: None,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Message(Box<Message<'a>>),
    Deleted(Deleted<'a>),
    Update(Update<'a>),
    Connection(Connection<'a>),
    Qr { qrcode: Qr<'a> },
    Presence(Presence<'a>),
    Members(Members<'a>),
    Groups([Group<'a>; 1]),
    Call(Ring<'a>),
    Nothing {},
}

impl<'a> Told<'a> {
    fn of(event: &'a Event, to: &Telling<'a>) -> Self {
        let chat = event.lane().unwrap_or_default();
        let instance = to.account.map_or("", |account| account.name.as_str());
        let connection = |state, status_reason, wuid| {
            Self::Connection(Connection { instance, wuid, state, status_reason })
        };
        match &event.data {
            EventData::MessageReceived(told) if told.kind == MessageKind::Revoke => Self::Deleted(Deleted {
                id: told.target.as_deref().unwrap_or_default(),
                remote_jid: chat,
                from_me: false,
                participant: told.participant.as_deref(),
                instance_id: event.instance,
            }),
            EventData::MessageReceived(told) => {
                Self::Message(Box::new(Message::of(event, told, false, to.public_url)))
            }
            EventData::MessageSent(told) => {
                Self::Message(Box::new(Message::of(event, told, true, to.public_url)))
            }
            EventData::MessageStatus(told) => Self::Update(Update {
                message_id: &told.message_id,
                key_id: &told.message_id,
                remote_jid: chat,
                from_me: told.from_me,
                status: word(told.status),
                instance_id: event.instance,
            }),
            EventData::Connected(told) => connection("open", 200, told.jid.as_deref()),
            EventData::Disconnected(told) if told.will_reconnect => {
                connection("connecting", told.code.unwrap_or(200), None)
            }
            EventData::Disconnected(told) => {
                // What Baileys calls a logout.
                let is_gone = told.cause == storage::CauseKind::LoggedOut;
                connection("close", told.code.unwrap_or(if is_gone { 401 } else { 428 }), None)
            }
            EventData::QrReceived(told) => {
                Self::Qr { qrcode: Qr { instance, pairing_code: None, code: &told.code, base64: None } }
            }
            EventData::PresenceUpdated(told) => {
                let shown = if told.available { "available" } else { "unavailable" };
                Self::Presence(Presence { id: chat, who: chat, shown, last_seen: told.last_seen })
            }
            EventData::ChatState(told) => {
                let shown = if told.state == "typing" { "composing" } else { told.state.as_str() };
                let who = told.participant.as_deref().unwrap_or(chat);
                Self::Presence(Presence { id: chat, who, shown, last_seen: None })
            }
            EventData::GroupUpdated(told) if is_about_members(told) => Self::Members(Members {
                id: chat,
                author: told.by.as_deref(),
                participants: told.participants.iter().map(|person| person.jid.as_str()).collect(),
                action: match told.action.as_str() {
                    "removed" => "remove",
                    "promoted" => "promote",
                    "demoted" => "demote",
                    _ => "add",
                },
            }),
            EventData::GroupUpdated(told) => Self::Groups([Group {
                id: chat,
                subject: told.subject.as_deref(),
                desc: told.description.as_deref(),
                author: told.by.as_deref(),
            }]),
            EventData::Call(told) => Self::Call(Ring {
                id: &told.call_id,
                chat_id: told.group.as_deref().unwrap_or(chat),
                from: chat,
                status: &told.action,
                date: Timestamp::from_seconds(told.timestamp),
                is_video: told.video,
                is_group: told.group.is_some(),
            }),
            _ => Self::Nothing {},
        }
    }
}

/// Which message it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    remote_jid: &'a str,
    from_me: bool,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    key: Key<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
    status: &'static str,
    message: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_info: Option<ContextInfo<'a>>,
    message_type: &'static str,
    /// Unix seconds.
    message_timestamp: i64,
    instance_id: InstanceId,
    source: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextInfo<'a> {
    /// The message that it answers.
    stanza_id: &'a str,
}

impl<'a> Message<'a> {
    fn of(event: &'a Event, told: &'a MessageData, from_me: bool, public_url: &str) -> Self {
        let chat = event.lane().unwrap_or_default();
        let participant = told.participant.as_deref();
        Self {
            key: Key { remote_jid: chat, from_me, id: &told.message_id, participant },
            push_name: told.push_name.as_deref(),
            status: word(told.status),
            message: Content { told, chat, url: url(event.instance, told, public_url) },
            context_info: told.quoted.as_deref().map(|stanza_id| ContextInfo { stanza_id }),
            message_type: field(told),
            message_timestamp: told.timestamp,
            instance_id: event.instance,
            source: "unknown",
        }
    }
}

fn url(instance: InstanceId, told: &MessageData, public_url: &str) -> Option<String> {
    told.media.as_ref().map(|_| format!("{public_url}{}", media_path(instance, &told.message_id)))
}

/// In which field of WhatsApp's message its content is.
fn field(told: &MessageData) -> &'static str {
    match told.kind {
        MessageKind::Text if told.quoted.is_some() => "extendedTextMessage",
        MessageKind::Text => "conversation",
        MessageKind::Image => "imageMessage",
        MessageKind::Video | MessageKind::Gif => "videoMessage",
        MessageKind::VideoNote => "ptvMessage",
        MessageKind::Audio | MessageKind::Voice => "audioMessage",
        MessageKind::Document => "documentMessage",
        MessageKind::Sticker => "stickerMessage",
        MessageKind::Contact => "contactMessage",
        MessageKind::Contacts => "contactsArrayMessage",
        MessageKind::Location => "locationMessage",
        MessageKind::LiveLocation => "liveLocationMessage",
        MessageKind::Poll => "pollCreationMessage",
        MessageKind::PollVote => "pollUpdateMessage",
        MessageKind::Reaction => "reactionMessage",
        MessageKind::Edit => "editedMessage",
        MessageKind::Revoke => "protocolMessage",
        MessageKind::ListResponse => "listResponseMessage",
        MessageKind::ButtonsResponse => "buttonsResponseMessage",
        _ => "unknown",
    }
}

/// The content of a message, in the field that WhatsApp has for it.
struct Content<'a> {
    told: &'a MessageData,
    chat: &'a str,
    /// Where its file is.
    url: Option<String>,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { told, chat, url } = self;
        let (name, text) = (field(told), told.text.as_deref().unwrap_or_default());
        let details = told.details.as_deref();
        let mut map = serializer.serialize_map(None)?;
        match told.kind {
            MessageKind::Text if told.quoted.is_none() => map.serialize_entry(name, text)?,
            MessageKind::Text => map.serialize_entry(name, &Text { text })?,
            MessageKind::Reaction => {
                let id = told.target.as_deref().unwrap_or_default();
                let key = Key { remote_jid: chat, from_me: true, id, participant: None };
                map.serialize_entry(name, &Reaction { key, text })?;
            }
            MessageKind::Edit => {
                let id = told.target.as_deref().unwrap_or_default();
                let key = Key { remote_jid: chat, from_me: false, id, participant: None };
                map.serialize_entry(name, &Edited { key, message: Plain { conversation: text } })?;
            }
            MessageKind::Location | MessageKind::LiveLocation => {
                let place = details.and_then(|details| details.location.as_ref());
                if let Some(place) = place {
                    let (name_of, address) = (place.name.as_deref(), place.address.as_deref());
                    let (latitude, longitude) = (place.latitude.0, place.longitude.0);
                    map.serialize_entry(name, &Place { latitude, longitude, name: name_of, address })?;
                }
            }
            MessageKind::Contact => {
                let card = details.and_then(|details| details.contacts.first());
                let card = card
                    .map(|card| Card { display_name: card.name.as_deref(), vcard: card.vcard.as_deref() });
                map.serialize_entry(name, &card)?;
            }
            _ => match &told.media {
                Some(media) => {
                    let file = File {
                        url: url.as_deref(),
                        mimetype: media.mime_type.as_deref(),
                        caption: told.text.as_deref(),
                        file_name: media.file_name.as_deref(),
                        file_length: media.size.map(|size| size.to_string()),
                        ptt: (told.kind == MessageKind::Voice).then_some(true),
                    };
                    map.serialize_entry(name, &file)?;
                }
                None => map.serialize_entry("conversation", text)?,
            },
        }
        if let Some(url) = url {
            map.serialize_entry("mediaUrl", url)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Plain<'a> {
    conversation: &'a str,
}

#[derive(Serialize)]
struct Reaction<'a> {
    key: Key<'a>,
    text: &'a str,
}

#[derive(Serialize)]
struct Edited<'a> {
    key: Key<'a>,
    message: Plain<'a>,
}

#[derive(Serialize)]
struct Place<'a> {
    #[serde(rename = "degreesLatitude")]
    latitude: f64,
    #[serde(rename = "degreesLongitude")]
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Card<'a> {
    display_name: Option<&'a str>,
    vcard: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    /// Here, and not at WhatsApp, where it is encrypted.
    url: Option<&'a str>,
    mimetype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ptt: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    id: &'a str,
    remote_jid: &'a str,
    from_me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<&'a str>,
    instance_id: InstanceId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Update<'a> {
    message_id: &'a str,
    key_id: &'a str,
    remote_jid: &'a str,
    from_me: bool,
    status: &'static str,
    instance_id: InstanceId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'a> {
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wuid: Option<&'a str>,
    state: &'static str,
    status_reason: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Qr<'a> {
    instance: &'a str,
    pairing_code: Option<&'a str>,
    code: &'a str,
    /// A picture of it is at `GET /instance/connect/{instance}`.
    base64: Option<&'a str>,
}

/// `{"id", "presences": {"<who>": {…}}}`.
struct Presence<'a> {
    id: &'a str,
    who: &'a str,
    shown: &'a str,
    last_seen: Option<i64>,
}

impl Serialize for Presence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'a> {
            last_known_presence: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            last_seen: Option<i64>,
        }
        let shown = Shown { last_known_presence: self.shown, last_seen: self.last_seen };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("presences", &std::collections::BTreeMap::from([(self.who, shown)]))?;
        map.end()
    }
}

#[derive(Serialize)]
struct Members<'a> {
    id: &'a str,
    author: Option<&'a str>,
    participants: Vec<&'a str>,
    action: &'static str,
}

#[derive(Serialize)]
struct Group<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ring<'a> {
    chat_id: &'a str,
    from: &'a str,
    id: &'a str,
    date: Timestamp,
    status: &'a str,
    is_video: bool,
    is_group: bool,
}

/// How far a message has come, in WhatsApp's words.
fn word(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Failed | MessageStatus::Unreadable => "ERROR",
        MessageStatus::Pending | MessageStatus::Held => "PENDING",
        MessageStatus::Sent => "SERVER_ACK",
        MessageStatus::Received | MessageStatus::Delivered => "DELIVERY_ACK",
        MessageStatus::Read => "READ",
        MessageStatus::Played => "PLAYED",
    }
}
