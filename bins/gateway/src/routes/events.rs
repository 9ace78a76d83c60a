use actix_web::web;

use crate::ApiError;
use crate::dto::event::{EventsQuery, EventsResponse};
use crate::dto::message::{HistoryQuery, HistoryResponse};
use crate::dto::page::Window;
use crate::dto::path::{ChatPath, InstancePath};
use crate::error::Refused;
use crate::extract::{Call, Chat, InstanceCall, Query};

/// The event log.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/events",
    tag = "events",
    params(InstancePath, EventsQuery),
    responses((status = 200, description = "A page of the log, oldest first.", body = EventsResponse), Refused)
)]
pub(super) async fn log(
    call: InstanceCall,
    Query(query): Query<EventsQuery>,
) -> Result<web::Json<EventsResponse>, ApiError> {
    let page = call.services().events.events(&call.caller, call.subject, &query.to_query()).await?;
    Ok(web::Json(EventsResponse::new(page, &query)))
}

/// The messages of a chat.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/chats/{chat}/messages",
    tag = "events",
    params(ChatPath, Window, HistoryQuery),
    responses((status = 200, description = "A page of the chat, newest first.", body = HistoryResponse), Refused)
)]
pub(super) async fn chat(
    call: Call<Chat>,
    Query(query): Query<HistoryQuery>,
) -> Result<web::Json<HistoryResponse>, ApiError> {
    let Chat { instance, chat } = &call.subject;
    let page = call.services().events.messages(&call.caller, *instance, query.of_chat(chat)).await?;
    Ok(web::Json(HistoryResponse::new(page, query.window)))
}
