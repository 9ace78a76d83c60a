use actix_web::{HttpResponse, web};

use crate::dto::path::InstancePath;
use crate::dto::stats::{InstanceStats, InstanceStatsQuery, SystemStats, UserStats, UserStatsQuery};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, Query};

/// What the caller's instances have done, altogether and each.
///
/// A message counts once; edits, reactions, repeats and what the phone tells of the past don't. Counts stay when messages are
/// forgotten, and go with their instance.
#[utoipa::path(
    get,
    path = "/api/stats/user",
    tag = "stats",
    params(UserStatsQuery),
    responses((status = 200, description = "The statistics.", body = UserStats), Refused)
)]
pub(super) async fn user(call: Call, Query(query): Query<UserStatsQuery>) -> Result<HttpResponse, ApiError> {
    let instances = call.services().usage.of_user(&call.caller, query.period).await?;
    call.answer(UserStats::of(instances))
}

/// What an instance has done, altogether and day by day.
#[utoipa::path(
    get,
    path = "/api/stats/instances/{id}",
    tag = "stats",
    params(InstancePath, InstanceStatsQuery),
    responses((status = 200, description = "The statistics.", body = InstanceStats), Refused)
)]
pub(super) async fn instance(
    call: InstanceCall,
    Query(query): Query<InstanceStatsQuery>,
) -> Result<web::Json<InstanceStats>, ApiError> {
    let days = call.services().usage.of_instance(&call.caller, call.subject, query.period).await?;
    Ok(web::Json(InstanceStats::of(&days)))
}

/// What the whole gateway does and has done, as of a few seconds ago; for administrators.
#[utoipa::path(
    get,
    path = "/api/stats/system",
    tag = "stats",
    responses((status = 200, description = "The statistics.", body = SystemStats), Refused)
)]
pub(super) async fn system(call: Call) -> Result<web::Json<SystemStats>, ApiError> {
    Ok(web::Json(call.services().usage.of_system(&call.caller).await?.into()))
}
