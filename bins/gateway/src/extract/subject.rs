use actix_web::{FromRequest as _, HttpRequest, web};
use storage::{Consumer, InstanceId, KeyId, UserId};

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

impl Subject for UserId {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        request.match_info().query("id").parse().map_err(|_| ApiError::not_found("No such user."))
    }
}

impl Subject for KeyId {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        request.match_info().query("id").parse().map_err(|_| ApiError::not_found("No such key."))
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

/// A message of a chat.
pub(crate) struct MessageOf {
    pub(crate) instance: InstanceId,
    /// As the caller wrote it.
    pub(crate) chat: String,
    /// WhatsApp's id.
    pub(crate) message: String,
}

impl Subject for MessageOf {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let instance = InstanceId::of(request)?;
        let path = web::Path::<(String, String, String)>::extract(request).into_inner();
        let (_, chat, message) = path.map_err(|_| ApiError::not_found("No such message."))?.into_inner();
        Ok(Self { instance, chat, message })
    }
}

/// A message of an instance, whichever chat it is in.
pub(crate) struct MessageById {
    pub(crate) instance: InstanceId,
    /// WhatsApp's id.
    pub(crate) message: String,
}

impl Subject for MessageById {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let instance = InstanceId::of(request)?;
        // The framework's extractor undoes percent-encoding.
        let path = web::Path::<(String, String)>::extract(request).into_inner();
        let (_, message) = path.map_err(|_| ApiError::not_found("No such message."))?.into_inner();
        Ok(Self { instance, message })
    }
}

/// Something of an instance that its path names: a group, a person, an invite link.
pub(crate) struct NamedOf {
    pub(crate) instance: InstanceId,
    /// As the caller wrote it.
    pub(crate) name: String,
}

impl Subject for NamedOf {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let instance = InstanceId::of(request)?;
        let path = web::Path::<(String, String)>::extract(request).into_inner();
        let (_, name) = path.map_err(|_| ApiError::not_found("There is no such thing."))?.into_inner();
        Ok(Self { instance, name })
    }
}

/// A delivery of an event to a webhook.
pub(crate) struct DeliveryOf {
    pub(crate) webhook: WebhookOf,
    /// As the caller wrote it.
    pub(crate) event: String,
}

impl Subject for DeliveryOf {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        Ok(Self { webhook: WebhookOf::of(request)?, event: request.match_info().query("event").to_owned() })
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
