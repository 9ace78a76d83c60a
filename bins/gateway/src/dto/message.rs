use serde::Serialize;
use services::ChatQuery;
use storage::{
    Cursor, MediaFault, MediaState, Message, MessageKind, MessageStatus, Page, StoredMedia, Timestamp,
};
use utoipa::{IntoParams, ToSchema};
use wa_client::content::Content;
use webhook::media_path;

use super::details::DetailsResponse;
use super::page::{ListEnd, Pagination, Window, place};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::PagePlace;
use crate::listing::Listing;

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
    #[param(inline, value_type = Option<PagePlace>)]
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
pub(crate) struct MessageResponse {
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
    /// How far the file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<MediaResponse>,
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
    /// The `messageId` of the message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted_message_id: Option<String>,
    /// When its content was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Time>,
    /// Whether it is from before the instance was linked: the phone has told of it, and no event did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    history: bool,
    /// When it was taken back; its content is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    /// What else is in it.
    #[serde(flatten)]
    details: Option<DetailsResponse>,
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
        let file = File::of(&message);
        let details = services::details_of(&message).map(DetailsResponse::from);
        let quoted_message_id = services::quoted_by(&message);
        let media_url = message.kind.has_media().then(|| media_path(message.instance, &message.message_id));
        let media_url = media_url.filter(|_| message.media.is_some());
        let media = message.media.as_ref().map(MediaResponse::from);
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
            media_url,
            caption,
            mime_type: file.mime_type,
            file_name: file.file_name,
            media,
            status: message.status,
            metadata: Metadata { push_name: message.push_name, timestamp: message.created_at.seconds() },
            created_at: message.created_at.into(),
            updated_at: message.updated_at.into(),
            status_updated_at: message.status_updated_at.map(Time::from),
            participant: message.participant,
            target_message_id: message.target,
            quoted_message_id,
            edited_at: message.edited_at.map(Time::from),
            history: message.history,
            revoked_at: message.revoked_at.map(Time::from),
            details,
        }
    }
}

/// The file of a message.
#[derive(Serialize, ToSchema)]
struct MediaResponse {
    /// `pending` until the gateway has it, then `ready`, or `failed`.
    #[schema(value_type = String)]
    state: MediaState,
    /// Why it can't be had.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<MediaFault>,
    /// Its length in bytes.
    size: Option<u64>,
}

impl From<&StoredMedia> for MediaResponse {
    fn from(media: &StoredMedia) -> Self {
        Self { state: media.state, error: media.fault, size: media.size }
    }
}

/// What is known of a message's file.
#[derive(Default)]
struct File {
    mime_type: Option<String>,
    file_name: Option<String>,
}

impl File {
    /// What came before files were kept has what its message says. `raw` was checked when the message was stored; what can't
    /// be read nevertheless has no file that could be told of.
    fn of(message: &Message) -> Self {
        if let Some(media) = &message.media {
            return Self { mime_type: media.mime_type.clone(), file_name: Some(media.file_name.clone()) };
        }
        let Ok(content) = Content::decode(message.raw.clone()) else { return Self::default() };
        let media = content.view().media().unwrap_or_default();
        Self { mime_type: media.mime_type.map(str::to_owned), file_name: media.file_name.map(str::to_owned) }
    }
}
