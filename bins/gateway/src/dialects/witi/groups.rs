//! Groups of instances, over which what is asked is spread. A group is whatever keys somebody names together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::ServiceError;
use storage::InstanceId;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::access::{Group, Refused};
use super::chats::WitiContact;
use super::people::seen;
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};

/// People whom one call may ask about: each is a question to WhatsApp.
const MOST_PEOPLE: usize = 100;

/// Whose turn it is: each question goes to the next instance.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// A group, and what became of what was asked of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WitiGroup {
    resultado: WitiOutcome,
    info: WitiGroupInfo,
}

/// What became of a command.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WitiOutcome {
    /// 0 when it was done.
    codigo_resultado: u8,
    mensagem: String,
    /// Another one for each command.
    #[schema(example = "7bd11041-196e-3a38-bc26-4aa81437cd38")]
    chave: String,
    /// Nothing is charged here.
    cobrado: bool,
    valor_cobrado: f64,
    #[serde(rename = "ElapsedTimeMS")]
    elapsed_ms: u64,
}

impl WitiOutcome {
    fn new(began: Instant, mensagem: String) -> Self {
        Self {
            codigo_resultado: 0,
            mensagem,
            chave: Uuid::new_v4().to_string(),
            cobrado: false,
            valor_cobrado: 0.0,
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct WitiGroupInfo {
    #[serde(rename = "GID")]
    gid: String,
    #[serde(rename = "WIDs")]
    wids: Vec<String>,
    #[serde(rename = "APIURL")]
    api_url: Option<String>,
    /// 1 while one of its instances is connected, else 0.
    #[serde(rename = "Status")]
    status: u8,
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

/// `query_profile.aspx` of a group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiPeople {
    /// JIDs, or numbers in any usual notation; one may stand by itself.
    number: WitiNumbers,
    /// Whether to ask for their pictures, too.
    #[serde(default = "yes", rename = "queryPicture")]
    query_picture: bool,
}

fn yes() -> bool {
    true
}

/// One number, or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum WitiNumbers {
    One(String),
    Several(Vec<String>),
}

/// What can be seen of somebody, or why nothing can.
#[derive(Serialize, ToSchema)]
struct WitiPersonSeen {
    number: String,
    sucesso: bool,
    mensagem: Option<WitiContact>,
}

/// What can be seen of people.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WitiProfiles {
    resultado: WitiOutcome,
    /// In the order in which they were named.
    #[serde(rename = "profiles")]
    profiles: Vec<WitiPersonSeen>,
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
    let began = Instant::now();
    let (mut instancias, mut can_restore) = (Vec::new(), 0);
    for (wid, id) in &call.subject.0 {
        let view = match call.services().instances.find(&call.caller, *id).await {
            Ok(view) => view,
            // Deleted since its key was looked up.
            Err(ServiceError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let (connected, status) = (view.connection.ready(), view.connection.status.as_str());
        can_restore += usize::from(!connected && view.instance.jid.is_some());
        instancias.push(WitiMember { wid: wid.clone(), connected, status });
    }
    let (all, connected) = (instancias.len(), instancias.iter().filter(|member| member.connected).count());
    let disconnected = all - connected - can_restore;
    let mensagem = format!(
        "{all} instances. Connected={connected}, canRestore={can_restore}, disconnected={disconnected}"
    );
    let wids: Vec<_> = call.subject.0.iter().map(|(wid, _)| wid.clone()).collect();
    Ok(web::Json(WitiGroup {
        resultado: WitiOutcome::new(began, mensagem),
        info: WitiGroupInfo {
            gid: wids.join(","),
            wids,
            api_url: None,
            status: u8::from(connected > 0),
            instancias,
        },
    }))
}

/// Connects the instances of the group.
#[utoipa::path(
    get,
    path = "/witime/group/Start.aspx",
    tag = "witi",
    security(("gid" = [])),
    responses((status = 200, description = "They are begun.", body = WitiOutcome), Refused)
)]
pub(super) async fn start(call: Call<Group>) -> Result<web::Json<WitiOutcome>, ApiError> {
    let began = Instant::now();
    let start = |call: Call<Group>| async move {
        for (_, id) in &call.subject.0 {
            call.services().instances.resume(&call.caller, *id).await?;
        }
        Ok(())
    };
    call.clone().complete(start).await?;
    let (gid, count) = (gid(&call), call.subject.0.len());
    Ok(web::Json(WitiOutcome::new(began, format!("GID {gid} started successfully. {count} wids"))))
}

/// Ends the connections of the group's instances, which stay linked.
#[utoipa::path(
    get,
    path = "/witime/group/End.aspx",
    tag = "witi",
    security(("gid" = [])),
    responses((status = 200, description = "They have ended.", body = WitiOutcome), Refused)
)]
pub(super) async fn end(call: Call<Group>) -> Result<web::Json<WitiOutcome>, ApiError> {
    let began = Instant::now();
    let end = |call: Call<Group>| async move {
        for (_, id) in &call.subject.0 {
            call.services().instances.pause(&call.caller, *id).await?;
        }
        Ok(())
    };
    call.clone().complete(end).await?;
    let gid = gid(&call);
    Ok(web::Json(WitiOutcome::new(began, format!("GID {gid} successfully terminated"))))
}

/// What can be seen of people, each asked for through one of the group's connected instances.
#[utoipa::path(
    post,
    path = "/witime/group/query_profile.aspx",
    tag = "witi",
    security(("gid" = [])),
    request_body = WitiPeople,
    responses((status = 200, description = "Their profiles.", body = WitiProfiles), Refused)
)]
pub(super) async fn group_profile(
    call: Call<Group>,
    JsonBody(body): JsonBody<WitiPeople>,
) -> Result<web::Json<WitiProfiles>, ApiError> {
    let began = Instant::now();
    let numbers = match body.number {
        WitiNumbers::One(number) => vec![number],
        WitiNumbers::Several(numbers) => numbers,
    };
    if numbers.is_empty() || numbers.len() > MOST_PEOPLE {
        let message = format!("\"number\" must have 1 to {MOST_PEOPLE} numbers.");
        return Err(ApiError::invalid(message).with_field("number"));
    }
    let (mut profiles, mut outcomes) = (Vec::new(), BTreeMap::new());
    for number in numbers {
        let id = next(&call).await?;
        let mensagem = match seen(&call, id, &number).await {
            Ok(contact) if body.query_picture => Some(contact),
            Ok(contact) => Some(contact.shown(None, false)),
            // Whoever has no WhatsApp is no reason to say nothing about the others.
            Err(error) if error.field().is_some() => None,
            Err(error) => return Err(error),
        };
        let sucesso = mensagem.is_some();
        *outcomes.entry(if sucesso { "200" } else { "404" }).or_insert(0) += 1;
        profiles.push(WitiPersonSeen { number, sucesso, mensagem });
    }
    let outcomes = serde_json::to_string(&outcomes).unwrap_or_default();
    let resultado = WitiOutcome::new(began, format!("{} profiles queried. {outcomes}", profiles.len()));
    Ok(web::Json(WitiProfiles { resultado, profiles }))
}

/// What the group is called: by all of its keys.
fn gid(call: &Call<Group>) -> String {
    let wids: Vec<_> = call.subject.0.iter().map(|(wid, _)| wid.as_str()).collect();
    wids.join(",")
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
