use serde::{Deserialize, Serialize};
use services::ChatQuery;
use storage::{Json, Message, Page, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::page::{Pagination, Window};
use super::time::Time;
use crate::ApiError;
use crate::extract::{FromQuery, Parameters};

/// `POST /api/whatsapp/{id}/send`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    pub(crate) phone: String,
    pub(crate) message: String,
}

/// What a send answers: `status` only when WhatsApp hasn't acknowledged yet.
#[derive(Serialize, ToSchema)]
pub(crate) struct SendResponse {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

impl SendResponse {
    pub(crate) fn acknowledged(id: String) -> Self {
        Self { id, status: None }
    }

    pub(crate) fn pending(id: String) -> Self {
        Self { id, status: Some("pending") }
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
}

impl FromQuery for HistoryQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            window: Window::of(parameters)?,
            start: parameters.time("startDate")?,
            end: parameters.time("endDate")?,
        })
    }
}

impl HistoryQuery {
    pub(crate) fn of_chat(&self, chat: &str) -> ChatQuery {
        let Window { limit, skip } = self.window;
        ChatQuery { chat: chat.to_owned(), start: self.start, end: self.end, limit, skip }
    }
}

/// One page of a chat.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryResponse {
    messages: Vec<MessageResponse>,
    pagination: Pagination,
}

impl HistoryResponse {
    pub(crate) fn new(page: Page<Message>, window: Window) -> Self {
        let pagination = Pagination::of(&page, window);
        Self { messages: page.items.into_iter().map(MessageResponse::from).collect(), pagination }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MessageResponse {
    id: String,
    instance_id: String,
    remote_jid: String,
    from_me: bool,
    message_type: String,
    content: Option<String>,
    message_id: String,
    has_media: bool,
    media_url: Option<String>,
    caption: Option<String>,
    mime_type: Option<String>,
    file_name: Option<String>,
    status: &'static str,
    #[schema(value_type = Object)]
    metadata: Json,
    created_at: Time,
    updated_at: Time,
    status_updated_at: Option<Time>,
}

impl From<Message> for MessageResponse {
    fn from(message: Message) -> Self {
        Self {
            id: message.id.to_string(),
            instance_id: message.instance.to_string(),
            remote_jid: message.chat,
            from_me: message.from_me,
            message_type: message.message_type,
            content: message.content,
            message_id: message.message_id,
            has_media: message.has_media,
            media_url: message.media_url,
            caption: message.caption,
            mime_type: message.mime_type,
            file_name: message.file_name,
            status: message.status.as_str(),
            metadata: message.metadata,
            created_at: message.created_at.into(),
            updated_at: message.updated_at.into(),
            status_updated_at: message.status_updated_at.map(Time::from),
        }
    }
}
