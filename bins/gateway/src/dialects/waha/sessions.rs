//! Sessions: an instance each.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{CreateInstance, InstanceView, ServiceError};
use storage::InstanceId;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::access::Refused;
use super::config::{WahaConfig, named};
use super::text::{chat_id, session_of, status};
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, JsonBody, OptionalJsonBody, Parameters, Query};
use crate::forms::Name;

/// Instances that are looked at at once.
const BATCH: u64 = 1_000;
/// How long a logout is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// A session to make.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WahaCreate {
    /// Made up without one.
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    config: Option<WahaConfig>,
    /// Whether it begins to connect at once.
    #[schema(default = true)]
    start: Option<bool>,
}

/// Another configuration of a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaUpdate {
    /// It can't be changed here.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    config: Option<WahaConfig>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaSession {
    name: String,
    /// `STOPPED`, `STARTING`, `SCAN_QR_CODE`, `PASSKEY_REQUIRED`, `WORKING` or `FAILED`.
    status: &'static str,
    config: WahaConfig,
    me: Option<WahaMe>,
    engine: WahaEngine,
}

/// The account of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WahaMe {
    #[schema(example = "79001234567@c.us")]
    id: String,
    push_name: String,
}

#[derive(Serialize, ToSchema)]
struct WahaEngine {
    engine: &'static str,
}

/// `GET /api/sessions`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WahaListQuery {
    /// Whether to show those that are stopped, too.
    #[param(required = false, default = false)]
    all: bool,
}

impl FromQuery for WahaListQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { all: parameters.word("all", &[("true", true), ("false", false)], false)? })
    }
}

impl WahaMe {
    fn of(view: &InstanceView) -> Option<Self> {
        let id = chat_id(&format!("{}@s.whatsapp.net", view.instance.phone.as_ref()?));
        Some(Self { id, push_name: view.instance.push_name.clone().unwrap_or_default() })
    }
}

impl WahaSession {
    async fn of(call: &Call, view: &InstanceView) -> Result<Self, ApiError> {
        Ok(Self {
            name: view.instance.name.clone(),
            status: status(view),
            config: WahaConfig::of(call, view.instance.id).await?,
            me: WahaMe::of(view),
            engine: WahaEngine { engine: "TRUNKLINE" },
        })
    }

    async fn found(call: &Call, id: InstanceId) -> Result<Self, ApiError> {
        let view = call.services().instances.find(&call.caller, id).await?;
        Self::of(call, &view).await
    }
}

/// The caller's sessions: all of their instances, but those that are stopped.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "waha",
    security(("apiKey" = [])),
    params(WahaListQuery),
    responses((status = 200, description = "The sessions.", body = Vec<WahaSession>), Refused)
)]
pub(super) async fn list(
    call: Call,
    Query(query): Query<WahaListQuery>,
) -> Result<web::Json<Vec<WahaSession>>, ApiError> {
    let (mut sessions, mut skip) = (Vec::new(), 0);
    loop {
        let page = call.services().instances.list(&call.caller, BATCH, skip).await?;
        skip += page.items.len() as u64;
        for view in page.items.iter().filter(|view| query.all || status(view) != "STOPPED") {
            sessions.push(WahaSession::of(&call, view).await?);
        }
        if !page.has_more || page.items.is_empty() {
            return Ok(web::Json(sessions));
        }
    }
}

/// Makes a session, and starts it.
#[utoipa::path(
    post,
    path = "/api/sessions",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = Option<WahaCreate>,
    responses((status = 201, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn create(
    call: Call,
    OptionalJsonBody(body): OptionalJsonBody<WahaCreate>,
) -> Result<HttpResponse, ApiError> {
    let name = body.name.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("session_{}", uuid::Uuid::new_v4().simple()));
    match session_of(&call, &name).await {
        Ok(_) => return Err(ApiError::conflict("taken", format!("Session '{name}' already exists."))),
        Err(error) if error.code() == "not_found" => {}
        Err(error) => return Err(error),
    }
    let config = body.config.unwrap_or_default();
    config.check()?;
    let starts = body.start.unwrap_or(true);
    let begin = |call: Call| async move {
        let create = CreateInstance { name, ..CreateInstance::default() };
        let id = call.services().instances.create(&call.caller, create).await?.instance.id;
        match set_up(&call, id, config, starts).await {
            Ok(()) => Ok(id),
            Err(error) => {
                // Whoever hears an error has no session.
                call.services().instances.delete(&call.caller, id).await?;
                Err(error)
            }
        }
    };
    let id = call.clone().complete(begin).await.map_err(ApiError::named(named))?;
    Ok(HttpResponse::Created().json(WahaSession::found(&call, id).await?))
}

async fn set_up(call: &Call, id: InstanceId, config: WahaConfig, starts: bool) -> Result<(), ServiceError> {
    let instances = &call.services().instances;
    instances.update(&call.caller, id, config.of_the_instance()).await?;
    config.apply(call, id).await?;
    if !starts {
        instances.pause(&call.caller, id).await?;
    }
    Ok(())
}

/// A session.
#[utoipa::path(
    get,
    path = "/api/sessions/{session}",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn find(call: Call, session: web::Path<String>) -> Result<web::Json<WahaSession>, ApiError> {
    let id = session_of(&call, &session).await?;
    Ok(web::Json(WahaSession::found(&call, id).await?))
}

/// Gives a session another configuration: what isn't in it is as if it had never been set.
#[utoipa::path(
    put,
    path = "/api/sessions/{session}",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    request_body = WahaUpdate,
    responses((status = 200, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn update(
    call: Call,
    session: web::Path<String>,
    JsonBody(body): JsonBody<WahaUpdate>,
) -> Result<web::Json<WahaSession>, ApiError> {
    let id = session_of(&call, &session).await?;
    if body.name.is_some_and(|name| name != *session) {
        return Err(ApiError::invalid("A session keeps its name.").with_field("name"));
    }
    let config = body.config.unwrap_or_default();
    config.check()?;
    let change = |call: Call| async move {
        call.services().instances.update(&call.caller, id, config.of_the_instance()).await?;
        config.apply(&call, id).await
    };
    call.clone().complete(change).await.map_err(ApiError::named(named))?;
    Ok(web::Json(WahaSession::found(&call, id).await?))
}

/// Logs a session out, and forgets everything of it.
#[utoipa::path(
    delete,
    path = "/api/sessions/{session}",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It is gone, or there was none."), Refused)
)]
pub(super) async fn delete(call: Call, session: web::Path<String>) -> Result<HttpResponse, ApiError> {
    match session_of(&call, &session).await {
        Ok(id) => {
            let delete =
                move |call: Call| async move { call.services().instances.delete(&call.caller, id).await };
            call.complete(delete).await?;
        }
        Err(error) if error.code() == "not_found" => {}
        Err(error) => return Err(error),
    }
    Ok(HttpResponse::Ok().finish())
}

/// The account of a session; `null` before it is linked.
#[utoipa::path(
    get,
    path = "/api/sessions/{session}/me",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The account.", body = Option<WahaMe>), Refused)
)]
pub(super) async fn me(
    call: Call,
    session: web::Path<String>,
) -> Result<web::Json<Option<WahaMe>>, ApiError> {
    let id = session_of(&call, &session).await?;
    let view = call.services().instances.find(&call.caller, id).await?;
    Ok(web::Json(WahaMe::of(&view)))
}

/// Has a session connect, if it doesn't already.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/start",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 201, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn start(call: Call, session: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let start = move |call: Call| async move {
        let instances = &call.services().instances;
        let view = instances.find(&call.caller, id).await?;
        if !instances.resume(&call.caller, id).await? && status(&view) == "FAILED" {
            instances.reconnect(&call.caller, id).await?;
        }
        Ok(())
    };
    call.clone().complete(start).await?;
    Ok(HttpResponse::Created().json(WahaSession::found(&call, id).await?))
}

/// Ends the connection of a session, which stays linked.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/stop",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 201, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn stop(call: Call, session: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let stop = move |call: Call| async move { call.services().instances.pause(&call.caller, id).await };
    call.clone().complete(stop).await?;
    Ok(HttpResponse::Created().json(WahaSession::found(&call, id).await?))
}

/// Connects a session anew.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/restart",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 201, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn restart(call: Call, session: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let restart = move |call: Call| async move {
        let instances = &call.services().instances;
        match instances.resume(&call.caller, id).await? {
            true => Ok(()),
            false => instances.reconnect(&call.caller, id).await,
        }
    };
    call.clone().complete(restart).await?;
    Ok(HttpResponse::Created().json(WahaSession::found(&call, id).await?))
}

/// Unlinks a session from the phone. It starts from scratch, with the same configuration.
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/logout",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "Its name.")),
    responses((status = 201, description = "The session.", body = WahaSession), Refused)
)]
pub(super) async fn logout(call: Call, session: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let logout = move |call: Call| async move {
        let instances = &call.services().instances;
        let view = instances.find(&call.caller, id).await?;
        if view.instance.jid.is_none() {
            return Ok(());
        }
        instances.logout(&call.caller, id).await?;
        let deadline = Instant::now() + PATIENCE;
        while instances.find(&call.caller, id).await?.instance.jid.is_some() && Instant::now() < deadline {
            sleep(POLL).await;
        }
        // Asking for a code starts it anew.
        match status(&view) {
            "STOPPED" => Ok(()),
            _ => instances.qr(&call.caller, id).await.map(drop),
        }
    };
    call.clone().complete(logout).await?;
    Ok(HttpResponse::Created().json(WahaSession::found(&call, id).await?))
}
