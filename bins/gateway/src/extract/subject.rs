use actix_web::{FromRequest as _, HttpRequest, web};
use storage::{Consumer, InstanceId};

use crate::error::ApiError;

/// What a call is about, as its path names it.
pub(crate) trait Subject: Sized {
    /// # Errors
    /// 404: what can't be a name is something that doesn't exist.
    fn of(request: &HttpRequest) -> Result<Self, ApiError>;
}

/// Nothing beyond the path itself.
impl Subject for () {
    fn of(_: &HttpRequest) -> Result<Self, ApiError> {
        Ok(())
    }
}

impl Subject for InstanceId {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        request.match_info().query("id").parse().map_err(|_| ApiError::not_found("No such instance."))
    }
}

/// A chat of an instance.
pub(crate) struct ChatOf {
    pub(crate) instance: InstanceId,
    /// As the caller wrote it.
    pub(crate) chat: String,
}

impl Subject for ChatOf {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let instance = InstanceId::of(request)?;
        // The framework's extractor undoes percent-encoding.
        let path = web::Path::<(String, String)>::extract(request).into_inner();
        let (_, chat) = path.map_err(|_| ApiError::not_found("No such chat."))?.into_inner();
        Ok(Self { instance, chat })
    }
}

/// A webhook of an instance.
pub(crate) struct WebhookOf {
    pub(crate) instance: InstanceId,
    pub(crate) name: String,
}

impl WebhookOf {
    /// The same as a reader of the event log.
    pub(crate) fn consumer(&self) -> Consumer {
        Consumer::webhook(self.instance, self.name.as_str())
    }
}

impl Subject for WebhookOf {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        Ok(Self { instance: InstanceId::of(request)?, name: request.match_info().query("name").to_owned() })
    }
}
