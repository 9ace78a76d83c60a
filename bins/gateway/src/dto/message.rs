use actix_web::web::Bytes;
use serde::{Deserialize, Serialize};
use services::{ChatQuery, OnLimit};
use storage::{Cursor, Message, MessageKind, MessageStatus, Page, Timestamp};
use utoipa::{IntoParams, ToSchema};
use wa_client::content::Content;

use super::page::{ListEnd, Pagination, Window, place};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::listing::Listing;

/// `POST /api/whatsapp/{id}/send`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    pub(crate) phone: String,
    pub(crate) message: String,
    /// What to do if WhatsApp doesn't let the account write to the recipient at present, which is never tried: `refuse`
    /// (429), or `hold` the message until it may leave.
    #[serde(default, alias = "onLimit")]
    pub(crate) on_limit: OnLimitRequest,
}

/// What to do with a message that may not leave yet.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnLimitRequest {
    #[default]
    Refuse,
    Hold,
}

impl From<OnLimitRequest> for OnLimit {
    fn from(request: OnLimitRequest) -> Self {
        match request {
            OnLimitRequest::Refuse => Self::Refuse,
            OnLimitRequest::Hold => Self::Hold,
        }
    }
}

/// What a send answers: `status` only when WhatsApp hasn't acknowledged yet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendResponse {
    id: String,
    /// The chat that it is in, where the recipient's account has another number than the one given.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_jid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// When a held message may leave, where that is known.
    #[serde(rename = "retryAt", skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
}

impl SendResponse {
    pub(crate) fn acknowledged(id: String, remote_jid: Option<String>) -> Self {
        Self { id, remote_jid, status: None, retry_at: None }
    }

    pub(crate) fn pending(id: String, remote_jid: Option<String>) -> Self {
        Self { id, remote_jid, status: Some("pending"), retry_at: None }
    }

    pub(crate) fn held(id: String, remote_jid: Option<String>, retry_at: Option<Timestamp>) -> Self {
        Self { id, remote_jid, status: Some("held"), retry_at: retry_at.map(Time::from) }
    }
}

/// `GET …/messages?limit&skip&startDate&endDate`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    #[param(ignore)]
    pub(crate) window: Window,
    /// Only messages written then or later: ISO 8601.
    #[param(rename = "startDate", value_type = Option<String>, format = DateTime)]
    start: Option<Timestamp>,
    /// Only messages written then or earlier: ISO 8601.
    #[param(rename = "endDate", value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// Only messages before this place: the `next` of the last page. Cheaper than `skip` far back, and stays where it is
    /// while new messages come.
    #[param(value_type = Option<String>)]
    before: Option<Cursor>,
}

impl FromQuery for HistoryQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            window: Window::from_query(parameters)?,
            start: parameters.time("startDate")?,
            end: parameters.time("endDate")?,
            before: place("before", parameters)?,
        })
    }
}

impl HistoryQuery {
    pub(crate) fn of_chat(&self, chat: &str) -> ChatQuery {
        let Window { limit, skip } = self.window;
        ChatQuery {
            chat: chat.to_owned(),
            start: self.start,
            end: self.end,
            limit,
            skip,
            before: self.before,
        }
    }
}

/// One page of a chat.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct HistoryResponse {
    messages: Vec<MessageResponse>,
    pagination: Pagination,
}

impl HistoryResponse {
    pub(crate) fn of(
        page: Page<Message>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("messages", page.items.into_iter().map(MessageResponse::from), &end)
    }
}

/// A message. What belongs to a file is `null` where there is none; what is left out doesn't apply.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MessageResponse {
    id: String,
    instance_id: String,
    remote_jid: String,
    from_me: bool,
    #[schema(value_type = String)]
    message_type: MessageKind,
    /// The text of a message without a file; the emoji of a reaction.
    content: Option<String>,
    /// WhatsApp's id.
    message_id: String,
    has_media: bool,
    media_url: Option<String>,
    /// The text under a file.
    caption: Option<String>,
    mime_type: Option<String>,
    file_name: Option<String>,
    #[schema(value_type = String)]
    status: MessageStatus,
    metadata: Metadata,
    created_at: Time,
    updated_at: Time,
    status_updated_at: Option<Time>,
    /// Who wrote it, in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
    /// The `messageId` of the message that it edits, takes back, reacts to or pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_message_id: Option<String>,
    /// When its content was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Time>,
    /// When it was taken back; its content is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    push_name: Option<String>,
    /// When it was written, in Unix seconds.
    timestamp: i64,
}

impl From<Message> for MessageResponse {
    fn from(message: Message) -> Self {
        let file = File::of(&message.raw);
        let has_media = message.kind.has_media();
        let (content, caption) = if has_media { (None, message.text) } else { (message.text, None) };
        Self {
            id: message.id.to_string(),
            instance_id: message.instance.to_string(),
            remote_jid: message.chat,
            from_me: message.from_me,
            message_type: message.kind,
            content,
            message_id: message.message_id,
            has_media,
            media_url: None,
            caption,
            mime_type: file.mime_type,
            file_name: file.file_name,
            status: message.status,
            metadata: Metadata { push_name: message.push_name, timestamp: message.created_at.seconds() },
            created_at: message.created_at.into(),
            updated_at: message.updated_at.into(),
            status_updated_at: message.status_updated_at.map(Time::from),
            participant: message.participant,
            target_message_id: message.target,
            edited_at: message.edited_at.map(Time::from),
            revoked_at: message.revoked_at.map(Time::from),
        }
    }
}

/// What a message says of its file.
#[derive(Default)]
struct File {
    mime_type: Option<String>,
    file_name: Option<String>,
}

impl File {
    /// `raw` was checked when the message was stored; what can't be read nevertheless has no file that could be told of.
    fn of(raw: &Bytes) -> Self {
        let Ok(content) = Content::decode(raw.clone()) else { return Self::default() };
        let media = content.view().media().unwrap_or_default();
        Self { mime_type: media.mime_type.map(str::to_owned), file_name: media.file_name.map(str::to_owned) }
    }
}
