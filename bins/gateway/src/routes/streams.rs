use actix_web::HttpResponse;

use crate::dto::link::{END, Link, LinkQuery, LinkResponse};
use crate::dto::path::InstancePath;
use crate::dto::stream::{OverviewQuery, StreamQuery, Told};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, Credential, InstanceCall, LastEventId, Query};

/// The event log as a stream (server-sent events).
///
/// `data` is an event as in the log, `id` its position: a client that was cut off goes on with it as `Last-Event-ID`, as
/// browsers do by themselves, and misses nothing and gets nothing twice. A comment every 15 s shows that the stream lives;
/// it ends with its credential, with the instance, when the gateway stops, and when its client doesn't read.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/events/stream",
    tag = "events",
    params(InstancePath, StreamQuery, LastEventId),
    responses((status = 200, description = "Events, as they happen.", body = String, content_type = "text/event-stream"), Refused)
)]
pub(super) async fn follow(
    call: InstanceCall,
    Query(query): Query<StreamQuery>,
    last: LastEventId,
    credential: Credential,
) -> Result<HttpResponse, ApiError> {
    let after = last.or(query.after)?;
    let stream = call.begin_stream()?;
    let events = &call.services().events;
    let source = events.follow(&call.caller, call.subject, after, &query.kinds).await?;
    Ok(call.stream(Told::new(source, call.codes()), credential, stream))
}

/// The events of all instances as one stream (server-sent events), as far as this process carries them.
///
/// `data` is an event as in the log; its `data.instanceId` says of which instance. Those of one instance come in their
/// order. `id` is a time: a client that was cut off misses nothing after it, and gets the events of the half minute before
/// again, which it recognises by their own `id`.
#[utoipa::path(
    get,
    path = "/api/events/stream",
    tag = "events",
    params(OverviewQuery, LastEventId),
    responses((status = 200, description = "Events, as they happen.", body = String, content_type = "text/event-stream"), Refused)
)]
pub(super) async fn follow_all(
    call: Call,
    Query(query): Query<OverviewQuery>,
    last: LastEventId,
    credential: Credential,
) -> Result<HttpResponse, ApiError> {
    let after = last.or(query.after)?;
    let stream = call.begin_stream()?;
    let source = call.services().events.follow_all(&call.caller, after, &query.kinds);
    Ok(call.stream(Told::new(source, call.codes()), credential, stream))
}

/// Links an instance with an account: one stream (server-sent events) from the code to ready.
///
/// `data` has a `step`: `connecting`, `qr`, `code` (with `phone`), `passkey`, `linked`, and at the end `ready`, or `failed`
/// with the `error` that says why it can't become ready. Begins a new pairing where the last has ended; each call with
/// `phone` makes a new code. Browsers that connect again after the end are answered with 204, which makes them stop.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/link",
    tag = "instances",
    params(InstancePath, LinkQuery, LastEventId),
    responses(
        (status = 200, description = "The steps, as they are taken.", body = LinkResponse, content_type = "text/event-stream"),
        (status = 204, description = "It has ended."),
        Refused
    )
)]
pub(super) async fn link(
    call: InstanceCall,
    Query(query): Query<LinkQuery>,
    LastEventId(last): LastEventId,
    credential: Credential,
) -> Result<HttpResponse, ApiError> {
    if last.as_deref() == Some(END) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let stream = call.begin_stream()?;
    let begin = |call: InstanceCall| async move {
        call.services().instances.link(&call.caller, call.subject, query.phone.as_deref()).await
    };
    let linking = call.clone().complete(begin).await?;
    Ok(call.stream(Link::from(linking), credential, stream))
}
