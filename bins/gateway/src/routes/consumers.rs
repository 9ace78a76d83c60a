use std::time::Duration;

use actix_web::{HttpResponse, web};

use crate::dto::consumer::{
    AckRequest, ConsumerRequest, ConsumerResponse, ConsumersResponse, PullQuery, PulledResponse,
};
use crate::dto::done::Done;
use crate::dto::path::{ConsumerPath, InstancePath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall, JsonBody, NamedOf, Query};

/// The named consumers of an instance, by name.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/consumers",
    tag = "consumers",
    params(InstancePath),
    responses((status = 200, description = "The consumers.", body = ConsumersResponse), Refused)
)]
pub(super) async fn list(call: InstanceCall) -> Result<web::Json<ConsumersResponse>, ApiError> {
    let consumers = call.services().consumers.list(&call.caller, call.subject).await?;
    Ok(web::Json(consumers.into()))
}

/// A named consumer, with the position that it has acknowledged.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/consumers/{name}",
    tag = "consumers",
    params(ConsumerPath),
    responses((status = 200, description = "The consumer.", body = ConsumerResponse), Refused)
)]
pub(super) async fn find(call: Call<NamedOf>) -> Result<web::Json<ConsumerResponse>, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let consumer = call.services().consumers.find(&call.caller, *instance, name).await?;
    Ok(web::Json(consumer.into()))
}

/// Makes a named consumer, or changes it: what isn't named stays as it is.
#[utoipa::path(
    put,
    path = "/api/instances/{id}/consumers/{name}",
    tag = "consumers",
    params(ConsumerPath),
    request_body = ConsumerRequest,
    responses(
        (status = 200, description = "The consumer, changed.", body = ConsumerResponse),
        (status = 201, description = "The consumer, which is new.", body = ConsumerResponse),
        Refused
    )
)]
pub(super) async fn put(
    call: Call<NamedOf>,
    JsonBody(request): JsonBody<ConsumerRequest>,
) -> Result<HttpResponse, ApiError> {
    let put = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().consumers.put(&call.caller, *instance, name, request.into()).await
    };
    let (consumer, is_new) = call.complete(put).await?;
    let mut answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(ConsumerResponse::from(consumer)))
}

/// Removes a named consumer: nothing is kept for it any more.
#[utoipa::path(
    delete,
    path = "/api/instances/{id}/consumers/{name}",
    tag = "consumers",
    params(ConsumerPath),
    responses((status = 200, description = "It is gone.", body = Done), Refused)
)]
pub(super) async fn delete(call: Call<NamedOf>) -> Result<web::Json<Done>, ApiError> {
    let delete = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().consumers.delete(&call.caller, *instance, name).await
    };
    call.complete(delete).await?;
    Ok(web::Json(Done::new()))
}

/// What a named consumer has not acknowledged, oldest first. It isn't acknowledged by that: asked again, it is the same.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/consumers/{name}/events",
    tag = "consumers",
    params(ConsumerPath, PullQuery),
    responses((status = 200, description = "A page of them.", body = PulledResponse), Refused)
)]
pub(super) async fn pull(
    call: Call<NamedOf>,
    Query(query): Query<PullQuery>,
) -> Result<HttpResponse, ApiError> {
    let NamedOf { instance, name } = &call.subject;
    let pull = |wait| call.services().consumers.pull(&call.caller, *instance, name, query.limit, wait);
    let pulled = tokio::select! {
        pulled = pull(query.wait()) => pulled?,
        // A gateway that stops doesn't wait for what may happen.
        () = call.stopping() => pull(Duration::ZERO).await?,
    };
    call.answer(PulledResponse::of(pulled, call.codes()))
}

/// Says that a named consumer has had everything up to a position. It never goes back.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/consumers/{name}/ack",
    tag = "consumers",
    params(ConsumerPath),
    request_body = AckRequest,
    responses((status = 200, description = "The consumer.", body = ConsumerResponse), Refused)
)]
pub(super) async fn acknowledge(
    call: Call<NamedOf>,
    JsonBody(AckRequest { position }): JsonBody<AckRequest>,
) -> Result<web::Json<ConsumerResponse>, ApiError> {
    let acknowledge = |call: Call<NamedOf>| async move {
        let NamedOf { instance, name } = &call.subject;
        call.services().consumers.acknowledge(&call.caller, *instance, name, position).await
    };
    Ok(web::Json(call.complete(acknowledge).await?.into()))
}
