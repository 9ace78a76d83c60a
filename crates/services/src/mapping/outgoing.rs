//! Messages of ours: as they are stored first, and what became of them.

use storage::{
    EventData, Failure, InstanceId, Message, MessageKind, MessageStatus, NewEvent, StatusData, StatusUpdate,
    StoredMessageId, Timestamp,
};
use wa_client::MessageId;
use wa_client::content::{Draft, View};

use super::names::ChatNames;
use super::shown::Shown;

/// A message of ours that is about to leave.
pub(crate) fn pending(
    instance: InstanceId,
    own_jid: String,
    names: &ChatNames,
    draft: &Draft,
    now: Timestamp,
) -> Message {
    let shown = Shown::of(draft.view());
    let text = |text: &str| text.to_owned();
    Message {
        id: StoredMessageId::generate(),
        instance,
        chat: names.chat.jid.clone(),
        wire_chat: names.wire.clone(),
        sender: own_jid,
        participant: None,
        from_me: true,
        message_id: MessageId::generate().to_string(),
        target: shown.as_ref().and_then(|shown| shown.target).map(text),
        kind: shown.as_ref().map_or(MessageKind::Unknown, |shown| shown.kind),
        text: shown.as_ref().and_then(|shown| shown.text).map(text),
        push_name: None,
        status: MessageStatus::Pending,
        created_at: now,
        updated_at: now,
        status_updated_at: None,
        edited_at: None,
        revoked_at: None,
        raw: draft.encode_once(),
    }
}

/// WhatsApp has the message. `timestamp` is WhatsApp's, Unix seconds.
pub(crate) fn sent(message: &Message, view: Option<View<'_>>, timestamp: i64) -> StatusUpdate {
    let told = view
        .and_then(Shown::of)
        .map(|shown| shown.told(&message.message_id, None, None, timestamp, MessageStatus::Sent))
        .map(EventData::MessageSent);
    update(message, MessageStatus::Sent, Timestamp::from_seconds(timestamp), told)
}

/// The message will never be sent.
pub(crate) fn failed(message: &Message, failure: &Failure, now: Timestamp) -> StatusUpdate {
    let told = StatusData {
        message_id: message.message_id.clone(),
        status: MessageStatus::Failed,
        from_me: true,
        timestamp: now.seconds(),
        failure: Some(failure.clone()),
    };
    update(message, MessageStatus::Failed, now, Some(EventData::MessageStatus(told)))
}

fn update(message: &Message, status: MessageStatus, at: Timestamp, told: Option<EventData>) -> StatusUpdate {
    let names = ChatNames::of_stored(&message.chat, &message.wire_chat);
    StatusUpdate {
        message_id: message.message_id.clone(),
        chats: names.all(),
        from_me: true,
        status,
        at,
        event: told.map(|told| NewEvent::new(Some(names.chat), told)),
    }
}
