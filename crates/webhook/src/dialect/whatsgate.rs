use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use storage::{Event, EventData, EventKind, Json, MediaState, MessageKind, MessageStatus};

use super::seed1::json;
use super::{Account, Call, Dialect, JSON, Pace, Receipt, Telling};

/// The callback of whatsgate: `ready`, `message`, `ack`, `media`, `sent`, `error`, `disconnect`, `create`. Of events that
/// it doesn't know nothing is told. A receiver confirms each with `{"result": "OK", "id": <its id>}`.
#[derive(Clone, Copy, Debug)]
pub struct Whatsgate;

/// What the webhook of a session is called: by its name receivers are told which session it is.
pub fn session_webhook(unique_id: &str) -> String {
    format!("{PREFIX}{unique_id}")
}

/// What the names of sessions' webhooks begin with.
const PREFIX: &str = "whatsgate-";

/// How a message is named, with its chat and its side: `true_79001234567@c.us_3EB0…`.
pub fn message_key(from_me: bool, chat: &str, message_id: &str) -> String {
    format!("{from_me}_{}_{message_id}", chat_id(chat))
}

/// People are at `c.us` here.
pub(super) fn chat_id(jid: &str) -> String {
    jid.strip_suffix("@s.whatsapp.net").map_or_else(|| jid.to_owned(), |number| format!("{number}@c.us"))
}

impl Dialect for Whatsgate {
    fn name(&self, kind: EventKind) -> &'static str {
        match kind {
            EventKind::Connected => "ready",
            EventKind::MessageReceived => "message",
            EventKind::MessageStatus => "ack",
            EventKind::MessageMedia => "media",
            EventKind::MessageSent => "create",
            EventKind::Disconnected => "disconnect",
            other => other.as_str(),
        }
    }

    fn action(&self, event: &Event) -> &'static str {
        match &event.data {
            EventData::MessageSent(sent) if sent.queued => "sent",
            EventData::MessageStatus(told) if told.status == MessageStatus::Failed => "error",
            _ => self.name(event.kind()),
        }
    }

    fn webhook(&self, event: &Event, to: &Telling<'_>) -> Call {
        let action = self.action(event);
        let account = to.account.cloned().unwrap_or_default();
        let callback = Callback::of(event, action, to.webhook, &account);
        let body = serde_json::to_vec(&callback).unwrap_or_default();
        Call { event: action, content_type: JSON, body: Bytes::from(body) }
    }

    fn listed(&self, event: &Event) -> Json {
        json(&Callback::of(event, self.action(event), "", &Account::default()))
    }

    fn data(&self, event: &Event) -> Json {
        json(&Told::of(event, &Account::default()))
    }

    fn tells_account(&self) -> bool {
        true
    }

    fn tells(&self, event: &Event) -> bool {
        match &event.data {
            EventData::Connected(_)
            | EventData::MessageReceived(_)
            | EventData::MessageSent(_)
            | EventData::Disconnected(_) => true,
            EventData::MessageStatus(status) => status.from_me,
            EventData::MessageMedia(told) => told.media.state == Some(MediaState::Ready),
            _ => false,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt::Body(is_receipt)
    }

    fn pace(&self) -> Pace {
        Pace::Steady
    }
}

/// `{"result": "OK", "id": <id>}`, the id as a number or as text.
fn is_receipt(event: &Event, answer: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return false };
    let is_it = match &answer["id"] {
        Value::Number(id) => id.as_i64() == Some(event.seq),
        Value::String(id) => id.parse() == Ok(event.seq),
        _ => false,
    };
    is_it && answer["result"] == "OK"
}

#[derive(Serialize)]
struct Callback<'a> {
    id: i64,
    whatsapp_id: String,
    event_action: &'static str,
    event_date: String,
    /// What WhatsApp refused a message with; `null` of what isn't refused.
    status_code: Option<u32>,
    event_data: Told<'a>,
}

impl<'a> Callback<'a> {
    fn of(event: &'a Event, action: &'static str, webhook: &str, account: &'a Account) -> Self {
        let session = webhook.strip_prefix(PREFIX).map(str::to_owned);
        let failure = match &event.data {
            EventData::MessageStatus(told) => told.failure.as_ref(),
            _ => None,
        };
        Self {
            id: event.seq,
            // A webhook that belongs to no session tells which instance it is.
            whatsapp_id: session.unwrap_or_else(|| event.instance.to_string()),
            event_action: action,
            event_date: date(&event.timestamp.to_string()),
            status_code: failure.map(|failure| failure.code.unwrap_or(500)),
            event_data: Told::of(event, account),
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS` of an ISO 8601 time, in UTC.
fn date(iso: &str) -> String {
    iso.get(..19).unwrap_or(iso).replace('T', " ")
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Ready { pushname: Option<&'a str>, number: Option<&'a str> },
    Message { message: Box<Message<'a>> },
    Failed { message: Box<Message<'a>>, error: &'a str },
    Disconnect { reason: &'static str },
    Nothing {},
}

/// A message as far as the event tells of it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(rename = "_id")]
    own_id: &'a str,
    id: String,
    ack: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_media: Option<bool>,
    /// Names the file to `get-media`: the message's own id does. Empty without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    media_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(rename = "from_name", skip_serializing_if = "Option::is_none")]
    from_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Who wrote it in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mimetype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn of(event: &'a Event, account: &'a Account) -> Self {
        let chat = event.lane().unwrap_or_default();
        let key = |from_me, id: &str| message_key(from_me, chat, id);
        match &event.data {
            EventData::Connected(told) => {
                let number = told.jid.as_deref().map(|jid| jid.split('@').next().unwrap_or_default());
                Self::Ready { pushname: account.push_name.as_deref(), number }
            }
            EventData::MessageReceived(_) | EventData::MessageSent(_) => Self::message(event, chat, account),
            EventData::MessageMedia(told) => Self::Message {
                message: Box::new(Message {
                    own_id: &told.message_id,
                    id: key(told.from_me, &told.message_id),
                    has_media: Some(true),
                    media_key: Some(key(told.from_me, &told.message_id)),
                    kind: Some(word(told.kind)),
                    mimetype: told.media.mime_type.as_deref(),
                    filename: told.media.file_name.as_deref(),
                    timestamp: event.timestamp.seconds(),
                    ..Message::default()
                }),
            },
            EventData::MessageStatus(told) => {
                let message = Box::new(Message {
                    own_id: &told.message_id,
                    id: key(told.from_me, &told.message_id),
                    ack: ack(told.status),
                    timestamp: told.timestamp,
                    to: told.from_me.then(|| chat_id(chat)),
                    ..Message::default()
                });
                match &told.failure {
                    Some(failure) => Self::Failed { message, error: &failure.message },
                    None => Self::Message { message },
                }
            }
            EventData::Disconnected(told) => Self::Disconnect { reason: told.cause.as_str() },
            _ => Self::Nothing {},
        }
    }

    fn message(event: &'a Event, chat: &str, account: &Account) -> Self {
        let (told, from_me) = match &event.data {
            EventData::MessageReceived(told) => (told, false),
            EventData::MessageSent(told) => (told, true),
            _ => return Self::Nothing {},
        };
        let id = message_key(from_me, chat, &told.message_id);
        Self::Message {
            message: Box::new(Message {
                own_id: &told.message_id,
                ack: ack(told.status),
                has_media: Some(told.media.is_some()),
                media_key: Some(if told.media.is_some() { id.clone() } else { String::new() }),
                id,
                body: Some(told.text.as_deref().unwrap_or_default()),
                kind: Some(word(told.kind)),
                timestamp: told.timestamp,
                from: if from_me { account.contact_id() } else { Some(chat_id(chat)) },
                from_name: told.push_name.as_deref(),
                to: if from_me { Some(chat_id(chat)) } else { account.contact_id() },
                author: told.participant.as_deref().map(chat_id),
                is_forwarded: Some(told.details.as_ref().is_some_and(|details| details.forwarded)),
                mimetype: told.media.as_ref().and_then(|media| media.mime_type.as_deref()),
                filename: told.media.as_ref().and_then(|media| media.file_name.as_deref()),
            }),
        }
    }
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

/// What a message is, in the words of WhatsApp's own page.
fn word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "chat",
        MessageKind::Voice => "ptt",
        MessageKind::Contact => "vcard",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use storage::{
        CauseKind, Chat, ConnectedData, DisconnectedData, EventId, Failure, FailureCause, InstanceId,
        MessageData, QrData, StatusData, Timestamp,
    };

    use super::*;

    fn event(data: EventData) -> Event {
        let jid = "79001234567@s.whatsapp.net".to_owned();
        Event {
            seq: 7,
            id: EventId::generate(),
            instance: InstanceId::from_bytes([0x22; 16]),
            chat: Some(Chat { jid, pn: None, lid: None }),
            timestamp: Timestamp::from_millis(1_672_574_400_123),
            data,
        }
    }

    fn message(queued: bool) -> MessageData {
        MessageData {
            message_id: "3EB0".to_owned(),
            participant: None,
            kind: MessageKind::Text,
            text: Some("hi".to_owned()),
            target: None,
            quoted: None,
            timestamp: 1_672_574_400,
            push_name: Some("Zoë".to_owned()),
            media: None,
            details: None,
            status: MessageStatus::Sent,
            by_us: true,
            queued,
        }
    }

    fn body(event: &Event) -> String {
        let webhook = session_webhook("63454");
        let account = Account { phone: Some("79999999999".to_owned()), ..Account::default() };
        let to = Telling { webhook: &webhook, account: Some(&account), ..Telling::default() };
        String::from_utf8(Whatsgate.webhook(event, &to).body.to_vec()).unwrap()
    }

    #[test]
    fn a_message_is_told_like_this() {
        let told = event(EventData::MessageReceived(message(false)));
        assert_eq!(
            body(&told),
            r#"{"id":7,"whatsapp_id":"63454","event_action":"message","event_date":"2023-01-01 12:00:00","status_code":null,"event_data":{"message":{"_id":"3EB0","id":"false_79001234567@c.us_3EB0","ack":1,"hasMedia":false,"mediaKey":"","body":"hi","type":"chat","timestamp":1672574400,"from":"79001234567@c.us","from_name":"Zoë","to":"79999999999@c.us","isForwarded":false}}}"#
        );
        let unnamed = Whatsgate.webhook(&told, &Telling::default()).body;
        assert!(String::from_utf8_lossy(&unnamed).contains("22222222-2222-2222-2222-222222222222"));
    }

    #[test]
    fn each_action_has_its_event() {
        let failure =
            Failure { cause: FailureCause::Refused, code: Some(463), message: "no".into(), until: None };
        let status = |status, failure| {
            let message_id = "3EB0".to_owned();
            EventData::MessageStatus(StatusData { message_id, status, from_me: true, timestamp: 1, failure })
        };
        let disconnected = DisconnectedData {
            cause: CauseKind::Network,
            code: None,
            until: None,
            will_reconnect: true,
            raw: None,
        };
        for (data, action) in [
            (EventData::Connected(ConnectedData { jid: Some("7900@s.whatsapp.net".into()) }), "ready"),
            (EventData::MessageSent(message(true)), "sent"),
            (EventData::MessageSent(message(false)), "create"),
            (status(MessageStatus::Read, None), "ack"),
            (status(MessageStatus::Failed, Some(failure)), "error"),
            (EventData::Disconnected(disconnected), "disconnect"),
        ] {
            let event = event(data);
            assert!(Whatsgate.tells(&event), "{action}");
            assert_eq!(Whatsgate.webhook(&event, &Telling::default()).event, action);
            assert!(body(&event).contains(&format!(r#""event_action":"{action}""#)));
        }
        let code = QrData { code: "1".into(), attempt: 1, expires_at: None };
        assert!(!Whatsgate.tells(&event(EventData::QrReceived(code))));
    }

    #[test]
    fn only_its_own_receipt_confirms_a_call() {
        let event = event(EventData::MessageSent(message(true)));
        for (answer, counts) in [
            (r#"{"result":"OK","id":7}"#, true),
            (r#"{"result":"OK","id":"7","more":1}"#, true),
            (r#"{"result":"OK","id":8}"#, false),
            (r#"{"result":"OK"}"#, false),
            (r#"{"result":"NO","id":7}"#, false),
            ("OK", false),
            ("", false),
        ] {
            assert_eq!(is_receipt(&event, answer.as_bytes()), counts, "{answer}");
        }
    }
}
