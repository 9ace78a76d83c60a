//! Linking an instance, ending its connection and beginning it again.

use std::time::Duration;

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use services::{Qr, ServiceError, Services};
use storage::{Clock, InstanceId, Timestamp};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::access::{Opened, Refused};
use super::key::{Kept, Notes};
use super::settings::show_browser;
use super::status::{Standing, WitiStatus};
use crate::error::ApiError;
use crate::extract::{Call, OptionalJsonBody};
use crate::forms::UserAgent;
use crate::qr_code;

/// How long a command waits for WhatsApp: for a QR code, or for a connection.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks.
const POLL: Duration = Duration::from_millis(100);
/// Seconds until another try makes sense where there is no code yet.
const SOON: u64 = 5;

/// `generate_qrcode.aspx`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiQrRequest {
    /// The browser that the instance shows itself as on the phone.
    #[schema(value_type = Option<UserAgent>)]
    user_agent: Option<String>,
}

/// A code to scan, or why there is none.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiQr {
    /// The picture, as an address that a page can show: `data:image/svg+xml;base64,…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// 1 with a code, else 0.
    status: u8,
    error: &'static str,
    /// Seconds for which the code is good.
    ttl: u64,
}

impl WitiQr {
    fn none(error: &'static str, ttl: u64) -> Self {
        Self { qr: None, status: 0, error, ttl }
    }

    fn showing(text: &str, expires_at: Timestamp) -> Self {
        let Some(svg) = qr_code::svg(text) else { return Self::none("The code can't be shown", 0) };
        let left = expires_at.millis().saturating_sub(Clock::system().now().millis());
        Self {
            qr: Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))),
            status: 1,
            error: "",
            ttl: u64::try_from(left).unwrap_or(0).div_ceil(1_000).max(1),
        }
    }
}

/// A QR code to link the instance with.
#[utoipa::path(
    post,
    path = "/generate_qrcode.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = Option<WitiQrRequest>,
    responses((status = 200, description = "The code, or why there is none.", body = WitiQr), Refused)
)]
pub(super) async fn generate_qrcode(
    call: Call<Opened>,
    OptionalJsonBody(request): OptionalJsonBody<WitiQrRequest>,
) -> Result<web::Json<WitiQr>, ApiError> {
    let id = call.subject.id;
    if let Some(user_agent) = &request.user_agent {
        show_browser(&call, user_agent).await?;
    }
    let begun = |notes: &mut Notes| {
        notes.closed = false;
        if let Some(user_agent) = &request.user_agent {
            user_agent.clone_into(&mut notes.user_agent);
        }
    };
    Kept::note(&call, id, begun).await?;
    let view = call.services().instances.find(&call.caller, id).await?;
    if view.instance.jid.is_some() {
        return Ok(web::Json(WitiQr::none("Connection already established", 0)));
    }
    let opened = move |call: Call<Opened>| async move {
        call.services().instances.resume(&call.caller, id).await?;
        code(&call, id).await
    };
    let code = call.complete(opened).await;
    Ok(web::Json(match code {
        Ok(Qr::Code { text, expires_at, .. }) => WitiQr::showing(&text, expires_at),
        Ok(Qr::Generating { .. }) => WitiQr::none("There is no code yet", SOON),
        Err(ServiceError::Conflict { .. }) => WitiQr::none("Connection already established", 0),
        Err(error) => return Err(error.into()),
    }))
}

/// A code, once there is one.
async fn code(call: &Call<Opened>, id: InstanceId) -> Result<Qr, ServiceError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call.services().instances.qr(&call.caller, id).await? {
            Qr::Generating { .. } if Instant::now() < deadline => sleep(POLL).await,
            qr => return Ok(qr),
        }
    }
}

/// Where the instance stands.
#[utoipa::path(
    get,
    path = "/status.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "The connection.", body = WitiStatus), Refused)
)]
pub(super) async fn status(call: Call<Opened>) -> Result<web::Json<WitiStatus>, ApiError> {
    let id = call.subject.id;
    let kept = Kept::of(&call, id).await?;
    Ok(web::Json(WitiStatus::of(&call, id, &kept, None).await?))
}

/// Unlinks the instance from the phone: another connection needs another QR code.
#[utoipa::path(
    get,
    path = "/disconnect.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "The connection.", body = WitiStatus), Refused)
)]
pub(super) async fn disconnect(call: Call<Opened>) -> Result<web::Json<WitiStatus>, ApiError> {
    let id = call.subject.id;
    let linked = call.services().instances.find(&call.caller, id).await?.instance.jid.is_some();
    let end = move |call: Call<Opened>| async move {
        if linked {
            call.services().instances.logout(&call.caller, id).await?;
            return until_unlinked(&call, id).await;
        }
        call.services().instances.pause(&call.caller, id).await.map(drop)
    };
    call.clone().complete(end).await?;
    let kept = closed(&call).await?;
    Ok(web::Json(WitiStatus::of(&call, id, &kept, Some(Standing::NO_CONNECTION)).await?))
}

/// What ended or begun a session.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiSession {
    sucesso: bool,
    /// What `status.aspx` tells, as a text.
    #[serde(rename = "Status", skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

impl WitiSession {
    fn new(sucesso: bool, status: &WitiStatus) -> Self {
        Self { sucesso, status: serde_json::to_string(status).ok() }
    }
}

/// Ends the connection; `restore_session.aspx` begins it again, without a QR code.
#[utoipa::path(
    get,
    path = "/close_session.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "The connection.", body = WitiSession), Refused)
)]
pub(super) async fn close_session(call: Call<Opened>) -> Result<web::Json<WitiSession>, ApiError> {
    let id = call.subject.id;
    let end = move |call: Call<Opened>| async move {
        call.services().instances.pause(&call.caller, id).await.map(drop)
    };
    call.clone().complete(end).await?;
    let kept = closed(&call).await?;
    let status = WitiStatus::of(&call, id, &kept, Some(Standing::NO_CONNECTION)).await?;
    Ok(web::Json(WitiSession::new(true, &status)))
}

/// Says whether the session can be restored. It is saved at once whenever it changes.
#[utoipa::path(
    get,
    path = "/save_session.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "Whether there is a session.", body = WitiSession), Refused)
)]
pub(super) async fn save_session(call: Call<Opened>) -> Result<web::Json<WitiSession>, ApiError> {
    let view = call.services().instances.find(&call.caller, call.subject.id).await?;
    Ok(web::Json(WitiSession { sucesso: view.instance.jid.is_some(), status: None }))
}

/// Connects a session that was closed.
#[utoipa::path(
    get,
    path = "/restore_session.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "The connection.", body = WitiSession), Refused)
)]
pub(super) async fn restore_session(call: Call<Opened>) -> Result<web::Json<WitiSession>, ApiError> {
    let id = call.subject.id;
    let kept = Kept::note(&call, id, |notes| notes.closed = false).await?;
    let view = call.services().instances.find(&call.caller, id).await?;
    if view.instance.jid.is_some() {
        let begin = move |call: Call<Opened>| async move {
            let instances = &call.services().instances;
            let was_paused = instances.resume(&call.caller, id).await?;
            if !was_paused && !instances.status(&call.caller, id).await?.ready() {
                instances.reconnect(&call.caller, id).await?;
            }
            until_connected(call.services(), &call, id).await
        };
        call.clone().complete(begin).await?;
    }
    let status = WitiStatus::of(&call, id, &kept, None).await?;
    Ok(web::Json(WitiSession::new(status.is_connected(), &status)))
}

/// Waits a while for the connection; that it isn't there by then is no error.
async fn until_connected(
    services: &Services,
    call: &Call<Opened>,
    id: InstanceId,
) -> Result<(), ServiceError> {
    let deadline = Instant::now() + PATIENCE;
    while !services.instances.status(&call.caller, id).await?.ready() && Instant::now() < deadline {
        sleep(POLL).await;
    }
    Ok(())
}

/// Waits until it is stored that the instance is unlinked, which follows at once.
async fn until_unlinked(call: &Call<Opened>, id: InstanceId) -> Result<(), ServiceError> {
    let deadline = Instant::now() + PATIENCE;
    while call.services().instances.find(&call.caller, id).await?.instance.jid.is_some()
        && Instant::now() < deadline
    {
        sleep(POLL).await;
    }
    Ok(())
}

/// What `clear.aspx` answers.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiCleared {
    status: bool,
    message: &'static str,
}

/// Forgets the messages, contacts and files that are stored of the instance. It stays linked, and nothing changes at
/// WhatsApp.
#[utoipa::path(
    get,
    path = "/clear.aspx",
    tag = "witi",
    security(("wid" = [])),
    responses((status = 200, description = "They are gone.", body = WitiCleared), Refused)
)]
pub(super) async fn clear(call: Call<Opened>) -> Result<web::Json<WitiCleared>, ApiError> {
    let id = call.subject.id;
    call.complete(move |call| async move { call.services().instances.clear(&call.caller, id).await }).await?;
    Ok(web::Json(WitiCleared { status: true, message: "clear ok" }))
}

/// Notes that a command has ended the connection.
async fn closed(call: &Call<Opened>) -> Result<Kept, ApiError> {
    Kept::note(call, call.subject.id, |notes| notes.closed = true).await
}
