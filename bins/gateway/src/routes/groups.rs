//! Groups.

use actix_web::web;

use crate::dto::done::Done;
use crate::dto::group::{
    GroupRequest, GroupResponse, GroupsResponse, InviteResponse, JoinRequestsResponse, JoinedResponse,
    MadeGroupResponse, NewGroupRequest, ParticipantsRequest, ParticipantsResponse, PictureRequest,
    PictureResponse, PictureSetResponse,
};
use crate::dto::path::{GroupPath, InstancePath, InvitePath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, JsonBody, NamedOf};

/// Makes a group of the account and these people.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/groups",
    tag = "whatsapp",
    params(InstancePath),
    request_body = NewGroupRequest,
    responses((status = 200, description = "The group.", body = MadeGroupResponse), Refused)
)]
pub(super) async fn create(
    call: InstanceCall,
    JsonBody(body): JsonBody<NewGroupRequest>,
) -> Result<web::Json<MadeGroupResponse>, ApiError> {
    let change = |call: InstanceCall| async move {
        call.services().groups.create(&call.caller, call.subject, body.into()).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(MadeGroupResponse::from(answer)))
}

/// All groups that the account is in.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/groups",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "The groups.", body = GroupsResponse), Refused)
)]
pub(super) async fn list(call: InstanceCall) -> Result<web::Json<GroupsResponse>, ApiError> {
    let answer = call.services().groups.list(&call.caller, call.subject).await?;
    Ok(web::Json(GroupsResponse::from(answer)))
}

/// A group with who is in it, as WhatsApp shows it now.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/groups/{group}",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "The group.", body = GroupResponse), Refused)
)]
pub(super) async fn find(call: Call<NamedOf>) -> Result<web::Json<GroupResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().groups.find(&call.caller, *instance, name).await?;
    Ok(web::Json(GroupResponse::from(answer)))
}

/// Changes settings of a group: what isn't named stays.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/groups/{group}",
    tag = "whatsapp",
    params(GroupPath),
    request_body = GroupRequest,
    responses((status = 200, description = "The group as it is now.", body = GroupResponse), Refused)
)]
pub(super) async fn change(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<GroupRequest>,
) -> Result<web::Json<GroupResponse>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.change(&call.caller, *instance, name, body.into()).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(GroupResponse::from(answer)))
}

/// Adds, removes, promotes or demotes people, or answers those who ask to be let in.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/groups/{group}/participants",
    tag = "whatsapp",
    params(GroupPath),
    request_body = ParticipantsRequest,
    responses((status = 200, description = "Whom it did not reach.", body = ParticipantsResponse), Refused)
)]
pub(super) async fn participants(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<ParticipantsRequest>,
) -> Result<web::Json<ParticipantsResponse>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services()
            .groups
            .members(&call.caller, *instance, name, body.action.into(), &body.participants)
            .await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(ParticipantsResponse::from(answer)))
}

/// Who asks to be let into a group.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/groups/{group}/requests",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "Their requests.", body = JoinRequestsResponse), Refused)
)]
pub(super) async fn requests(call: Call<NamedOf>) -> Result<web::Json<JoinRequestsResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().groups.requests(&call.caller, *instance, name).await?;
    Ok(web::Json(JoinRequestsResponse::from(answer)))
}

/// Leaves a group.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/groups/{group}/leave",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "The account is out.", body = Done), Refused)
)]
pub(super) async fn leave(call: Call<NamedOf>) -> Result<web::Json<Done>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.leave(&call.caller, *instance, name).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// The invite link of a group.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/groups/{group}/invite",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "The link.", body = InviteResponse), Refused)
)]
pub(super) async fn invite(call: Call<NamedOf>) -> Result<web::Json<InviteResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().groups.invite(&call.caller, *instance, name, false).await?;
    Ok(web::Json(InviteResponse::from(answer)))
}

/// Makes another invite link; the present one leads nowhere then.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/groups/{group}/invite/reset",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "The new link.", body = InviteResponse), Refused)
)]
pub(super) async fn reset_invite(call: Call<NamedOf>) -> Result<web::Json<InviteResponse>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.invite(&call.caller, *instance, name, true).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(InviteResponse::from(answer)))
}

/// The picture of a group.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/groups/{group}/picture",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "Where it is.", body = PictureResponse), Refused)
)]
pub(super) async fn picture(call: Call<NamedOf>) -> Result<web::Json<PictureResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().groups.picture(&call.caller, *instance, name).await?;
    Ok(web::Json(PictureResponse::from(answer)))
}

/// Gives a group a picture.
#[utoipa::path(
    put,
    path = "/api/whatsapp/{id}/groups/{group}/picture",
    tag = "whatsapp",
    params(GroupPath),
    request_body = PictureRequest,
    responses((status = 200, description = "It has it.", body = PictureSetResponse), Refused)
)]
pub(super) async fn set_picture(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<PictureRequest>,
) -> Result<web::Json<PictureSetResponse>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.set_picture(&call.caller, *instance, name, Some(&body.picture)).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(PictureSetResponse::from(answer)))
}

/// Takes a group's picture away.
#[utoipa::path(
    delete,
    path = "/api/whatsapp/{id}/groups/{group}/picture",
    tag = "whatsapp",
    params(GroupPath),
    responses((status = 200, description = "It has none.", body = Done), Refused)
)]
pub(super) async fn remove_picture(call: Call<NamedOf>) -> Result<web::Json<Done>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.set_picture(&call.caller, *instance, name, None).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// The group that an invite link leads to, without its members.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/group-invites/{code}",
    tag = "whatsapp",
    params(InvitePath),
    responses((status = 200, description = "The group.", body = GroupResponse), Refused)
)]
pub(super) async fn invited(call: Call<NamedOf>) -> Result<web::Json<GroupResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().groups.invited(&call.caller, *instance, name).await?;
    Ok(web::Json(GroupResponse::from(answer)))
}

/// Comes into a group by its invite link, or asks to be let in.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/group-invites/{code}",
    tag = "whatsapp",
    params(InvitePath),
    responses((status = 200, description = "In, or asked.", body = JoinedResponse), Refused)
)]
pub(super) async fn join(call: Call<NamedOf>) -> Result<web::Json<JoinedResponse>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().groups.join(&call.caller, *instance, name).await
    };
    let answer = call.complete(change).await?;
    Ok(web::Json(JoinedResponse::from(answer)))
}
