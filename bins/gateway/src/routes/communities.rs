//! Communities.

use actix_web::web;

use crate::dto::community::{CommunityGroupsResponse, LinkRequest, NewCommunityRequest};
use crate::dto::done::Done;
use crate::dto::group::GroupResponse;
use crate::dto::path::{CommunityPath, InstancePath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, JsonBody, NamedOf};

/// Makes a community, with a group for announcements.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/communities",
    tag = "whatsapp",
    params(InstancePath),
    request_body = NewCommunityRequest,
    responses((status = 200, description = "The community.", body = GroupResponse), Refused)
)]
pub(super) async fn create_community(
    call: InstanceCall,
    JsonBody(body): JsonBody<NewCommunityRequest>,
) -> Result<web::Json<GroupResponse>, ApiError> {
    let NewCommunityRequest { name, description } = body;
    let make = |call: InstanceCall| async move {
        call.services().communities.create(&call.caller, call.subject, &name, description).await
    };
    Ok(web::Json(GroupResponse::from(call.complete(make).await?)))
}

/// The groups of a community.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/communities/{community}/groups",
    tag = "whatsapp",
    params(CommunityPath),
    responses((status = 200, description = "The groups.", body = CommunityGroupsResponse), Refused)
)]
pub(super) async fn groups(call: Call<NamedOf>) -> Result<web::Json<CommunityGroupsResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().communities.groups(&call.caller, *instance, name).await?;
    Ok(web::Json(CommunityGroupsResponse::from(answer)))
}

/// Brings a group into a community, or takes it out.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/communities/{community}/groups",
    tag = "whatsapp",
    params(CommunityPath),
    request_body = LinkRequest,
    responses((status = 200, description = "It is in it, or out.", body = Done), Refused)
)]
pub(super) async fn link(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<LinkRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        let communities = &call.services().communities;
        communities.link(&call.caller, *instance, name, body.action.into(), &body.group).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}
