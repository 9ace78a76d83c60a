use std::time::Duration;

use actix_web::{HttpResponse, web};

use crate::dto::activity::{ActivityParameters, ActivityResponse};
use crate::dto::event::{EventsQuery, EventsResponse};
use crate::dto::message::{HistoryQuery, HistoryResponse};
use crate::dto::page::Window;
use crate::dto::path::{ChatPath, InstancePath, PollPath};
use crate::dto::poll::PollResultResponse;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, ChatOf, InstanceCall, MessageOf, Query};

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
    call.answer(EventsResponse::of(page, &query, call.codes()))
}

/// What happened to the instance itself: its settings, codes, connections and limits. It is read from the event log, and
/// reaches as far back as events are kept.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/activity",
    tag = "events",
    params(InstancePath, ActivityParameters),
    responses((status = 200, description = "A page of the log, newest first.", body = ActivityResponse), Refused)
)]
pub(super) async fn activity(
    call: InstanceCall,
    Query(query): Query<ActivityParameters>,
) -> Result<HttpResponse, ApiError> {
    let wish = query.wish();
    let page = call.services().events.activity(&call.caller, call.subject, &wish).await?;
    call.answer(ActivityResponse::of(page, call.subject, &wish))
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

/// What a poll has come to: who chose what. The last vote of each person counts.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/chats/{chat}/polls/{message}",
    tag = "events",
    params(PollPath),
    responses((status = 200, description = "The options and those who chose them.", body = PollResultResponse), Refused)
)]
pub(super) async fn poll(call: Call<MessageOf>) -> Result<web::Json<PollResultResponse>, ApiError> {
    let MessageOf { instance, chat, message } = &call.subject;
    let result = call.services().events.poll(&call.caller, *instance, chat, message).await?;
    Ok(web::Json(result.into()))
}
