use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use crate::{
    ApiKey, EventId, EventKind, Instance, InstanceId, InstanceStatus, Json, Message, MessageStatus, NewEvent,
    NewMessage, Role, SecretText, StatusUpdate, StoredMessageId, Timestamp, User, UserId, WebhookSettings,
};

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
        webhook: WebhookSettings {
            url: Some("https://example.com/webhook".into()),
            enabled: true,
            notify_received: true,
            notify_sent: false,
            notify_delivery: true,
            notify_read: false,
            max_retries: 5,
            retry_interval: 30_000,
            secret: Some(SecretText::new("webhook secret")),
            headers: BTreeMap::from([("Custom-Header".to_owned(), "custom value".to_owned())]),
        },
        status: InstanceStatus::Connecting,
        status_cause: Some("network".into()),
        jid: Some("15550000001:7@s.whatsapp.net".into()),
        lid: Some("100000000000001:7@lid".into()),
        phone: Some("15550000001".into()),
        push_name: Some("Zoë".into()),
        last_activity: None,
        created_at: Timestamp::from_millis(1_700_000_000_003),
        updated_at: Timestamp::from_millis(1_700_000_000_004),
    }
}

/// An event of `chat` at `millis`.
pub fn sample_event(kind: EventKind, chat: Option<&str>, millis: i64) -> NewEvent {
    NewEvent {
        id: EventId::generate(),
        kind,
        chat: chat.map(ToOwned::to_owned),
        timestamp: Timestamp::from_millis(millis),
        data: Json::from(json!({ "kind": kind.as_str(), "at": millis })),
    }
}

/// A text that came in from the phone number `peer` at `millis`, with its event.
pub fn sample_incoming(instance: InstanceId, peer: &str, message_id: &str, millis: i64) -> NewMessage {
    let chat = format!("{peer}@s.whatsapp.net");
    let event = sample_event(EventKind::MessageReceived, Some(&chat), millis);
    let message = Message {
        id: StoredMessageId::generate(),
        instance,
        chat: chat.clone(),
        wire_chat: chat.clone(),
        sender: chat,
        from_me: false,
        message_type: "text".into(),
        content: Some(format!("text of {message_id} 你好")),
        message_id: message_id.to_owned(),
        has_media: false,
        media_url: None,
        caption: None,
        mime_type: None,
        file_name: None,
        status: MessageStatus::Received,
        metadata: Json::from(json!({ "timestamp": millis / 1_000 })),
        created_at: Timestamp::from_millis(millis),
        updated_at: Timestamp::from_millis(millis),
        status_updated_at: None,
    };
    NewMessage { message, payload: None, event: Some(event) }
}

/// A pending text to the phone number `peer`, with its payload and without an event.
pub fn sample_outgoing(instance: InstanceId, peer: &str, message_id: &str, millis: i64) -> NewMessage {
    let mut new = sample_incoming(instance, peer, message_id, millis);
    new.message.sender = "15550000001@s.whatsapp.net".into();
    new.message.from_me = true;
    new.message.status = MessageStatus::Pending;
    NewMessage { payload: Some(Bytes::from(format!("payload of {message_id}"))), event: None, ..new }
}

/// A receipt of the phone number `peer` for a message of ours, with its event.
pub fn sample_receipt(peer: &str, message_id: &str, status: MessageStatus, millis: i64) -> StatusUpdate {
    let chat = format!("{peer}@s.whatsapp.net");
    StatusUpdate {
        message_id: message_id.to_owned(),
        chats: vec![chat.clone()],
        from_me: true,
        status,
        at: Timestamp::from_millis(millis),
        event: Some(sample_event(EventKind::MessageStatus, Some(&chat), millis)),
    }
}
