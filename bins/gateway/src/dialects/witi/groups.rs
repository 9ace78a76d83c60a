//! Groups of instances, over which what is asked is spread. A group is whatever keys somebody names together.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web;
use serde::Serialize;
use services::ServiceError;
use storage::InstanceId;
use utoipa::ToSchema;

use super::access::{Group, Refused};
use super::people::{WitiPerson, WitiProfile};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};

/// Whose turn it is: each question goes to the next instance.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// A group, and what became of what was asked of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WitiGroup {
    resultado: WitiOutcome,
    info: WitiGroupInfo,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct WitiOutcome {
    /// 0 when it was done.
    codigo_resultado: u8,
    mensagem: String,
    /// The group's keys.
    chave: String,
}

#[derive(Serialize, ToSchema)]
struct WitiGroupInfo {
    #[serde(rename = "GID")]
    gid: String,
    #[serde(rename = "WIDs")]
    wids: Vec<String>,
    /// `active` while one of its instances is connected.
    #[serde(rename = "Status")]
    status: &'static str,
    instancias: Vec<WitiMember>,
}

/// An instance of a group.
#[derive(Serialize, ToSchema)]
struct WitiMember {
    #[serde(rename = "WID")]
    wid: String,
    connected: bool,
    status: &'static str,
}

/// The group, and how its instances stand.
#[utoipa::path(
    get,
    path = "/witime/group/getstatus.aspx",
    tag = "witi",
    security(("gid" = [])),
    responses((status = 200, description = "The group.", body = WitiGroup), Refused)
)]
pub(super) async fn getstatus(call: Call<Group>) -> Result<web::Json<WitiGroup>, ApiError> {
    Ok(web::Json(WitiGroup::of(&call, String::new()).await?))
}

/// Connects the instances of the group.
#[utoipa::path(
    get,
    path = "/witime/group/Start.aspx",
    tag = "witi",
    security(("gid" = [])),
    responses((status = 200, description = "The group.", body = WitiGroup), Refused)
)]
pub(super) async fn start(call: Call<Group>) -> Result<web::Json<WitiGroup>, ApiError> {
    let start = |call: Call<Group>| async move {
        for (_, id) in &call.subject.0 {
            call.services().instances.resume(&call.caller, *id).await?;
        }
        Ok(())
    };
    call.clone().complete(start).await?;
    Ok(web::Json(WitiGroup::of(&call, "started".to_owned()).await?))
}

/// Ends the connections of the group's instances, which stay linked.
#[utoipa::path(
    get,
    path = "/witime/group/End.aspx",
    tag = "witi",
    security(("gid" = [])),
    responses((status = 200, description = "The group.", body = WitiGroup), Refused)
)]
pub(super) async fn end(call: Call<Group>) -> Result<web::Json<WitiGroup>, ApiError> {
    let end = |call: Call<Group>| async move {
        for (_, id) in &call.subject.0 {
            call.services().instances.pause(&call.caller, *id).await?;
        }
        Ok(())
    };
    call.clone().complete(end).await?;
    Ok(web::Json(WitiGroup::of(&call, "ended".to_owned()).await?))
}

/// What can be seen of somebody, asked through one of the group's connected instances.
#[utoipa::path(
    post,
    path = "/witime/group/query_profile.aspx",
    tag = "witi",
    security(("gid" = [])),
    request_body = WitiPerson,
    responses((status = 200, description = "Their profile.", body = WitiProfile), Refused)
)]
pub(super) async fn group_profile(
    call: Call<Group>,
    JsonBody(body): JsonBody<WitiPerson>,
) -> Result<web::Json<WitiProfile>, ApiError> {
    let id = next(&call).await?;
    Ok(web::Json(WitiProfile::of(&call, id, &body.number).await?))
}

/// The connected instance whose turn it is; where none is, the first, which says why.
async fn next(call: &Call<Group>) -> Result<InstanceId, ApiError> {
    let all = &call.subject.0;
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    for (_, id) in all.iter().cycle().skip(turn % all.len().max(1)).take(all.len()) {
        if call.services().instances.status(&call.caller, *id).await?.ready() {
            return Ok(*id);
        }
    }
    all.first().map(|(_, id)| *id).ok_or_else(|| ApiError::not_found("The group has no instances."))
}

impl WitiGroup {
    async fn of(call: &Call<Group>, mensagem: String) -> Result<Self, ApiError> {
        let mut instancias = Vec::new();
        for (wid, id) in &call.subject.0 {
            let status = match call.services().instances.status(&call.caller, *id).await {
                Ok(status) => status,
                // Deleted since its key was looked up.
                Err(ServiceError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let (connected, status) = (status.ready(), status.status.as_str());
            instancias.push(WitiMember { wid: wid.clone(), connected, status });
        }
        let wids: Vec<_> = call.subject.0.iter().map(|(wid, _)| wid.clone()).collect();
        let gid = wids.join(",");
        let is_active = instancias.iter().any(|member| member.connected);
        Ok(Self {
            resultado: WitiOutcome { codigo_resultado: 0, mensagem, chave: gid.clone() },
            info: WitiGroupInfo {
                gid,
                wids,
                status: if is_active { "active" } else { "inactive" },
                instancias,
            },
        })
    }
}
