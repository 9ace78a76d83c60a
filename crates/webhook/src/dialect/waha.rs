use bytes::Bytes;
use serde::Serialize;
use storage::{
    CallData, Event, EventData, EventId, EventKind, InstanceId, Json, MessageData, MessageKind, MessageStatus,
};

use super::seed1::{data::media_path, json};
use super::whatsgate::{chat_id, message_key};
use super::{Account, Attempt, Call, Dialect, JSON, Pace, Telling};

/// The webhooks of WAHA. Its events overlap (a message that came in is both `message` and `message.any`), and a call tells
/// one: so there are two of them, and whoever wants both has two webhooks.
#[derive(Clone, Copy, Debug)]
pub enum Waha {
    /// Each event under its own name.
    Named,
    /// `message.any`: every message, those of the account's own included.
    Any,
}

const STATUS: &str = "session.status";
/// What a session runs on, as its events name it.
const ENGINE: &str = "TRUNKLINE";

impl Dialect for Waha {
    fn name(&self, kind: EventKind) -> &'static str {
        match kind {
            EventKind::MessageReceived => "message",
            EventKind::MessageSent => "message.any",
            EventKind::MessageStatus => "message.ack",
            EventKind::MessageUndecryptable => "message.waiting",
            EventKind::Connected => STATUS,
            EventKind::PresenceUpdated => "presence.update",
            other => other.as_str(),
        }
    }

    fn action(&self, event: &Event) -> &'static str {
        match (self, &event.data) {
            (Self::Any, _) => "message.any",
            (_, EventData::MessageReceived(told) | EventData::MessageSent(told)) => match told.kind {
                MessageKind::Reaction => "message.reaction",
                MessageKind::Revoke => "message.revoked",
                MessageKind::Edit => "message.edited",
                _ => self.name(event.kind()),
            },
            (_, EventData::Disconnected(_) | EventData::QrReceived(_)) => STATUS,
            (_, EventData::ChatState(_)) => self.name(EventKind::PresenceUpdated),
            (_, EventData::Call(call)) => call_event(call).unwrap_or("call.received"),
            _ => self.name(event.kind()),
        }
    }

    fn webhook(&self, event: &Event, to: &Telling<'_>) -> Call {
        let action = self.action(event);
        let account = to.account.cloned().unwrap_or_default();
        let body = serde_json::to_vec(&Envelope::of(event, action, &account, to.public_url));
        Call { event: action, content_type: JSON, body: Bytes::from(body.unwrap_or_default()) }
    }

    fn listed(&self, event: &Event) -> Json {
        json(&Envelope::of(event, self.action(event), &Account::default(), ""))
    }

    fn data(&self, event: &Event) -> Json {
        json(&Payload::of(event, &Account::default(), ""))
    }

    fn tells(&self, event: &Event) -> bool {
        match (self, &event.data) {
            (Self::Any, EventData::MessageReceived(told) | EventData::MessageSent(told)) => {
                told.kind != MessageKind::Reaction
            }
            (Self::Any, _) => false,
            (_, EventData::MessageSent(told)) => {
                matches!(told.kind, MessageKind::Reaction | MessageKind::Revoke | MessageKind::Edit)
            }
            (_, EventData::MessageStatus(status)) => status.from_me,
            (_, EventData::QrReceived(code)) => !code.code.is_empty(),
            (_, EventData::Call(call)) => call_event(call).is_some(),
            _ => matches!(
                event.kind(),
                EventKind::MessageReceived
                    | EventKind::MessageUndecryptable
                    | EventKind::Connected
                    | EventKind::Disconnected
                    | EventKind::PresenceUpdated
                    | EventKind::ChatState
            ),
        }
    }

    fn tells_account(&self) -> bool {
        true
    }

    fn headers(&self, attempt: &Attempt<'_>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("x-webhook-request-id", attempt.id.to_string()),
            ("x-webhook-timestamp", attempt.at.millis().to_string()),
        ];
        if let Some(signer) = attempt.signer {
            headers.push(("x-webhook-hmac", signer.sign_sha512(attempt.body)));
            headers.push(("x-webhook-hmac-algorithm", "sha512".to_owned()));
        }
        headers
    }

    fn pace(&self) -> Pace {
        Pace::Steady
    }
}

/// What WAHA tells of a call.
fn call_event(call: &CallData) -> Option<&'static str> {
    match call.action.as_str() {
        "offer" | "offer_notice" => Some("call.received"),
        "accept" => Some("call.accepted"),
        "reject" | "terminate" => Some("call.rejected"),
        _ => None,
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    /// Unix milliseconds.
    timestamp: i64,
    event: &'static str,
    session: &'a str,
    me: Option<Me<'a>>,
    payload: Payload<'a>,
    engine: &'static str,
    environment: Environment,
}

/// The account itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me<'a> {
    id: String,
    push_name: &'a str,
}

#[derive(Serialize)]
struct Environment {
    version: &'static str,
    engine: &'static str,
    tier: &'static str,
}

impl<'a> Envelope<'a> {
    fn of(event: &'a Event, action: &'static str, account: &'a Account, public_url: &str) -> Self {
        Self {
            id: event_id(event.id),
            timestamp: event.timestamp.millis(),
            event: action,
            session: &account.name,
            me: account
                .contact_id()
                .map(|id| Me { id, push_name: account.push_name.as_deref().unwrap_or_default() }),
            payload: Payload::of(event, account, public_url),
            engine: ENGINE,
            environment: Environment { version: env!("CARGO_PKG_VERSION"), engine: ENGINE, tier: "CORE" },
        }
    }
}

/// `evt_` and the id, without dashes.
fn event_id(id: EventId) -> String {
    format!("evt_{}", id.to_string().replace('-', ""))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Message(Box<Message<'a>>),
    Reaction(Reaction<'a>),
    Revoked(Box<Revoked<'a>>),
    Ack(Ack),
    Status(Status<'a>),
    Presence(Presence),
    Call(Ring<'a>),
    Nothing {},
}

impl<'a> Payload<'a> {
    fn of(event: &'a Event, account: &Account, public_url: &str) -> Self {
        let (told, from_me) = match &event.data {
            EventData::MessageReceived(told) => (told, false),
            EventData::MessageSent(told) => (told, true),
            _ => return Self::of_another(event, account),
        };
        let way = Way::of(event, account, from_me, told.participant.as_deref(), &told.message_id);
        match told.kind {
            MessageKind::Reaction => Self::Reaction(Reaction {
                reaction: Emoji {
                    text: told.text.as_deref().unwrap_or_default(),
                    message_id: told.target.as_deref().map(|target| way.key_of(target)),
                },
                timestamp: told.timestamp,
                way,
            }),
            MessageKind::Revoke => Self::Revoked(Box::new(Revoked {
                revoked_message_id: told.target.as_deref().unwrap_or_default(),
                before: (),
                after: Message::of(event.instance, told, way, public_url),
            })),
            _ => Self::Message(Box::new(Message::of(event.instance, told, way, public_url))),
        }
    }

    fn of_another(event: &'a Event, account: &Account) -> Self {
        let chat = chat_id(event.lane().unwrap_or_default());
        let status = |status| {
            let at = StatusAt { status, timestamp: event.timestamp.millis() };
            Self::Status(Status { status, statuses: [at], name: None, data: None })
        };
        let presence = |participant, last_known_presence, last_seen| {
            let presences = [Shown { participant, last_known_presence, last_seen }];
            Self::Presence(Presence { id: chat.clone(), presences })
        };
        match &event.data {
            EventData::MessageStatus(told) => {
                let way = Way::of(event, account, told.from_me, None, &told.message_id);
                Self::Ack(Ack { ack: ack(told.status), ack_name: ack_name(told.status), way })
            }
            EventData::MessageUndecryptable(told) => {
                let participant = told.participant.as_deref();
                let way = Way::of(event, account, told.from_me, participant, &told.message_id);
                Self::Message(Box::new(Message { timestamp: told.timestamp, ..Message::empty(way) }))
            }
            EventData::Connected(_) => status("WORKING"),
            EventData::QrReceived(_) => status("SCAN_QR_CODE"),
            EventData::Disconnected(told) if told.will_reconnect => status("STARTING"),
            EventData::Disconnected(told) => status(match told.cause {
                storage::CauseKind::Shutdown | storage::CauseKind::Paused => "STOPPED",
                _ => "FAILED",
            }),
            EventData::PresenceUpdated(told) => {
                let shown = if told.available { "online" } else { "offline" };
                presence(chat.clone(), shown.to_owned(), told.last_seen)
            }
            EventData::ChatState(told) => {
                let who = told.participant.as_deref().map_or_else(|| chat.clone(), chat_id);
                presence(who, told.state.clone(), None)
            }
            EventData::Call(call) => Self::Call(Ring {
                id: &call.call_id,
                from: chat,
                timestamp: call.timestamp,
                is_video: call.video,
                is_group: call.group.is_some(),
            }),
            _ => Self::Nothing {},
        }
    }
}

/// From where to where a message goes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    id: String,
    from: Option<String>,
    from_me: bool,
    to: Option<String>,
    /// Who wrote it in a group.
    participant: Option<String>,
    #[serde(skip)]
    chat: String,
}

impl Way {
    fn of(
        event: &Event,
        account: &Account,
        from_me: bool,
        participant: Option<&str>,
        message_id: &str,
    ) -> Self {
        let chat = chat_id(event.lane().unwrap_or_default());
        let participant = participant.map(chat_id);
        let mut id = message_key(from_me, &chat, message_id);
        if let Some(participant) = &participant {
            id.push('_');
            id.push_str(participant);
        }
        let (them, us) = (Some(chat.clone()), account.contact_id());
        let (from, to) = if from_me { (us, them) } else { (them, us) };
        Self { id, from, from_me, to, participant, chat }
    }

    /// How another message of the chat is named. Whose it is isn't told: what is reacted to is mostly ours.
    fn key_of(&self, message_id: &str) -> String {
        message_key(!self.from_me, &self.chat, message_id)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(flatten)]
    way: Way,
    /// Unix seconds.
    timestamp: i64,
    /// Whether it left by the API or by another device of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    body: Option<&'a str>,
    has_media: bool,
    media: Option<Media<'a>>,
    ack: i8,
    ack_name: &'static str,
    location: Option<Location<'a>>,
    #[serde(rename = "vCards")]
    vcards: Vec<&'a str>,
    reply_to: Option<ReplyTo<'a>>,
    #[serde(rename = "editedMessageId", skip_serializing_if = "Option::is_none")]
    edited: Option<&'a str>,
    #[serde(rename = "_data")]
    data: Data<'a>,
}

#[derive(Serialize)]
struct Media<'a> {
    url: String,
    mimetype: Option<&'a str>,
    filename: Option<&'a str>,
    error: Option<&'static str>,
}

#[derive(Serialize)]
struct Location<'a> {
    description: Option<&'a str>,
    latitude: String,
    longitude: String,
}

#[derive(Serialize)]
struct ReplyTo<'a> {
    id: &'a str,
}

/// What the envelope has no place for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
}

impl<'a> Message<'a> {
    fn empty(way: Way) -> Self {
        Self {
            way,
            timestamp: 0,
            source: None,
            body: None,
            has_media: false,
            media: None,
            ack: 1,
            ack_name: "SERVER",
            location: None,
            vcards: Vec::new(),
            reply_to: None,
            edited: None,
            data: Data { kind: None, push_name: None },
        }
    }

    fn of(instance: InstanceId, told: &'a MessageData, way: Way, public_url: &str) -> Self {
        let details = told.details.as_deref();
        let location = details.and_then(|details| details.location.as_ref());
        let edits = told.kind == MessageKind::Edit;
        Self {
            timestamp: told.timestamp,
            source: way.from_me.then_some(if told.by_us { "api" } else { "app" }),
            body: Some(told.text.as_deref().unwrap_or_default()),
            has_media: told.media.is_some(),
            media: told.media.as_ref().map(|media| Media {
                url: format!("{public_url}{}", media_path(instance, &told.message_id)),
                mimetype: media.mime_type.as_deref(),
                filename: media.file_name.as_deref(),
                error: media.fault.map(storage::MediaFault::as_str),
            }),
            ack: ack(told.status),
            ack_name: ack_name(told.status),
            location: location.map(|place| Location {
                description: place.name.as_deref().or(place.address.as_deref()),
                latitude: place.latitude.0.to_string(),
                longitude: place.longitude.0.to_string(),
            }),
            vcards: details.map_or_else(Vec::new, |details| {
                details.contacts.iter().filter_map(|card| card.vcard.as_deref()).collect()
            }),
            reply_to: told.quoted.as_deref().map(|id| ReplyTo { id }),
            edited: told.target.as_deref().filter(|_| edits),
            data: Data { kind: Some(told.kind.as_str()), push_name: told.push_name.as_deref() },
            way,
        }
    }
}

#[derive(Serialize)]
struct Reaction<'a> {
    #[serde(flatten)]
    way: Way,
    timestamp: i64,
    reaction: Emoji<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Emoji<'a> {
    text: &'a str,
    message_id: Option<String>,
}

/// What was taken back isn't told again: only its id.
#[derive(Serialize)]
struct Revoked<'a> {
    after: Message<'a>,
    /// It isn't told: always null.
    before: (),
    #[serde(rename = "revokedMessageId")]
    revoked_message_id: &'a str,
}

#[derive(Serialize)]
struct Ack {
    #[serde(flatten)]
    way: Way,
    ack: i8,
    #[serde(rename = "ackName")]
    ack_name: &'static str,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    status: &'static str,
    statuses: [StatusAt; 1],
    data: Option<&'a str>,
}

#[derive(Serialize)]
struct StatusAt {
    status: &'static str,
    /// Unix milliseconds.
    timestamp: i64,
}

#[derive(Serialize)]
struct Presence {
    id: String,
    presences: [Shown; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    participant: String,
    last_known_presence: String,
    last_seen: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ring<'a> {
    id: &'a str,
    from: String,
    timestamp: i64,
    is_video: bool,
    is_group: bool,
}

/// How far a message has come, as a number.
fn ack(status: MessageStatus) -> i8 {
    match status {
        MessageStatus::Failed | MessageStatus::Unreadable => -1,
        MessageStatus::Pending | MessageStatus::Held => 0,
        MessageStatus::Sent | MessageStatus::Received => 1,
        MessageStatus::Delivered => 2,
        MessageStatus::Read => 3,
        MessageStatus::Played => 4,
    }
}

/// The same as a word.
fn ack_name(status: MessageStatus) -> &'static str {
    match ack(status) {
        -1 => "ERROR",
        0 => "PENDING",
        1 => "SERVER",
        2 => "DEVICE",
        3 => "READ",
        _ => "PLAYED",
    }
}
