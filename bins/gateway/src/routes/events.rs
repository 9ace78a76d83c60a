use actix_web::web;

use crate::ApiError;
use crate::dto::event::{EventsQuery, EventsResponse};
use crate::dto::message::{HistoryQuery, HistoryResponse};
use crate::extract::{Authenticated, InstancePath, Query};
use crate::state::AppState;

pub(super) async fn log(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    Query(query): Query<EventsQuery>,
) -> Result<web::Json<EventsResponse>, ApiError> {
    let page = state.services.events.events(&caller, id, &query.to_query()).await?;
    Ok(web::Json(EventsResponse::new(page, &query)))
}

pub(super) async fn chat(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    path: web::Path<(String, String)>,
    Query(query): Query<HistoryQuery>,
) -> Result<web::Json<HistoryResponse>, ApiError> {
    let (_, chat) = path.into_inner();
    let page = state.services.events.messages(&caller, id, query.of_chat(chat)).await?;
    Ok(web::Json(HistoryResponse::new(page, query.window)))
}
