//! Messages of ours: as they are stored first, and what became of them.

use bytes::Bytes;
use storage::{
    AmendTarget, Amendment, Change, EventData, Failure, InstanceId, Message, MessageData, MessageKind,
    MessageStatus, NewEvent, Scheduled, StatusData, StatusUpdate, StoredMessageId, Timestamp,
};
use wa_binary::Jid;
use wa_client::content::{Content, Draft, Kind, View};
use wa_client::{MessageId, Person};

use super::details;
use super::names::ChatNames;
use super::shown::Shown;

/// A message of ours that is about to leave.
pub(crate) fn pending(
    instance: InstanceId,
    own_jid: String,
    names: &ChatNames,
    (draft, text): (&Draft, Option<String>),
    now: Timestamp,
) -> Message {
    let shown = Shown::of(draft.view());
    Message {
        id: StoredMessageId::generate(),
        instance,
        chat: names.chat.jid.clone(),
        wire_chat: names.wire.clone(),
        sender: own_jid,
        participant: None,
        from_me: true,
        message_id: MessageId::generate().to_string(),
        target: shown.as_ref().and_then(|shown| shown.target).map(str::to_owned),
        kind: shown.as_ref().map_or(MessageKind::Unknown, |shown| shown.kind),
        text: text.or_else(|| shown.as_ref().and_then(Shown::full_text)),
        push_name: None,
        status: MessageStatus::Pending,
        created_at: now,
        updated_at: now,
        status_updated_at: None,
        edited_at: None,
        history: false,
        revoked_at: None,
        media: super::announced(&draft.view()),
        raw: draft.encode_once(),
    }
}

/// A scheduled message that is never sent, as it is stored.
pub(crate) fn unsent(
    scheduled: &Scheduled,
    own_jid: String,
    (kind, text): (MessageKind, Option<String>),
    now: Timestamp,
) -> Message {
    Message {
        id: scheduled.file.unwrap_or_else(StoredMessageId::generate),
        instance: scheduled.instance,
        chat: scheduled.recipient.clone(),
        wire_chat: scheduled.recipient.clone(),
        sender: own_jid,
        participant: None,
        from_me: true,
        message_id: scheduled.message_id.clone(),
        target: None,
        kind,
        text,
        push_name: None,
        status: MessageStatus::Failed,
        created_at: now,
        updated_at: now,
        status_updated_at: Some(now),
        edited_at: None,
        history: false,
        revoked_at: None,
        media: None,
        raw: Bytes::new(),
    }
}

/// The message in the chat with whom it reached, where that is another than it was written to: a held message, or one
/// whose recipient could not be looked up in time, is stored under the number that the caller gave.
pub(crate) fn moved(message: &Message, to: &Person) -> Option<Message> {
    let chat = to.pn.as_ref()?.to_string();
    let is_elsewhere = message.chat.ends_with("@s.whatsapp.net") && message.chat != chat;
    let wire_chat = to.lid.as_ref().map_or_else(|| chat.clone(), Jid::to_string);
    is_elsewhere.then(|| Message { chat, wire_chat, ..message.clone() })
}

/// WhatsApp has the message. `timestamp` is WhatsApp's, Unix seconds.
pub(crate) fn sent(message: &Message, view: Option<View<'_>>, timestamp: i64) -> StatusUpdate {
    let told = view
        .and_then(Shown::of)
        .map(|shown| {
            let media = message.media.as_ref();
            shown.told(&message.message_id, None, None, timestamp, MessageStatus::Sent, media)
        })
        .map(|told| EventData::MessageSent(MessageData { by_us: true, ..completed(told, message) }));
    update(message, MessageStatus::Sent, Timestamp::from_seconds(timestamp), told)
}

/// With the text that was stored, where it is encrypted in what left.
fn completed(told: MessageData, message: &Message) -> MessageData {
    let Some(details) = details::of_stored(message) else { return told };
    MessageData { text: message.text.clone(), details: Some(Box::new(details)), ..told }
}

/// What a message of ours changes in an earlier one, once WhatsApp has it.
pub(crate) fn amends(message: &Message, at: Timestamp) -> Option<Amendment> {
    let content = Content::decode(message.raw.clone()).ok()?;
    let view = content.view();
    let about = view.target()?;
    let change = match view.kind() {
        Kind::Edit => {
            let edited = view.edited()?;
            Change::Edit { text: edited.text_or_caption().map(str::to_owned), raw: edited.to_raw() }
        }
        Kind::Revoke => Change::Revoke,
        _ => return None,
    };
    let authors = about.participant.filter(|_| !about.from_me).map(str::to_owned);
    let target = AmendTarget {
        message_id: about.id.to_owned(),
        chats: ChatNames::of_stored(&message.chat, &message.wire_chat).all(),
        from_me: about.from_me,
        authors: authors.into_iter().collect(),
    };
    Some(Amendment { target, change, at, carrier: None, event: None })
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
        member: None,
        status,
        at,
        event: told.map(|told| NewEvent::new(Some(names.chat), told)),
    }
}
