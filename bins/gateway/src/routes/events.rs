use std::time::Duration;

use actix_web::HttpResponse;

use crate::dto::event::{EventsQuery, EventsResponse};
use crate::dto::message::{HistoryQuery, HistoryResponse};
use crate::dto::page::Window;
use crate::dto::path::{ChatPath, InstancePath};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, ChatOf, InstanceCall, Query};

/// The event log.
///
/// Ask again with the last answer's `latestTimestamp` as `since`: nothing is missed and nothing comes twice. With `wait`
/// an answer without events is held back until there is one.
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
) -> Result<HttpResponse, ApiError> {
    let (events, wanted) = (&call.services().events, query.to_query());
    let page = tokio::select! {
        page = events.events(&call.caller, call.subject, &wanted, query.wait()) => page?,
        // A gateway that stops doesn't wait for what may happen.
        () = call.stopping() => events.events(&call.caller, call.subject, &wanted, Duration::ZERO).await?,
    };
    call.answer(EventsResponse::of(page, &query))
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
    call: Call<ChatOf>,
    Query(query): Query<HistoryQuery>,
) -> Result<HttpResponse, ApiError> {
    let ChatOf { instance, chat } = &call.subject;
    let page = call.services().events.messages(&call.caller, *instance, query.of_chat(chat)).await?;
    call.answer(HistoryResponse::of(page, query.window))
}
