//! Instances.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{CreateInstance, InstanceView};
use storage::{InstanceId, SecretText, Timestamp};
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::access::{EvoCall, Reach, Refused, open_by, token};
use super::linking::EvoQr;
use super::text::{instance_of, state};
use super::webhooks::{EvoHook, set_hook};
use crate::error::ApiError;
use crate::extract::{FromQuery, JsonBody, Parameters, Query};
use crate::field;
use crate::forms::{EvoTokenOrNone, Name, PhoneNumberOrNone};

/// Instances that are looked at at once.
const BATCH: u64 = 1_000;
/// How long a logout is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// On what instances run.
const INTEGRATION: &str = "WHATSAPP-BAILEYS";

/// An instance to make. Settings that there are none of here are read and change nothing.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoCreate {
    #[schema(value_type = Name)]
    instance_name: String,
    /// Whether to answer with a QR code, or with a pairing code for `number`.
    #[serde(default)]
    qrcode: bool,
    #[schema(value_type = Option<PhoneNumberOrNone>)]
    number: Option<String>,
    /// What opens this instance alone, as `apikey`: 20 to 128 characters; made when it is empty.
    #[schema(value_type = Option<EvoTokenOrNone>)]
    token: Option<String>,
    /// Only `WHATSAPP-BAILEYS`: the protocol of linked devices.
    #[expect(dead_code, reason = "reading it refuses every other one")]
    integration: Option<EvoIntegration>,
    proxy_host: Option<String>,
    proxy_port: Option<String>,
    proxy_protocol: Option<String>,
    proxy_username: Option<String>,
    proxy_password: Option<String>,
    webhook: Option<EvoHook>,
}

#[derive(Deserialize, ToSchema)]
enum EvoIntegration {
    #[serde(rename = "WHATSAPP-BAILEYS")]
    Baileys,
}

/// An instance that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoCreated {
    instance: EvoNewInstance,
    /// The token.
    hash: String,
    webhook: EvoCreatedHook,
    settings: EvoSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    qrcode: Option<EvoQr>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoNewInstance {
    instance_name: String,
    #[schema(value_type = String)]
    instance_id: InstanceId,
    integration: &'static str,
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoCreatedHook {
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

/// What is set of every instance here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoSettings {
    reject_call: bool,
    groups_ignore: bool,
    always_online: bool,
    read_messages: bool,
    read_status: bool,
    sync_full_history: bool,
}

/// An instance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoInstance {
    #[schema(value_type = String)]
    id: InstanceId,
    name: String,
    /// `open`, `connecting` or `close`.
    connection_status: &'static str,
    #[schema(example = "553198296801@s.whatsapp.net")]
    owner_jid: Option<String>,
    profile_name: Option<String>,
    profile_pic_url: Option<String>,
    integration: &'static str,
    number: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The same, as version 1 tells it.
    instance: EvoInstanceOfOld,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoInstanceOfOld {
    instance_name: String,
    #[schema(value_type = String)]
    instance_id: InstanceId,
    owner: Option<String>,
    profile_name: Option<String>,
    profile_picture_url: Option<String>,
    status: &'static str,
}

impl EvoInstance {
    fn of(view: &InstanceView) -> Self {
        let instance = &view.instance;
        let jid = instance.phone.as_ref().map(|phone| format!("{phone}@s.whatsapp.net"));
        Self {
            id: instance.id,
            name: instance.name.clone(),
            connection_status: state(view),
            owner_jid: jid.clone(),
            profile_name: instance.push_name.clone(),
            profile_pic_url: None,
            integration: INTEGRATION,
            number: instance.phone.clone(),
            created_at: instance.created_at,
            updated_at: instance.updated_at,
            instance: EvoInstanceOfOld {
                instance_name: instance.name.clone(),
                instance_id: instance.id,
                owner: jid,
                profile_name: instance.push_name.clone(),
                profile_picture_url: None,
                status: state(view),
            },
        }
    }
}

/// Where an instance stands.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoState {
    instance: EvoNamedState,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoNamedState {
    instance_name: String,
    /// `open`, `connecting` or `close`.
    state: &'static str,
}

impl EvoState {
    pub(super) async fn of(call: &EvoCall, id: InstanceId) -> Result<Self, ApiError> {
        let view = call.services().instances.find(&call.caller, id).await?;
        let instance = EvoNamedState { state: state(&view), instance_name: view.instance.name };
        Ok(Self { instance })
    }
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoDone {
    status: &'static str,
    error: bool,
    response: EvoDoneWhat,
}

#[derive(Serialize, ToSchema)]
struct EvoDoneWhat {
    message: &'static str,
}

impl EvoDone {
    fn new(message: &'static str) -> Self {
        Self { status: "SUCCESS", error: false, response: EvoDoneWhat { message } }
    }
}

/// `GET /instance/fetchInstances`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EvoFetchQuery {
    /// Only the one of this name.
    #[param(required = false, rename = "instanceName")]
    instance_name: Option<String>,
    /// Only the one with this id.
    #[param(required = false, rename = "instanceId")]
    instance_id: Option<String>,
}

impl FromQuery for EvoFetchQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let instance_name = parameters.parsed("instanceName", "must be a text")?;
        Ok(Self { instance_name, instance_id: parameters.parsed("instanceId", "must be a text")? })
    }
}

impl EvoCreate {
    fn proxy(&self) -> Option<String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (host, port) = (given(&self.proxy_host)?, given(&self.proxy_port));
        let protocol = given(&self.proxy_protocol).unwrap_or_else(|| "http".to_owned());
        let user = given(&self.proxy_username).zip(given(&self.proxy_password));
        let user = user.map(|(name, password)| format!("{name}:{password}@")).unwrap_or_default();
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{protocol}://{user}{host}{port}"))
    }
}

/// What this API calls the fields of its bodies.
fn named(field: services::Field) -> &'static str {
    match field {
        services::Field::Name => "instanceName",
        services::Field::Proxy => "proxyHost",
        services::Field::Recipient => "number",
        services::Field::WebhookUrl => "webhook.url",
        services::Field::WebhookHeaders => "webhook.headers",
        other => field::flat(other),
    }
}

/// Makes an instance, which begins to connect.
#[utoipa::path(
    post,
    path = "/instance/create",
    tag = "evolution",
    security(("evolutionKey" = [])),
    request_body = EvoCreate,
    responses((status = 201, description = "The instance.", body = EvoCreated), Refused)
)]
pub(super) async fn create(
    call: EvoCall,
    JsonBody(body): JsonBody<EvoCreate>,
) -> Result<HttpResponse, ApiError> {
    let Reach::All = call.subject else {
        let message = "The token of an instance makes no others.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    };
    let name = body.instance_name.clone();
    match instance_of(&call, &name).await {
        Ok(_) => return Err(ApiError::conflict("taken", format!("This name \"{name}\" is already in use."))),
        Err(error) if error.code() == "not_found" => {}
        Err(error) => return Err(error),
    }
    let patch = body.webhook.as_ref().map(EvoHook::patch).transpose()?;
    let token = token(body.token.clone())?;
    let hash = token.expose().to_owned();
    let (proxy, number) = (body.proxy(), body.number.clone().filter(|number| !number.is_empty()));
    let mut create = CreateInstance { name, ..CreateInstance::default() };
    create.connection.proxy = proxy.map(SecretText::new);
    let begin = |call: EvoCall| async move {
        let id = call.services().instances.create(&call.caller, create).await?.instance.id;
        let furnish = async {
            open_by(&call, id, token).await?;
            match patch {
                Some(patch) => set_hook(&call, id, patch).await,
                None => Ok(()),
            }
        };
        match furnish.await {
            Ok(()) => Ok(id),
            Err(error) => {
                // Whoever hears an error has no instance.
                call.services().instances.delete(&call.caller, id).await?;
                Err(error)
            }
        }
    };
    let id = call.clone().complete(begin).await.map_err(ApiError::named(named))?;
    let qrcode = if body.qrcode { Some(EvoQr::of(&call, id, number).await?) } else { None };
    let view = call.services().instances.find(&call.caller, id).await?;
    Ok(HttpResponse::Created().json(EvoCreated {
        instance: EvoNewInstance {
            status: state(&view),
            instance_name: view.instance.name,
            instance_id: id,
            integration: INTEGRATION,
        },
        hash,
        webhook: EvoCreatedHook { webhook_url: body.webhook.and_then(|hook| hook.url) },
        settings: EvoSettings {
            reject_call: false,
            groups_ignore: false,
            always_online: false,
            read_messages: false,
            read_status: false,
            sync_full_history: false,
        },
        qrcode,
    }))
}

/// The caller's instances.
#[utoipa::path(
    get,
    path = "/instance/fetchInstances",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(EvoFetchQuery),
    responses((status = 200, description = "The instances.", body = Vec<EvoInstance>), Refused)
)]
pub(super) async fn fetch(
    call: EvoCall,
    Query(query): Query<EvoFetchQuery>,
) -> Result<web::Json<Vec<EvoInstance>>, ApiError> {
    let instances = &call.services().instances;
    if let Reach::One(id) = call.subject {
        let view = instances.find(&call.caller, id).await?;
        let fits =
            |asked: Option<String>, it: &str| asked.is_none_or(|asked| asked.is_empty() || asked == it);
        let is_it =
            fits(query.instance_name, &view.instance.name) && fits(query.instance_id, &id.to_string());
        let others = || ApiError::not_found("No such instance.");
        return if is_it { Ok(web::Json(vec![EvoInstance::of(&view)])) } else { Err(others()) };
    }
    if let Some(name) = query.instance_name.filter(|name| !name.is_empty()) {
        let view = instances.find(&call.caller, instance_of(&call, &name).await?).await?;
        return Ok(web::Json(vec![EvoInstance::of(&view)]));
    }
    if let Some(id) = query.instance_id.filter(|id| !id.is_empty()) {
        let id = id.parse().map_err(|_| ApiError::not_found("No such instance."))?;
        let view = instances.find(&call.caller, id).await?;
        return Ok(web::Json(vec![EvoInstance::of(&view)]));
    }
    let (mut all, mut skip) = (Vec::new(), 0);
    loop {
        let page = instances.list(&call.caller, BATCH, skip).await?;
        skip += page.items.len() as u64;
        all.extend(page.items.iter().map(EvoInstance::of));
        if !page.has_more || page.items.is_empty() {
            return Ok(web::Json(all));
        }
    }
}

/// Where an instance stands.
#[utoipa::path(
    get,
    path = "/instance/connectionState/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Where it stands.", body = EvoState), Refused)
)]
pub(super) async fn state_of(
    call: EvoCall,
    name: web::Path<String>,
) -> Result<web::Json<EvoState>, ApiError> {
    let id = instance_of(&call, &name).await?;
    Ok(web::Json(EvoState::of(&call, id).await?))
}

/// Connects an instance anew.
#[utoipa::path(
    put,
    path = "/instance/restart/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Where it stands.", body = EvoState), Refused)
)]
pub(super) async fn restart(call: EvoCall, name: web::Path<String>) -> Result<web::Json<EvoState>, ApiError> {
    let id = instance_of(&call, &name).await?;
    let restart = move |call: EvoCall| async move {
        let instances = &call.services().instances;
        match instances.resume(&call.caller, id).await? {
            true => Ok(()),
            false => instances.reconnect(&call.caller, id).await,
        }
    };
    call.clone().complete(restart).await?;
    Ok(web::Json(EvoState::of(&call, id).await?))
}

/// Connects an instance anew: the same, as some versions have it.
#[utoipa::path(
    post,
    path = "/instance/restart/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Where it stands.", body = EvoState), Refused)
)]
pub(super) async fn restart_too(
    call: EvoCall,
    name: web::Path<String>,
) -> Result<web::Json<EvoState>, ApiError> {
    restart(call, name).await
}

/// Unlinks an instance from the phone.
#[utoipa::path(
    delete,
    path = "/instance/logout/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It is unlinked.", body = EvoDone), Refused)
)]
pub(super) async fn logout(call: EvoCall, name: web::Path<String>) -> Result<web::Json<EvoDone>, ApiError> {
    let id = instance_of(&call, &name).await?;
    let logout = move |call: EvoCall| async move {
        let instances = &call.services().instances;
        instances.logout(&call.caller, id).await?;
        let deadline = Instant::now() + PATIENCE;
        while instances.find(&call.caller, id).await?.instance.jid.is_some() && Instant::now() < deadline {
            sleep(POLL).await;
        }
        Ok(())
    };
    call.complete(logout).await?;
    Ok(web::Json(EvoDone::new("Instance logged out")))
}

/// Deletes an instance, and unlinks it.
#[utoipa::path(
    delete,
    path = "/instance/delete/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It is gone.", body = EvoDone), Refused)
)]
pub(super) async fn delete(call: EvoCall, name: web::Path<String>) -> Result<web::Json<EvoDone>, ApiError> {
    let id = instance_of(&call, &name).await?;
    call.complete(
        move |call: EvoCall| async move { call.services().instances.delete(&call.caller, id).await },
    )
    .await?;
    Ok(web::Json(EvoDone::new("Instance deleted")))
}
