use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    AmendTarget, Amendment, ApiKey, CallData, CauseKind, Change, ChannelData, Chat, ChatStateData,
    ConnectedData, ConnectionCause, ConnectionSettings, DeviceIcon, DeviceLook, DisconnectedData, Epoch,
    EventData, EventFilter, EventKind, ExpiryData, Failure, FailureCause, GroupData, HistoryData,
    IdentityData, Instance, InstanceAction, InstanceData, InstanceId, InstanceStatus, LimitData, LimitPeriod,
    LimitsData, MediaData, MediaDownload, MediaFault, MediaState, Message, MessageData, MessageKind,
    MessageMediaData, MessageStatus, NewChatsData, NewEvent, NewMessage, NextSecret, NodeId, OnGiveUp,
    PersonData, PostFigures, PresenceData, QrData, Retention, Role, SecretText, StatusData, StatusUpdate,
    Storage, StorageError, StoredMessageId, TimeLockData, Timestamp, UndecryptableData, UndecryptableReason,
    UnreadableData, UsageLimits, User, UserId, Webhook, WebhookData, WebhookFormat, WebhookPausedData,
};

/// The node that holds the instances of [`sample_leased`].
pub const SAMPLE_NODE: NodeId = NodeId::from_bytes([0x11; 16]);

/// A user whose email and API key derive from `name`.
pub fn sample_user(name: &str) -> User {
    User {
        id: UserId::generate(),
        email: format!("{name}@example.com"),
        password_hash: SecretText::new("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"),
        first_name: "Zoë".into(),
        last_name: "O'Neill".into(),
        role: Role::User,
        api_key: ApiKey::new(format!("key of {name}")),
        disabled_at: None,
        credentials_version: 3,
        allowed_ips: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        created_at: Timestamp::from_millis(1_700_000_000_001),
        updated_at: Timestamp::from_millis(1_700_000_000_002),
    }
}

/// An instance with every field filled in that creation keeps.
pub fn sample_instance(owner: UserId, name: &str) -> Instance {
    Instance {
        id: InstanceId::generate(),
        owner,
        name: name.to_owned(),
        description: Some("企业账户".into()),
        tags: vec!["sales".into(), "北京 'x'".into()],
        retention: Retention { event_days: Some(7), message_days: Some(400), media_days: Some(30) },
        media_download: Some(MediaDownload::Demand),
        connection: ConnectionSettings {
            proxy: Some(SecretText::new("socks5://user:secret@proxy.example:1080")),
            shows_delivery: false,
        },
        look: DeviceLook { name: Some("Front desk".into()), icon: Some(DeviceIcon::Edge) },
        limits: UsageLimits {
            messages_sent: Some(1_000),
            media_size: Some(5_000_000_000),
            period: LimitPeriod::Day,
            ..UsageLimits::default()
        },
        status: InstanceStatus::Connecting,
        status_cause: Some(ConnectionCause { code: Some(503), ..CauseKind::Network.into() }),
        jid: Some("15550000001:7@s.whatsapp.net".into()),
        lid: Some("100000000000001:7@lid".into()),
        phone: Some("15550000001".into()),
        push_name: Some("Zoë".into()),
        last_activity: None,
        created_at: Timestamp::from_millis(1_700_000_000_003),
        updated_at: Timestamp::from_millis(1_700_000_000_004),
        unreadable: Vec::new(),
    }
}

/// A webhook that is on, with every field filled in.
pub fn sample_webhook(instance: InstanceId, name: &str) -> Webhook {
    Webhook {
        instance,
        name: name.to_owned(),
        url: Some(format!("https://example.com/{name}")),
        enabled: true,
        format: WebhookFormat::Seed0,
        filter: EventFilter {
            received: true,
            sent: false,
            delivery: true,
            read: false,
            kinds: Some(vec![EventKind::MessageReceived, EventKind::Connected]),
        },
        max_retries: 5,
        retry_interval: 30_000,
        on_give_up: OnGiveUp::Wait,
        secret: Some(SecretText::new(format!("secret of {name}"))),
        next_secret: Some(NextSecret {
            secret: SecretText::new(format!("next secret of {name}")),
            from: Timestamp::from_millis(1_700_000_000_007),
        }),
        headers: BTreeMap::from([("Custom-Header".to_owned(), format!("header of {name}"))]),
        failing_since: None,
        paused_at: None,
        created_at: Timestamp::from_millis(1_700_000_000_005),
        updated_at: Timestamp::from_millis(1_700_000_000_006),
        unreadable: Vec::new(),
    }
}

/// Adds an instance of this owner, with [`sample_webhook`] as the default one, that [`SAMPLE_NODE`] holds.
pub async fn sample_leased(
    store: &dyn Storage,
    owner: UserId,
    name: &str,
) -> Result<(Instance, Epoch), StorageError> {
    let instance = sample_instance(owner, name);
    let webhooks = vec![sample_webhook(instance.id, Webhook::DEFAULT)];
    let epoch = store.create_instance(instance.clone(), webhooks, SAMPLE_NODE, u64::MAX).await?;
    Ok((instance, epoch))
}

/// A person's chat under the number, and under a LID that derives from it.
pub fn sample_chat(peer: &str) -> Chat {
    let jid = format!("{peer}@s.whatsapp.net");
    Chat { jid: jid.clone(), pn: Some(jid), lid: Some(format!("9{peer}@lid")) }
}

/// An event of this kind in the chat with `peer`, if it is given.
pub fn sample_event(kind: EventKind, peer: Option<&str>) -> NewEvent {
    NewEvent::new(peer.map(sample_chat), sample_event_data(kind))
}

/// What an event of this kind tells.
pub fn sample_event_data(kind: EventKind) -> EventData {
    match kind {
        EventKind::MessageMedia => EventData::MessageMedia(MessageMediaData {
            message_id: "3EB0".into(),
            from_me: false,
            participant: None,
            kind: MessageKind::Image,
            media: MediaData {
                state: Some(MediaState::Failed),
                fault: Some(MediaFault::Expired),
                mime_type: Some("image/png".into()),
                file_name: Some("照片.png".into()),
                size: Some(7),
            },
        }),
        EventKind::MessageReceived => {
            EventData::MessageReceived(message_data("3EB0", MessageStatus::Received))
        }
        EventKind::PostReceived => EventData::PostReceived(message_data("3EB0", MessageStatus::Received)),
        EventKind::MessageSent => EventData::MessageSent(message_data("3EB0", MessageStatus::Sent)),
        EventKind::MessageStatus => EventData::MessageStatus(StatusData {
            message_id: "3EB0".into(),
            status: MessageStatus::Failed,
            from_me: true,
            timestamp: 1_700_000_000,
            failure: Some(Failure {
                cause: FailureCause::ReachoutTimelock,
                code: Some(463),
                message: "WhatsApp refused the message".into(),
                until: None,
            }),
        }),
        EventKind::MessageUndecryptable => EventData::MessageUndecryptable(UndecryptableData {
            message_id: "3EB0".into(),
            participant: None,
            from_me: false,
            timestamp: 1_700_000_000,
            push_name: Some("张三".into()),
            reason: UndecryptableReason::NoSession,
            retries: 1,
        }),
        EventKind::Connected => {
            EventData::Connected(ConnectedData { jid: Some("15550000001@s.whatsapp.net".into()) })
        }
        EventKind::Disconnected => EventData::Disconnected(DisconnectedData {
            cause: CauseKind::Banned,
            code: Some(102),
            until: Some(1_700_000_900_000),
            will_reconnect: false,
            raw: None,
        }),
        EventKind::QrReceived => {
            EventData::QrReceived(QrData { code: "2@ref,a,b,c".into(), attempt: 2, expires_at: None })
        }
        EventKind::LimitExceeded => {
            EventData::LimitExceeded(LimitData { limit: "maxMessagesSent".into(), allowed: 100, used: 101 })
        }
        EventKind::WebhookUpdated => EventData::WebhookUpdated(WebhookData {
            name: Webhook::DEFAULT.into(),
            enabled: true,
            deleted: false,
        }),
        EventKind::WebhookPaused => EventData::WebhookPaused(WebhookPausedData {
            name: Webhook::DEFAULT.into(),
            paused: true,
            failing_since: Some(1_700_000_000_000),
        }),
        EventKind::IdentityChanged => EventData::IdentityChanged(IdentityData::default()),
        EventKind::ClientExpiring => EventData::ClientExpiring(ExpiryData {
            version: "2.3000.1045649367".into(),
            expires_at: 1_700_000_900_000,
        }),
        EventKind::LimitsChanged => EventData::LimitsChanged(LimitsData {
            time_lock: Some(TimeLockData {
                until: Some(1_700_000_900_000),
                kind: "WEB_COMPANION_ONLY".into(),
            }),
            new_chats: Some(NewChatsData {
                total: Some(50),
                used: Some(50),
                until: Some(1_700_000_900_000),
                is_reached: true,
            }),
        }),
        EventKind::HistoryProgress => {
            EventData::HistoryProgress(HistoryData { progress: Some(60), messages: 1_200, chats: 40 })
        }
        EventKind::GroupUpdated => EventData::GroupUpdated(GroupData {
            action: "added".into(),
            by: Some("15550000001@s.whatsapp.net".into()),
            participants: vec![PersonData {
                jid: "15550000002@s.whatsapp.net".into(),
                pn: Some("15550000002@s.whatsapp.net".into()),
                lid: Some("80002@lid".into()),
            }],
            reason: Some("invite".into()),
            timestamp: 1_700_000_000,
            ..GroupData::default()
        }),
        EventKind::PresenceUpdated => {
            EventData::PresenceUpdated(PresenceData { available: false, last_seen: Some(1_700_000_000) })
        }
        EventKind::ChatState => EventData::ChatState(ChatStateData {
            state: "typing".into(),
            participant: Some("15550000002@s.whatsapp.net".into()),
        }),
        EventKind::Call => EventData::Call(CallData {
            call_id: "C0".into(),
            action: "offer".into(),
            group: None,
            video: true,
            reason: None,
            timestamp: 1_700_000_000,
        }),
        EventKind::ChannelUpdated => EventData::ChannelUpdated(ChannelData {
            action: "counted".into(),
            name: None,
            posts: vec![PostFigures {
                server_id: 7,
                message_id: Some("3EB0".into()),
                views: Some(12),
                reactions: vec![("👍".into(), 3)],
            }],
            timestamp: 1_700_000_000,
        }),
        EventKind::InstanceChanged => EventData::InstanceChanged(InstanceData {
            action: InstanceAction::Updated,
            fields: vec!["name".into(), "deviceName".into()],
        }),
        EventKind::Unreadable => {
            EventData::Unreadable(UnreadableData { kind: Some(EventKind::MessageReceived) })
        }
    }
}

fn message_data(message_id: &str, status: MessageStatus) -> MessageData {
    MessageData {
        message_id: message_id.to_owned(),
        participant: None,
        kind: MessageKind::Text,
        text: Some("你好".into()),
        target: None,
        quoted: None,
        timestamp: 1_700_000_000,
        push_name: Some("张三".into()),
        media: None,
        details: None,
        status,
        by_us: false,
        queued: false,
    }
}

/// A text that came in from the phone number `peer` at `millis`, with its event.
pub fn sample_incoming(instance: InstanceId, peer: &str, message_id: &str, millis: i64) -> NewMessage {
    let chat = sample_chat(peer);
    let message = Message {
        id: StoredMessageId::generate(),
        instance,
        chat: chat.jid.clone(),
        wire_chat: chat.jid.clone(),
        sender: chat.jid.clone(),
        participant: None,
        from_me: false,
        message_id: message_id.to_owned(),
        target: None,
        kind: MessageKind::Text,
        text: Some(format!("text of {message_id} 你好")),
        push_name: Some("张三".into()),
        status: MessageStatus::Received,
        created_at: Timestamp::from_millis(millis),
        updated_at: Timestamp::from_millis(millis),
        status_updated_at: None,
        edited_at: None,
        history: false,
        revoked_at: None,
        media: None,
        raw: Bytes::from(format!("bytes of {message_id}")),
    };
    let told = MessageData { timestamp: millis / 1_000, ..message_data(message_id, MessageStatus::Received) };
    let event = NewEvent::new(Some(chat), EventData::MessageReceived(told));
    NewMessage { message, event: Some(event) }
}

/// A pending text to the phone number `peer`, without an event.
pub fn sample_outgoing(instance: InstanceId, peer: &str, message_id: &str, millis: i64) -> NewMessage {
    let mut new = sample_incoming(instance, peer, message_id, millis);
    new.message.sender = "15550000001@s.whatsapp.net".into();
    new.message.from_me = true;
    new.message.push_name = None;
    new.message.status = MessageStatus::Pending;
    NewMessage { event: None, ..new }
}

/// A receipt of the phone number `peer` for a message of ours, with its event.
pub fn sample_receipt(peer: &str, message_id: &str, status: MessageStatus, millis: i64) -> StatusUpdate {
    let chat = sample_chat(peer);
    let told = StatusData {
        message_id: message_id.to_owned(),
        status,
        from_me: true,
        timestamp: millis / 1_000,
        failure: None,
    };
    StatusUpdate {
        message_id: message_id.to_owned(),
        chats: vec![chat.jid.clone()],
        from_me: true,
        member: None,
        status,
        at: Timestamp::from_millis(millis),
        event: Some(NewEvent::new(Some(chat), EventData::MessageStatus(told))),
    }
}

/// A change that the phone number `peer` makes to its message `target`; no carrier, no event.
pub fn sample_amendment(peer: &str, target: &str, change: Change, millis: i64) -> Amendment {
    let chat = sample_chat(peer);
    let target = AmendTarget {
        message_id: target.to_owned(),
        chats: vec![chat.jid.clone()],
        from_me: false,
        authors: vec![chat.jid],
    };
    Amendment { target, change, at: Timestamp::from_millis(millis), carrier: None, event: None }
}
