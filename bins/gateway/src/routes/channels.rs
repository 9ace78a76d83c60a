//! Channels.

use actix_web::web;

use crate::dto::channel::{
    ChannelResponse, ChannelsResponse, LiveResponse, NewChannelRequest, PostReactionRequest, PostsQuery,
    PostsResponse,
};
use crate::dto::done::Done;
use crate::dto::path::{ChannelPath, InstancePath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, JsonBody, NamedOf, Query};

/// The channels that the account follows or runs.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/channels",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "The channels.", body = ChannelsResponse), Refused)
)]
pub(super) async fn list_channels(call: InstanceCall) -> Result<web::Json<ChannelsResponse>, ApiError> {
    let answer = call.services().channels.list(&call.caller, call.subject).await?;
    Ok(web::Json(ChannelsResponse::from(answer)))
}

/// Makes a channel; its owner agrees to WhatsApp's terms for them.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/channels",
    tag = "whatsapp",
    params(InstancePath),
    request_body = NewChannelRequest,
    responses((status = 200, description = "The channel.", body = ChannelResponse), Refused)
)]
pub(super) async fn create_channel(
    call: InstanceCall,
    JsonBody(body): JsonBody<NewChannelRequest>,
) -> Result<web::Json<ChannelResponse>, ApiError> {
    let NewChannelRequest { name, description } = body;
    let make = |call: InstanceCall| async move {
        let channels = &call.services().channels;
        channels.create(&call.caller, call.subject, &name, description.as_deref()).await
    };
    Ok(web::Json(ChannelResponse::from(call.complete(make).await?)))
}

/// A channel, as WhatsApp shows it now.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/channels/{channel}",
    tag = "whatsapp",
    params(ChannelPath),
    responses((status = 200, description = "The channel.", body = ChannelResponse), Refused)
)]
pub(super) async fn find_channel(call: Call<NamedOf>) -> Result<web::Json<ChannelResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let answer = call.services().channels.find(&call.caller, *instance, name).await?;
    Ok(web::Json(ChannelResponse::from(answer)))
}

/// Follows a channel.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/channels/{channel}/follow",
    tag = "whatsapp",
    params(ChannelPath),
    responses((status = 200, description = "It is followed.", body = Done), Refused)
)]
pub(super) async fn follow(call: Call<NamedOf>) -> Result<web::Json<Done>, ApiError> {
    set_following(call, true).await
}

/// Follows a channel no longer.
#[utoipa::path(
    delete,
    path = "/api/whatsapp/{id}/channels/{channel}/follow",
    tag = "whatsapp",
    params(ChannelPath),
    responses((status = 200, description = "It is followed no longer.", body = Done), Refused)
)]
pub(super) async fn unfollow(call: Call<NamedOf>) -> Result<web::Json<Done>, ApiError> {
    set_following(call, false).await
}

async fn set_following(call: Call<NamedOf>, follows: bool) -> Result<web::Json<Done>, ApiError> {
    let change = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().channels.follow(&call.caller, *instance, name, follows).await
    };
    call.complete(change).await?;
    Ok(web::Json(Done::new()))
}

/// What was posted to a channel, the newest last.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/channels/{channel}/posts",
    tag = "whatsapp",
    params(ChannelPath, PostsQuery),
    responses((status = 200, description = "The posts.", body = PostsResponse), Refused)
)]
pub(super) async fn posts(
    call: Call<NamedOf>,
    Query(query): Query<PostsQuery>,
) -> Result<web::Json<PostsResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let channels = &call.services().channels;
    let answer = channels.posts(&call.caller, *instance, name, query.limit, query.before).await?;
    Ok(web::Json(PostsResponse::from(answer)))
}

/// Has views and reactions of a channel's posts told by `channel_updated`, for a while.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/channels/{channel}/live",
    tag = "whatsapp",
    params(ChannelPath),
    responses((status = 200, description = "For how long.", body = LiveResponse), Refused)
)]
pub(super) async fn live(call: Call<NamedOf>) -> Result<web::Json<LiveResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let duration = call.services().channels.watch(&call.caller, *instance, name).await?;
    Ok(web::Json(LiveResponse { duration: duration.as_secs() }))
}

/// Puts an emoji to a post, or takes it away.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/channels/{channel}/react",
    tag = "whatsapp",
    params(ChannelPath),
    request_body = PostReactionRequest,
    responses((status = 200, description = "It is there, or away.", body = Done), Refused)
)]
pub(super) async fn react_to_post(
    call: Call<NamedOf>,
    JsonBody(body): JsonBody<PostReactionRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let react = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        let channels = &call.services().channels;
        channels.react(&call.caller, *instance, name, body.server_id, &body.emoji).await
    };
    call.complete(react).await?;
    Ok(web::Json(Done::new()))
}
