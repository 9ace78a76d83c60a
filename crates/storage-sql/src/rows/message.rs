//! Messages.

use diesel::prelude::*;
use storage::{InstanceId, Message, MessageKind, MessageStatus, StoredMedia, StoredMessageId, Timestamp};

use super::{sixteen, time};
use crate::fault::Fault;
use crate::schema::messages;
use crate::unreadable;

#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub struct MessageRow {
    pub id: Vec<u8>,
    pub chat: String,
    pub wire_chat: String,
    pub sender: String,
    pub participant: Option<String>,
    pub from_me: bool,
    pub message_id: String,
    pub target: Option<String>,
    pub kind: String,
    pub text: Option<String>,
    pub push_name: Option<String>,
    pub status: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub status_updated_at: Option<i64>,
    pub edited_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub media: Option<String>,
    pub raw: Vec<u8>,
    pub history: bool,
}

/// What is left of a file that is forgotten, as the column has it. What can't be read stays so.
pub fn forgotten_file(text: Option<String>) -> Option<String> {
    let media = text.as_deref().and_then(|text| serde_json::from_str::<StoredMedia>(text).ok());
    media.and_then(|media| serde_json::to_string(&media.forgotten()).ok()).or(text)
}

/// How a row is told whose words can't be read.
struct Words {
    media: Option<StoredMedia>,
    id: [u8; 16],
    kind: MessageKind,
    status: MessageStatus,
}

impl MessageRow {
    /// The message, if all of it can be read: what is sent, or changed and written back.
    pub fn open(self, instance: InstanceId) -> Result<Message, Fault> {
        let words = Words {
            media: self.media()?,
            id: sixteen(&self.id)?,
            kind: self.kind.parse()?,
            status: self.status.parse()?,
        };
        Ok(self.told_as(words, instance))
    }

    /// The message, to be shown: what can't be read is told as that.
    pub fn shown(self, instance: InstanceId) -> Message {
        let tell = |fault| unreadable::tell("messages", instance, &self.message_id, &fault);
        let kind = self.kind.parse().map_err(Fault::from).map_err(tell);
        let status = self.status.parse().map_err(Fault::from).map_err(tell);
        let words = Words {
            media: self.media().map_err(tell).unwrap_or_default(),
            id: sixteen(&self.id).map_err(tell).unwrap_or_default(),
            kind: kind.unwrap_or(MessageKind::Unreadable),
            status: status.unwrap_or(MessageStatus::Unreadable),
        };
        self.told_as(words, instance)
    }

    fn media(&self) -> Result<Option<StoredMedia>, Fault> {
        let media = self.media.as_deref().map(serde_json::from_str).transpose();
        media.map_err(|error| Fault::corrupt("file of a message", error))
    }

    fn told_as(self, words: Words, instance: InstanceId) -> Message {
        Message {
            id: StoredMessageId::from_bytes(words.id),
            instance,
            chat: self.chat,
            wire_chat: self.wire_chat,
            sender: self.sender,
            participant: self.participant,
            from_me: self.from_me,
            message_id: self.message_id,
            target: self.target,
            kind: words.kind,
            text: self.text,
            push_name: self.push_name,
            status: words.status,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            status_updated_at: self.status_updated_at.map(time),
            edited_at: self.edited_at.map(time),
            revoked_at: self.revoked_at.map(time),
            history: self.history,
            media: words.media,
            raw: self.raw.into(),
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
pub struct NewMessageRow<'a> {
    pub instance: i64,
    pub id: &'a [u8],
    pub chat: &'a str,
    pub wire_chat: &'a str,
    pub sender: &'a str,
    pub participant: Option<&'a str>,
    pub from_me: bool,
    pub message_id: &'a str,
    pub target: Option<&'a str>,
    pub kind: &'a str,
    pub amends: bool,
    pub text: Option<&'a str>,
    pub push_name: Option<&'a str>,
    pub status: &'a str,
    pub created_at: i64,
    pub updated_at: i64,
    pub status_updated_at: Option<i64>,
    pub edited_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub raw: &'a [u8],
    pub history: bool,
    pub media_state: Option<&'a str>,
    pub media: Option<String>,
}

impl<'a> NewMessageRow<'a> {
    /// The row of a message of the instance with this key.
    pub fn of(instance: i64, message: &'a Message) -> Result<Self, Fault> {
        Ok(Self {
            instance,
            id: message.id.as_bytes(),
            chat: &message.chat,
            wire_chat: &message.wire_chat,
            sender: &message.sender,
            participant: message.participant.as_deref(),
            from_me: message.from_me,
            message_id: &message.message_id,
            target: message.target.as_deref(),
            kind: message.kind.as_str(),
            amends: message.kind.amends(),
            text: message.text.as_deref(),
            push_name: message.push_name.as_deref(),
            status: message.status.as_str(),
            created_at: message.created_at.millis(),
            updated_at: message.updated_at.millis(),
            status_updated_at: message.status_updated_at.map(Timestamp::millis),
            edited_at: message.edited_at.map(Timestamp::millis),
            revoked_at: message.revoked_at.map(Timestamp::millis),
            raw: &message.raw,
            history: message.history,
            media_state: media_state(message),
            media: media_text(message)?,
        })
    }
}

/// What a [`storage::Change`] can have changed in a message.
#[derive(AsChangeset)]
#[diesel(table_name = messages, treat_none_as_null = true)]
pub struct ContentRow<'a> {
    pub kind: &'a str,
    pub amends: bool,
    pub target: Option<&'a str>,
    pub text: Option<&'a str>,
    pub raw: &'a [u8],
    pub edited_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub updated_at: i64,
    pub media_state: Option<&'a str>,
    pub media: Option<String>,
}

impl<'a> ContentRow<'a> {
    /// The content of a message.
    pub fn of(message: &'a Message) -> Result<Self, Fault> {
        Ok(Self {
            kind: message.kind.as_str(),
            amends: message.kind.amends(),
            target: message.target.as_deref(),
            text: message.text.as_deref(),
            raw: &message.raw,
            edited_at: message.edited_at.map(Timestamp::millis),
            revoked_at: message.revoked_at.map(Timestamp::millis),
            updated_at: message.updated_at.millis(),
            media_state: media_state(message),
            media: media_text(message)?,
        })
    }
}

fn media_state(message: &Message) -> Option<&'static str> {
    message.media.as_ref().map(|media| media.state.as_str())
}

fn media_text(message: &Message) -> Result<Option<String>, Fault> {
    let text = message.media.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|error| Fault::corrupt("file of a message", error))
}
