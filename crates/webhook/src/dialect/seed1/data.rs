use super::details::Details;
use super::happening::Happening;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use storage::{
    CauseKind, ConnectedData, DisconnectedData, Event, EventData, EventKind, ExpiryData, FailureCause,
    HistoryData, IdentityData, InstanceAction, InstanceData, InstanceId, LimitData, LimitsData, MediaData,
    MediaFault, MediaState, MessageData, MessageKind, MessageMediaData, MessageStatus, QrData, StatusData,
    Timestamp, UndecryptableData, UndecryptableReason, UnreadableData, WebhookData,
};

/// The `data` of an event.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Data<'a> {
    Message(Box<MessageJson<'a>>),
    Media(MessageMedia<'a>),
    Status(Status<'a>),
    Connected(Connected<'a>),
    Disconnected(Disconnected<'a>),
    Qr(Qr<'a>),
    Limit(Limit<'a>),
    Webhook(Webhook<'a>),
    Paused(Paused<'a>),
    Identity(Identity<'a>),
    Expiry(Expiry<'a>),
    Limits(Limits<'a>),
    History(History),
    Happening(Happening<'a>),
    Instance(InstanceChange<'a>),
    Unreadable(Unreadable),
}

impl<'a> Data<'a> {
    pub(crate) fn of(event: &'a Event) -> Self {
        match &event.data {
            EventData::MessageReceived(data) | EventData::PostReceived(data) => {
                Self::Message(Box::new(MessageJson::readable(event, data, false)))
            }
            EventData::MessageSent(data) => Self::Message(Box::new(MessageJson::readable(event, data, true))),
            EventData::MessageMedia(data) => Self::Media(MessageMedia::new(event, data)),
            EventData::MessageUndecryptable(data) => {
                Self::Message(Box::new(MessageJson::undecryptable(event, data)))
            }
            EventData::MessageStatus(data) => Self::Status(Status::new(event, data)),
            EventData::Connected(ConnectedData { jid }) => {
                Self::Connected(Connected { instance_id: event.instance, jid: jid.as_deref() })
            }
            EventData::Disconnected(data) => Self::Disconnected(Disconnected::new(event, data)),
            EventData::QrReceived(QrData { code, attempt, expires_at }) => Self::Qr(Qr {
                instance_id: event.instance,
                qr_code: Some(code.as_str()).filter(|code| !code.is_empty()),
                attempt: *attempt,
                expires_at: expires_at.map(Timestamp::from_millis),
            }),
            EventData::LimitExceeded(data) => Self::Limit(Limit::new(event, data)),
            EventData::WebhookUpdated(data) => Self::Webhook(Webhook::new(event, data)),
            EventData::InstanceChanged(InstanceData { action, fields }) => {
                Self::Instance(InstanceChange { instance_id: event.instance, action: *action, fields })
            }
            EventData::WebhookPaused(data) => Self::Paused(Paused {
                instance_id: event.instance,
                name: &data.name,
                paused: data.paused,
                failing_since: data.failing_since.map(Timestamp::from_millis),
            }),
            EventData::GroupUpdated(data) => Self::Happening(Happening::group(event, data)),
            EventData::PresenceUpdated(data) => Self::Happening(Happening::presence(event, data)),
            EventData::ChatState(data) => Self::Happening(Happening::chat_state(event, data)),
            EventData::Call(data) => Self::Happening(Happening::call(event, data)),
            EventData::ChannelUpdated(data) => Self::Happening(Happening::channel(event, data)),
            EventData::Unreadable(UnreadableData { kind }) => {
                Self::Unreadable(Unreadable { instance_id: event.instance, kind: *kind })
            }
            EventData::LimitsChanged(data) => Self::Limits(Limits::new(event, data)),
            EventData::HistoryProgress(HistoryData { progress, messages, chats }) => Self::History(History {
                instance_id: event.instance,
                progress: *progress,
                messages: *messages,
                chats: *chats,
            }),
            EventData::IdentityChanged(IdentityData {}) => Self::Identity(Identity::new(event)),
            EventData::ClientExpiring(ExpiryData { version, expires_at }) => Self::Expiry(Expiry {
                instance_id: event.instance,
                version,
                expires_at: Timestamp::from_millis(*expires_at),
            }),
        }
    }
}

/// `unreadable`: what was stored can't be read any more.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unreadable {
    instance_id: InstanceId,
    /// What it had been, where that is known.
    #[serde(rename = "type")]
    kind: Option<EventKind>,
}

/// `message_received`, `message_sent`, and `message_undecryptable`, which the API doesn't know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageJson<'a> {
    instance_id: InstanceId,
    message_id: &'a str,
    remote_jid: &'a str,
    /// Who wrote it, if not we.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    /// The chat that we wrote it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    from_me: bool,
    /// Empty where a message has no text, `null` where it could not be read.
    body: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: i64,
    has_media: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
    status: MessageStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Media<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_message_id: Option<&'a str>,
    #[serde(flatten)]
    details: Details<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<UndecryptableReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
    timestamp: i64,
}

impl<'a> MessageJson<'a> {
    fn readable(event: &'a Event, data: &'a MessageData, from_me: bool) -> Self {
        let media = data.media.as_ref();
        let known = Known {
            message_id: &data.message_id,
            participant: data.participant.as_deref(),
            from_me,
            push_name: data.push_name.as_deref(),
            timestamp: data.timestamp,
        };
        Self {
            body: (!data.kind.is_unread()).then(|| data.text.as_deref().unwrap_or_default()),
            kind: word(data.kind, from_me),
            has_media: media.is_some(),
            status: data.status,
            mime_type: media.and_then(|media| media.mime_type.as_deref()),
            file_name: media.and_then(|media| media.file_name.as_deref()),
            media: media.map(|media| Media::new(event, &data.message_id, data.kind, media)),
            target_message_id: data.target.as_deref(),
            quoted_message_id: data.quoted.as_deref(),
            details: data.details.as_deref().map(Details::of).unwrap_or_default(),
            ..Self::unread(event, known)
        }
    }

    fn undecryptable(event: &'a Event, data: &'a UndecryptableData) -> Self {
        let known = Known {
            message_id: &data.message_id,
            participant: data.participant.as_deref(),
            from_me: data.from_me,
            push_name: data.push_name.as_deref(),
            timestamp: data.timestamp,
        };
        Self { reason: Some(data.reason), retries: Some(data.retries), ..Self::unread(event, known) }
    }

    fn unread(event: &'a Event, known: Known<'a>) -> Self {
        let Known { message_id, participant, from_me, push_name, timestamp } = known;
        let remote_jid = event.lane().unwrap_or_default();
        let chat = event.chat.as_ref();
        Self {
            instance_id: event.instance,
            message_id,
            remote_jid,
            from: (!from_me).then(|| participant.unwrap_or(remote_jid)),
            to: from_me.then_some(remote_jid),
            from_me,
            body: None,
            kind: MessageKind::Undecryptable.as_str(),
            timestamp,
            has_media: false,
            push_name,
            status: if from_me { MessageStatus::Sent } else { MessageStatus::Received },
            pn: chat.and_then(|chat| chat.pn.as_deref()),
            lid: chat.and_then(|chat| chat.lid.as_deref()),
            participant,
            mime_type: None,
            file_name: None,
            media: None,
            target_message_id: None,
            quoted_message_id: None,
            details: Details::default(),
            reason: None,
            retries: None,
            metadata: Metadata { push_name, timestamp },
        }
    }
}

/// `message_media`, which the API doesn't know: the file of a message has come further.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageMedia<'a> {
    instance_id: InstanceId,
    message_id: &'a str,
    remote_jid: &'a str,
    from_me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
    media: Media<'a>,
}

impl<'a> MessageMedia<'a> {
    fn new(event: &'a Event, data: &'a MessageMediaData) -> Self {
        let chat = event.chat.as_ref();
        Self {
            instance_id: event.instance,
            message_id: &data.message_id,
            remote_jid: event.lane().unwrap_or_default(),
            from_me: data.from_me,
            participant: data.participant.as_deref(),
            pn: chat.and_then(|chat| chat.pn.as_deref()),
            lid: chat.and_then(|chat| chat.lid.as_deref()),
            media: Media::new(event, &data.message_id, data.kind, &data.media),
        }
    }
}

/// The file of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Media<'a> {
    #[serde(rename = "type")]
    kind: MessageKind,
    mime_type: Option<&'a str>,
    size: Option<u64>,
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<MediaState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<MediaFault>,
    /// Where it is to be had, beside the other paths of the API: with a credential, as long as the message is kept.
    url: String,
}

impl<'a> Media<'a> {
    fn new(event: &Event, message_id: &str, kind: MessageKind, media: &'a MediaData) -> Self {
        Self {
            kind,
            mime_type: media.mime_type.as_deref(),
            size: media.size,
            file_name: media.file_name.as_deref(),
            state: media.state,
            error: media.fault,
            url: media_path(event.instance, message_id),
        }
    }
}

/// The path of a message's file, beside the other paths of the API. Ids are their senders' choice.
pub fn media_path(instance: InstanceId, message_id: &str) -> String {
    let mut path = format!("/api/instances/{instance}/messages/");
    for byte in message_id.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path.push_str("/media");
    path
}

/// What is known of a message before it is decrypted.
#[derive(Clone, Copy)]
struct Known<'a> {
    message_id: &'a str,
    participant: Option<&'a str>,
    from_me: bool,
    push_name: Option<&'a str>,
    timestamp: i64,
}

/// The API knows what it sent as `text`, and a text that came in by the name that WhatsApp's protocol has for it.
fn word(kind: MessageKind, from_me: bool) -> &'static str {
    match kind {
        MessageKind::Text if !from_me => "conversation",
        other => other.as_str(),
    }
}

/// `message_status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status<'a> {
    instance_id: InstanceId,
    message_id: &'a str,
    status: MessageStatus,
    /// The chat.
    from: &'a str,
    remote_jid: &'a str,
    from_me: bool,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<FailureCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// When what stands against it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl<'a> Status<'a> {
    fn new(event: &'a Event, data: &'a StatusData) -> Self {
        let chat = event.lane().unwrap_or_default();
        let failure = data.failure.as_ref();
        Self {
            instance_id: event.instance,
            message_id: &data.message_id,
            status: data.status,
            from: chat,
            remote_jid: chat,
            from_me: data.from_me,
            timestamp: data.timestamp,
            pn: event.chat.as_ref().and_then(|chat| chat.pn.as_deref()),
            lid: event.chat.as_ref().and_then(|chat| chat.lid.as_deref()),
            cause: failure.map(|failure| failure.cause),
            code: failure.and_then(|failure| failure.code),
            error: failure.map(|failure| failure.message.as_str()),
            until: failure.and_then(|failure| failure.until).map(Timestamp::from_millis),
        }
    }
}

/// `connected`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected<'a> {
    instance_id: InstanceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    jid: Option<&'a str>,
}

/// `disconnected`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disconnected<'a> {
    instance_id: InstanceId,
    /// `logout`, or the same as `cause`.
    reason: &'static str,
    cause: CauseKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    will_reconnect: bool,
    /// The server's last word, as XML text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
}

impl<'a> Disconnected<'a> {
    fn new(event: &Event, data: &'a DisconnectedData) -> Self {
        Self {
            instance_id: event.instance,
            reason: if data.cause == CauseKind::LoggedOut { "logout" } else { data.cause.as_str() },
            cause: data.cause,
            code: data.code,
            until: data.until.map(Timestamp::from_millis),
            will_reconnect: data.will_reconnect,
            raw: data.raw.as_deref(),
        }
    }
}

/// `qr_received`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Qr<'a> {
    instance_id: InstanceId,
    /// `null` once it is void.
    qr_code: Option<&'a str>,
    attempt: u32,
    /// When the next code replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// `limit_exceeded`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limit<'a> {
    instance_id: InstanceId,
    exceeded_limits: [&'a str; 1],
    usage: One,
    limits: One,
}

impl<'a> Limit<'a> {
    fn new(event: &Event, data: &'a LimitData) -> Self {
        Self {
            instance_id: event.instance,
            exceeded_limits: [&data.limit],
            usage: One(counted(&data.limit), data.used),
            limits: One(data.limit.clone(), data.allowed),
        }
    }
}

/// `history_progress`: what the phone has told of the time before.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    instance_id: InstanceId,
    /// In percent; `null` where the phone doesn't say.
    progress: Option<u32>,
    messages: u64,
    chats: u64,
}

/// `limits_changed`: whom WhatsApp lets the account write to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits<'a> {
    instance_id: InstanceId,
    /// `null` where there is no lock.
    time_lock: Option<TimeLock<'a>>,
    /// `null` where there is no cap.
    new_chats: Option<NewChats>,
}

#[derive(Serialize)]
struct TimeLock<'a> {
    kind: &'a str,
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct NewChats {
    total: Option<u32>,
    used: Option<u32>,
    until: Option<Timestamp>,
    reached: bool,
}

impl<'a> Limits<'a> {
    fn new(event: &Event, data: &'a LimitsData) -> Self {
        let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        let lock = data.time_lock.as_ref();
        Self {
            instance_id: event.instance,
            time_lock: lock.map(|lock| TimeLock { kind: &lock.kind, until: time(lock.until) }),
            new_chats: data.new_chats.as_ref().map(|chats| NewChats {
                total: chats.total,
                used: chats.used,
                until: time(chats.until),
                reached: chats.is_reached,
            }),
        }
    }
}

/// An object with one member.
struct One(String, u64);

impl Serialize for One {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&self.0, &self.1)?;
        map.end()
    }
}

/// What a limit counts: `messagesSent` for `maxMessagesSent`.
fn counted(limit: &str) -> String {
    let mut rest = limit.strip_prefix("max").unwrap_or(limit).chars();
    rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect()
}

/// `client_expiring`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expiry<'a> {
    instance_id: InstanceId,
    version: &'a str,
    expires_at: Timestamp,
}

/// `webhook_updated`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook<'a> {
    instance_id: InstanceId,
    timestamp: Timestamp,
    name: &'a str,
    enabled: bool,
    deleted: bool,
}

impl<'a> Webhook<'a> {
    fn new(event: &Event, data: &'a WebhookData) -> Self {
        Self {
            instance_id: event.instance,
            timestamp: event.timestamp,
            name: &data.name,
            enabled: data.enabled,
            deleted: data.deleted,
        }
    }
}

/// `instance_changed`: what was done to the instance, or became of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceChange<'a> {
    instance_id: InstanceId,
    action: InstanceAction,
    /// The settings that were changed.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [String],
}

/// `webhook_paused`, which the API doesn't know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paused<'a> {
    instance_id: InstanceId,
    name: &'a str,
    paused: bool,
    failing_since: Option<Timestamp>,
}

/// `identity_changed`, which the API doesn't know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity<'a> {
    instance_id: InstanceId,
    remote_jid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
    timestamp: Timestamp,
}

impl<'a> Identity<'a> {
    fn new(event: &'a Event) -> Self {
        let chat = event.chat.as_ref();
        Self {
            instance_id: event.instance,
            remote_jid: event.lane().unwrap_or_default(),
            pn: chat.and_then(|chat| chat.pn.as_deref()),
            lid: chat.and_then(|chat| chat.lid.as_deref()),
            timestamp: event.timestamp,
        }
    }
}
