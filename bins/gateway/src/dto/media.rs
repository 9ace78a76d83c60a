use serde::{Deserialize, Serialize};
use services::{MediaKind, MediaLink};
use utoipa::{IntoParams, ToSchema};

use super::terms::{OnLimitRequest, WaitRequest};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{Caption, FileContent, FileName, FileUrl, Recipient};

send_requests! {
    /// `POST /api/whatsapp/{id}/send-media`: exactly one of `url` and `base64`.
    SendMediaRequest {
        /// Where the file is fetched from, which is judged like the address of a webhook.
        #[schema(value_type = Option<FileUrl>)]
        url: Option<String>,
        /// The file itself; in front of it there may be `data:<type>;base64,`.
        #[schema(value_type = Option<FileContent>)]
        base64: Option<String>,
        /// The text under it.
        #[schema(value_type = Option<Caption>)]
        caption: Option<String>,
        /// Its name; without one, that of the address or one that says what it is.
        #[serde(alias = "fileName")]
        #[schema(value_type = Option<FileName>)]
        filename: Option<String>,
        /// As what it is sent; without it, as its content says.
        #[serde(rename = "type")]
        kind: Option<FileKind>,
    }
}

post_requests! {
    /// `POST /api/whatsapp/{id}/send-status-media`: exactly one of `url` and `base64`.
    StatusMediaRequest {
        /// Where the file is fetched from, which is judged like the address of a webhook.
        #[schema(value_type = Option<FileUrl>)]
        url: Option<String>,
        /// The file itself; in front of it there may be `data:<type>;base64,`.
        #[schema(value_type = Option<FileContent>)]
        base64: Option<String>,
        /// The text under it.
        #[schema(value_type = Option<Caption>)]
        caption: Option<String>,
        /// As what it is posted; without it, as its content says.
        #[serde(rename = "type")]
        kind: Option<PostKind>,
    }
}

/// As what a file is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PostKind {
    Image,
    Video,
    Voice,
}

impl From<PostKind> for MediaKind {
    fn from(kind: PostKind) -> Self {
        match kind {
            PostKind::Image => Self::Image,
            PostKind::Video => Self::Video,
            PostKind::Voice => Self::Voice,
        }
    }
}

/// As what a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    Image,
    Video,
    VideoNote,
    Audio,
    Voice,
    Document,
    Sticker,
}

impl FileKind {
    /// The kind that a form names.
    pub(crate) fn of_word(word: &str) -> Result<Self, ApiError> {
        serde_json::from_value(word.into()).map_err(|_| {
            ApiError::invalid("\"type\" is image, video, video_note, audio, voice, document or sticker.")
                .with_field("type")
        })
    }
}

impl From<FileKind> for MediaKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Image => Self::Image,
            FileKind::Video => Self::Video,
            FileKind::VideoNote => Self::RoundVideo,
            FileKind::Audio => Self::Audio,
            FileKind::Voice => Self::Voice,
            FileKind::Document => Self::Document,
            FileKind::Sticker => Self::Sticker,
        }
    }
}

/// `POST /api/whatsapp/{id}/send-file`, a form.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct SendFileForm {
    #[schema(value_type = Recipient)]
    phone: String,
    /// The text under it.
    #[schema(value_type = Caption, required = false)]
    caption: Option<String>,
    /// Its name, instead of the one that the form says.
    #[schema(value_type = FileName, required = false)]
    filename: Option<String>,
    /// As what it is sent; without it, as its content says.
    #[schema(value_type = FileKind, required = false, rename = "type")]
    kind: Option<String>,
    /// As in `send`.
    #[schema(value_type = OnLimitRequest, required = false)]
    on_limit: Option<OnLimitRequest>,
    /// As in `send`.
    #[schema(rename = "allowDuplicate", value_type = bool, required = false)]
    allow_duplicate: Option<bool>,
    /// As in `send`.
    #[schema(value_type = WaitRequest, required = false)]
    wait: Option<WaitRequest>,
    /// As in `send`.
    #[schema(rename = "waitSeconds", value_type = u64, required = false, minimum = 1, maximum = 60, default = 30)]
    wait_seconds: Option<u64>,
    /// As in `send`.
    #[schema(rename = "sendAt", value_type = String, required = false, format = DateTime)]
    send_at: Option<String>,
    /// As in `send`.
    #[schema(rename = "expireAt", value_type = String, required = false, format = DateTime)]
    expire_at: Option<String>,
    /// The file, 100 MB at most. Its name is what the form says.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// `GET …/media/link?expiresIn`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// For how many seconds it is good.
    #[param(rename = "expiresIn", required = false, minimum = 1, maximum = 604800, default = 3600)]
    pub(crate) seconds: u64,
}

impl FromQuery for LinkQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        const WEEK: u64 = 7 * 24 * 3600;
        Ok(Self { seconds: parameters.number("expiresIn", 1..=WEEK, 3600)? })
    }
}

/// An address of a file that needs no credential.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileLinkResponse {
    /// Beside the other paths of the API.
    url: String,
    expires_at: Time,
}

impl From<MediaLink> for FileLinkResponse {
    fn from(link: MediaLink) -> Self {
        Self { url: format!("/media/{}", link.token), expires_at: link.expires_at.into() }
    }
}
