//! Sending files.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use services::{MediaGiven, MediaKind, SendMedia, ServiceError};

use super::sending::{answered, idempotency_key, jid_of};
use crate::dto::media::{FileKind, SendMediaRequest, StatusMediaRequest};
use crate::dto::path::InstancePath;
use crate::dto::sending::SendResponse;
use crate::dto::terms::{IdempotencyHeader, Sending as _, TermsRequest, Wait};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Form, FormFile, InstanceCall, LargeJsonBody, bytes_of};

/// Sends a file that is fetched from an address, or stands in the call.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/send-media",
    tag = "whatsapp",
    params(
        InstancePath,
        IdempotencyHeader
    ),
    request_body = SendMediaRequest,
    responses(
        (status = 200, description = "WhatsApp has it.", body = SendResponse),
        (status = 202, description = "WhatsApp did not say so within 10 s, and it goes on; or it is held; or it has not \
            come as far as `wait` says in time.", body = SendResponse),
        Refused
    )
)]
pub(super) async fn send_media(
    call: InstanceCall,
    request: HttpRequest,
    LargeJsonBody(body): LargeJsonBody<SendMediaRequest>,
) -> Result<HttpResponse, ApiError> {
    let (terms, wait) = body.terms().checked(idempotency_key(&request))?;
    let source = given(&call, (body.url, body.base64), terms.idempotency_key.as_deref()).await?;
    let send = SendMedia {
        phone: body.phone,
        source,
        caption: body.caption,
        file_name: body.filename,
        mime_type: None,
        kind: body.kind.map(MediaKind::from),
        quoted: None,
        terms,
    };
    deliver(call, send, wait).await
}

/// Posts a picture, a video or a voice note to the status, for those whom the account's settings let see it.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/send-status-media",
    tag = "whatsapp",
    params(
        InstancePath,
        IdempotencyHeader
    ),
    request_body = StatusMediaRequest,
    responses(
        (status = 200, description = "WhatsApp has it.", body = SendResponse),
        (status = 202, description = "WhatsApp did not say so within 10 s, and it goes on; or it is held; or it has not \
            come as far as `wait` says in time.", body = SendResponse),
        Refused
    )
)]
pub(super) async fn send_status_media(
    call: InstanceCall,
    request: HttpRequest,
    LargeJsonBody(body): LargeJsonBody<StatusMediaRequest>,
) -> Result<HttpResponse, ApiError> {
    let (terms, wait) = body.terms().checked(idempotency_key(&request))?;
    let phone = body.phone().to_owned();
    let source = given(&call, (body.url, body.base64), terms.idempotency_key.as_deref()).await?;
    let send = SendMedia {
        phone,
        source,
        caption: body.caption,
        file_name: None,
        mime_type: None,
        kind: body.kind.map(MediaKind::from),
        quoted: None,
        terms,
    };
    deliver(call, send, wait).await
}

/// Sends a file that comes in a form.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/send-file",
    tag = "whatsapp",
    params(
        InstancePath,
        IdempotencyHeader
    ),
    request_body(content = crate::dto::media::SendFileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "WhatsApp has it.", body = SendResponse),
        (status = 202, description = "WhatsApp did not say so within 10 s, and it goes on; or it is held; or it has not \
            come as far as `wait` says in time.", body = SendResponse),
        Refused
    )
)]
pub(super) async fn send_file(
    call: InstanceCall,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&request);
    let (messages, named) = (call.services().messages.clone(), key.as_deref());
    let receive = || messages.receive(&call.caller, call.subject, named);
    let mut form = Form::read(&request, &mut payload.into_inner(), receive).await?;
    let (terms, wait) = TermsRequest::of_form(&mut form)?.checked(key.clone())?;
    let phone = form.text("phone").ok_or_else(|| missing("phone"))?;
    let (caption, given) = (form.text("caption"), form.text("filename"));
    let kind = form.text("type").map(|word| FileKind::of_word(&word)).transpose()?;
    form.end()?;
    let FormFile { file, name, said } = form.file.ok_or_else(|| missing("file"))?;
    let send = SendMedia {
        phone,
        source: MediaGiven::Given(Box::new(file)),
        caption,
        file_name: given.or(name),
        mime_type: said,
        kind: kind.map(MediaKind::from),
        quoted: None,
        terms,
    };
    deliver(call, send, wait).await
}

/// The file of a call, which names where it is or holds it.
async fn given(
    call: &InstanceCall,
    named: (Option<String>, Option<String>),
    key: Option<&str>,
) -> Result<MediaGiven, ApiError> {
    match named {
        (Some(url), None) => Ok(MediaGiven::Url(url)),
        (None, Some(text)) => {
            let bytes = bytes_of(&text, "base64")?;
            let mut file = call.services().messages.receive(&call.caller, call.subject, key).await?;
            file.write(&bytes).await.map_err(ServiceError::from)?;
            Ok(MediaGiven::Given(Box::new(file)))
        }
        _ => Err(ApiError::invalid("Exactly one of \"url\" and \"base64\" is required.").with_field("url")),
    }
}

async fn deliver(call: InstanceCall, send: SendMedia, wait: Option<Wait>) -> Result<HttpResponse, ApiError> {
    let given = jid_of(&send.phone);
    let send = |call: InstanceCall| async move {
        call.services().messages.send_media(&call.caller, call.subject, send).await
    };
    let sent = call.clone().complete(send).await?;
    answered(&call, sent, given.as_deref(), wait).await
}

fn missing(field: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "missing_field", format!("{field:?} is required."))
        .with_field(field)
}
