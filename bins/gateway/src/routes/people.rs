//! People: what is seen of them, and what they see of the account.

use actix_web::web;

use crate::dto::done::Done;
use crate::dto::group::{PictureRequest, PictureSetResponse};
use crate::dto::path::{InstancePath, PersonPath};
use crate::dto::people::{
    AboutRequest, BlockListResponse, BlockRequest, CheckRequest, CheckResponse, MarksRequest,
    PresenceRequest, PrivacyRequest, PrivacyResponse, ProfileResponse, ReadRequest, RejectRequest,
    SubscribeRequest, TypingRequest,
};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, JsonBody, NamedOf};

/// Tells who wrote these messages that they were read.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/read",
    tag = "whatsapp",
    params(InstancePath),
    request_body = ReadRequest,
    responses((status = 200, description = "It is told.", body = Done), Refused)
)]
pub(super) async fn read(
    call: InstanceCall,
    JsonBody(body): JsonBody<ReadRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services()
            .people
            .mark_read(&call.caller, call.subject, &body.phone, &body.message_ids, body.played)
            .await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Shows the account as online, or not.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/presence",
    tag = "whatsapp",
    params(InstancePath),
    request_body = PresenceRequest,
    responses((status = 200, description = "It is shown.", body = Done), Refused)
)]
pub(super) async fn presence(
    call: InstanceCall,
    JsonBody(body): JsonBody<PresenceRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.set_presence(&call.caller, call.subject, body.available).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Has `presence_updated` tell whether somebody is online, until the connection ends.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/presence/subscribe",
    tag = "whatsapp",
    params(InstancePath),
    request_body = SubscribeRequest,
    responses((status = 200, description = "WhatsApp was asked.", body = Done), Refused)
)]
pub(super) async fn subscribe(
    call: InstanceCall,
    JsonBody(body): JsonBody<SubscribeRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.subscribe(&call.caller, call.subject, &body.phone).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Shows in a chat that the account types or records, or no longer.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/typing",
    tag = "whatsapp",
    params(InstancePath),
    request_body = TypingRequest,
    responses((status = 200, description = "It is shown.", body = Done), Refused)
)]
pub(super) async fn typing(
    call: InstanceCall,
    JsonBody(body): JsonBody<TypingRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services()
            .people
            .set_chat_state(&call.caller, call.subject, &body.phone, body.state.into())
            .await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Puts a chat away, keeps it on top, or lets it make no noise, on all devices of the account.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/chats/{phone}",
    tag = "whatsapp",
    params(PersonPath),
    request_body = MarksRequest,
    responses((status = 200, description = "The account's devices are told.", body = Done), Refused)
)]
pub(super) async fn mark_chat(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<MarksRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let marks = body.checked()?;
    let change = move |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().people.mark_chat(&call.caller, *instance, name, marks).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Which of these numbers have WhatsApp.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/check",
    tag = "whatsapp",
    params(InstancePath),
    request_body = CheckRequest,
    responses((status = 200, description = "In their order.", body = CheckResponse), Refused)
)]
pub(super) async fn check(
    call: InstanceCall,
    JsonBody(body): JsonBody<CheckRequest>,
) -> Result<web::Json<CheckResponse>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.check(&call.caller, call.subject, &body.numbers).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(CheckResponse::from(answer)))
}

/// What can be seen of somebody.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/profiles/{phone}",
    tag = "whatsapp",
    params(PersonPath),
    responses((status = 200, description = "Their profile.", body = ProfileResponse), Refused)
)]
pub(super) async fn profile(call: Call<NamedOf>) -> Result<web::Json<ProfileResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().people.profile(&call.caller, *instance, name).await?;
    Ok(web::Json(ProfileResponse::from(answer)))
}

/// Changes what the account says about itself.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/profile",
    tag = "whatsapp",
    params(InstancePath),
    request_body = AboutRequest,
    responses((status = 200, description = "It says so.", body = Done), Refused)
)]
pub(super) async fn set_about(
    call: InstanceCall,
    JsonBody(body): JsonBody<AboutRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.set_about(&call.caller, call.subject, &body.about).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// Shows this as the account's picture.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/profile/picture",
    tag = "whatsapp",
    params(InstancePath),
    request_body = PictureRequest,
    responses((status = 200, description = "It is shown.", body = PictureSetResponse), Refused)
)]
pub(super) async fn set_own_picture(
    call: InstanceCall,
    JsonBody(body): JsonBody<PictureRequest>,
) -> Result<web::Json<PictureSetResponse>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.set_picture(&call.caller, call.subject, Some(&body.picture)).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(PictureSetResponse::from(answer)))
}

/// Shows no picture of the account.
#[utoipa::path(
    delete,
    path = "/api/whatsapp/{id}/profile/picture",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "None is shown.", body = Done), Refused)
)]
pub(super) async fn remove_own_picture(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.set_picture(&call.caller, call.subject, None).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// What others may see of the account, and do to it.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/privacy",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "The settings.", body = PrivacyResponse), Refused)
)]
pub(super) async fn privacy(call: InstanceCall) -> Result<web::Json<PrivacyResponse>, ApiError> {
    let answer = call.services().people.privacy(&call.caller, call.subject).await?;
    Ok(web::Json(PrivacyResponse::from(answer)))
}

/// Changes privacy settings: what isn't named stays.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/privacy",
    tag = "whatsapp",
    params(InstancePath),
    request_body = PrivacyRequest,
    responses((status = 200, description = "All settings.", body = PrivacyResponse), Refused)
)]
pub(super) async fn set_privacy(
    call: InstanceCall,
    JsonBody(body): JsonBody<PrivacyRequest>,
) -> Result<web::Json<PrivacyResponse>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services()
            .people
            .set_privacy(&call.caller, call.subject, &body.settings.into_iter().collect::<Vec<_>>())
            .await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(PrivacyResponse::from(answer)))
}

/// Whom the account blocks.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/blocklist",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "The list.", body = BlockListResponse), Refused)
)]
pub(super) async fn block_list(call: InstanceCall) -> Result<web::Json<BlockListResponse>, ApiError> {
    let answer = call.services().people.block_list(&call.caller, call.subject).await?;
    Ok(web::Json(BlockListResponse::from(answer)))
}

/// Blocks somebody, or no longer.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/blocklist",
    tag = "whatsapp",
    params(InstancePath),
    request_body = BlockRequest,
    responses((status = 200, description = "All who are blocked now.", body = BlockListResponse), Refused)
)]
pub(super) async fn block(
    call: InstanceCall,
    JsonBody(body): JsonBody<BlockRequest>,
) -> Result<web::Json<BlockListResponse>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.block(&call.caller, call.subject, &body.phone, body.blocked).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(BlockListResponse::from(answer)))
}

/// Declines a call.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/calls/reject",
    tag = "whatsapp",
    params(InstancePath),
    request_body = RejectRequest,
    responses((status = 200, description = "WhatsApp was told.", body = Done), Refused)
)]
pub(super) async fn reject_call(
    call: InstanceCall,
    JsonBody(body): JsonBody<RejectRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().people.reject_call(&call.caller, call.subject, &body.phone, &body.call_id).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}
