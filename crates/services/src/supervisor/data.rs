//! The `data` of events: what webhooks and `/events` tell. Every field that either of them documents is in
//! both.

use serde::Serialize;
use storage::{InstanceId, Json, MessageStatus};

use super::content::Content;

/// `message_received` and `message_sent`.
pub(crate) struct MessageFacts<'a> {
    pub(crate) instance: InstanceId,
    pub(crate) message_id: &'a str,
    pub(crate) remote_jid: &'a str,
    /// The chat's person by phone number and by LID, where known.
    pub(crate) pn: Option<&'a str>,
    pub(crate) lid: Option<&'a str>,
    /// Who wrote it in a group.
    pub(crate) participant: Option<&'a str>,
    pub(crate) from_me: bool,
    pub(crate) content: &'a Content,
    /// Unix seconds.
    pub(crate) timestamp: i64,
    pub(crate) push_name: Option<&'a str>,
    pub(crate) status: MessageStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageData<'a> {
    instance_id: InstanceId,
    message_id: &'a str,
    remote_jid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    from_me: bool,
    body: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
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
    metadata: Metadata<'a>,
}

/// What is stored with a message besides its columns, and repeated in its event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<&'a str>,
    /// Unix seconds.
    timestamp: i64,
}

impl MessageFacts<'_> {
    pub(crate) fn metadata(&self) -> Metadata<'_> {
        Metadata { push_name: self.push_name, timestamp: self.timestamp }
    }

    pub(crate) fn to_json(&self) -> Json {
        let peer = Some(self.participant.unwrap_or(self.remote_jid));
        let media = self.content.media.as_ref();
        json(&MessageData {
            instance_id: self.instance,
            message_id: self.message_id,
            remote_jid: self.remote_jid,
            from: peer.filter(|_| !self.from_me),
            to: Some(self.remote_jid).filter(|_| self.from_me),
            from_me: self.from_me,
            body: self.content.text.as_deref().unwrap_or_default(),
            // Programs know what they sent as `text`, and what came in by the name that WhatsApp's protocol
            // has for it.
            kind: if self.from_me { self.content.message_type } else { self.content.kind },
            timestamp: self.timestamp,
            has_media: media.is_some(),
            push_name: self.push_name,
            status: self.status,
            pn: self.pn,
            lid: self.lid,
            participant: self.participant,
            mime_type: media.and_then(|media| media.mime_type.as_deref()),
            file_name: media.and_then(|media| media.file_name.as_deref()),
            metadata: self.metadata(),
        })
    }
}

/// `message_status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusData<'a> {
    pub(crate) instance_id: InstanceId,
    pub(crate) message_id: &'a str,
    pub(crate) status: MessageStatus,
    /// The chat.
    pub(crate) from: &'a str,
    pub(crate) remote_jid: &'a str,
    /// Whether the message is ours.
    pub(crate) from_me: bool,
    /// Unix seconds.
    pub(crate) timestamp: i64,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'a str>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
}

/// `connected`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectedData<'a> {
    pub(crate) instance_id: InstanceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jid: Option<&'a str>,
}

/// `disconnected`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DisconnectedData<'a> {
    pub(crate) instance_id: InstanceId,
    /// `logout`, or the same as `cause`.
    pub(crate) reason: &'a str,
    pub(crate) cause: &'a str,
    pub(crate) will_reconnect: bool,
}

/// `qr_received`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QrData<'a> {
    pub(crate) instance_id: InstanceId,
    pub(crate) qr_code: &'a str,
    /// From 1; counts the codes since the last connection.
    pub(crate) attempt: u32,
}

/// Strings, numbers and structs always have a JSON form, so the fallback (`null`) is never met.
pub(crate) fn json(data: &impl Serialize) -> Json {
    Json::of(data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const INSTANCE: InstanceId = InstanceId::from_bytes([0x22; 16]);

    fn facts(content: &Content, from_me: bool) -> MessageFacts<'_> {
        MessageFacts {
            instance: INSTANCE,
            message_id: "3EB0",
            remote_jid: "79001234567@s.whatsapp.net",
            pn: Some("79001234567@s.whatsapp.net"),
            lid: None,
            participant: None,
            from_me,
            content,
            timestamp: 1_672_531_200,
            push_name: Some("张三").filter(|_| !from_me),
            status: if from_me { MessageStatus::Sent } else { MessageStatus::Received },
        }
    }

    fn text() -> Content {
        Content {
            kind: "conversation", message_type: "text", text: Some("你好！".to_owned()), media: None
        }
    }

    #[test]
    fn a_received_message_has_the_documented_fields() {
        assert_eq!(
            facts(&text(), false).to_json().parse::<Value>().unwrap(),
            json!({
                "instanceId": INSTANCE.to_string(),
                "messageId": "3EB0",
                "from": "79001234567@s.whatsapp.net",
                "remoteJid": "79001234567@s.whatsapp.net",
                "fromMe": false,
                "body": "你好！",
                "type": "conversation",
                "timestamp": 1_672_531_200,
                "hasMedia": false,
                "pushName": "张三",
                "status": "received",
                "pn": "79001234567@s.whatsapp.net",
                "metadata": {"pushName": "张三", "timestamp": 1_672_531_200},
            })
        );
    }

    #[test]
    fn a_sent_message_has_the_documented_fields() {
        assert_eq!(
            facts(&text(), true).to_json().parse::<Value>().unwrap(),
            json!({
                "instanceId": INSTANCE.to_string(),
                "messageId": "3EB0",
                "to": "79001234567@s.whatsapp.net",
                "remoteJid": "79001234567@s.whatsapp.net",
                "fromMe": true,
                "body": "你好！",
                "type": "text",
                "timestamp": 1_672_531_200,
                "hasMedia": false,
                "status": "sent",
                "pn": "79001234567@s.whatsapp.net",
                "metadata": {"timestamp": 1_672_531_200},
            })
        );
    }

    #[test]
    fn a_message_without_text_has_an_empty_body() {
        let sticker = Content { kind: "stickerMessage", message_type: "sticker", ..Content::default() };
        assert_eq!(facts(&sticker, false).to_json().parse::<Value>().unwrap()["body"], "");
    }
}
