//! Messages and chats, however they came.

use actix_web::{HttpResponse, web};

use crate::dto::list::{
    ChatsQuery, ChatsResponse, FilterQuery, ListQuery, MessagesResponse, OneMessageResponse, SearchQuery,
    SearchResponse,
};
use crate::dto::path::{InstancePath, MessagePath};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, InstanceCall, MessageById, Query};

/// Messages of all chats, or of those that are asked for, in the order they were stored in.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/messages",
    tag = "messages",
    params(InstancePath, ListQuery, FilterQuery),
    responses((status = 200, description = "A page of them.", body = MessagesResponse), Refused)
)]
pub(super) async fn list(
    call: InstanceCall,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let (from, limit) = (query.from(), query.limit);
    let events = &call.services().events;
    let slice = events.list(&call.caller, call.subject, query.filter.into(), from, limit).await?;
    call.answer(MessagesResponse::of(slice))
}

/// Messages that have these words, the last stored first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/messages/search",
    tag = "messages",
    params(InstancePath, SearchQuery, FilterQuery),
    responses((status = 200, description = "A page of them.", body = SearchResponse), Refused)
)]
pub(super) async fn search(
    call: InstanceCall,
    Query(query): Query<SearchQuery>,
) -> Result<HttpResponse, ApiError> {
    let SearchQuery { words, limit, before, filter } = query;
    let wanted = (words.as_str(), filter.into());
    let slice = call.services().events.search(&call.caller, call.subject, wanted, before, limit).await?;
    call.answer(SearchResponse::of(slice))
}

/// One message, by WhatsApp's id, and who in a group has it.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/messages/{message}",
    tag = "messages",
    params(MessagePath),
    responses((status = 200, description = "The message.", body = OneMessageResponse), Refused)
)]
pub(super) async fn find(call: Call<MessageById>) -> Result<web::Json<OneMessageResponse>, ApiError> {
    let MessageById { instance, message } = &call.subject;
    let found = call.services().events.message(&call.caller, *instance, message).await?;
    Ok(web::Json(found.into()))
}

/// Chats, those first whose last message came last.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/chats",
    tag = "messages",
    params(InstancePath, ChatsQuery),
    responses((status = 200, description = "A page of them.", body = ChatsResponse), Refused)
)]
pub(super) async fn chats(
    call: InstanceCall,
    Query(query): Query<ChatsQuery>,
) -> Result<HttpResponse, ApiError> {
    let events = &call.services().events;
    let slice = events.chats(&call.caller, call.subject, query.after, query.limit).await?;
    call.answer(ChatsResponse::of(slice))
}
