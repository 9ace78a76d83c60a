//! Who is calling: whoever has the key of an instance.

use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use serde::Serialize;
use services::{Caller, Identity};
use storage::InstanceId;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Response};
use utoipa::{IntoResponses, Modify, ToSchema};

use super::key::DIALECT;
use crate::error::{ApiError, refused_with, reworded};
use crate::extract::{Authenticated, ClientAddress, Subject};
use crate::state::AppState;

/// Most instances of a group.
const MOST_OF_A_GROUP: usize = 100;

/// The instance that the key of a call opens, with that key.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) id: InstanceId,
}

/// The instances that the keys of a call open, each with its key.
#[derive(Clone)]
pub(super) struct Group(pub(super) Vec<(String, InstanceId)>);

impl Subject for Opened {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        request.extensions().get::<Self>().cloned().ok_or_else(refused)
    }
}

impl Subject for Group {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        request.extensions().get::<Self>().cloned().ok_or_else(refused)
    }
}

/// Lets only those through who show the key of an instance as `wid`, and tells errors as this API does.
pub(super) async fn by_wid(
    _route: &'static str,
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let opened = match parameter(&request, "wid") {
        Some(wid) => opened(&state, &request, &wid).await,
        None => Err(refused()),
    };
    match opened {
        Ok((caller, id)) => match state.count_call(&caller, id).await {
            Ok(()) => go_on(&state, request, next, caller, Opened { id }).await,
            Err(error) => Ok(reworded(request.error_response(ApiError::from(error)), Failed::of)),
        },
        Err(error) => Ok(reworded(request.error_response(error), Failed::of)),
    }
}

/// The same for the keys of several instances of one user, separated by commas, as `gid`.
pub(super) async fn by_gid(
    _route: &'static str,
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match group(&state, &request).await {
        Ok((caller, group)) => {
            // It shows how they are, and begins and ends them: that they may even when their calls are used up.
            group.0.iter().for_each(|(_, id)| state.services.meter.api_call(*id));
            go_on(&state, request, next, caller, group).await
        }
        Err(error) => Ok(reworded(request.error_response(error), Failed::of)),
    }
}

async fn go_on(
    state: &AppState,
    request: ServiceRequest,
    next: Next<BoxBody>,
    caller: Caller,
    subject: impl Clone + 'static,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let identity = Identity { caller, key: None };
    let left = match state.rates.take(&identity) {
        Ok(left) => left,
        Err(error) => return Ok(reworded(request.error_response(error), Failed::of)),
    };
    request.extensions_mut().insert(Authenticated(identity));
    request.extensions_mut().insert(subject);
    let mut response = reworded(next.call(request).await?, Failed::of);
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

async fn group(state: &AppState, request: &ServiceRequest) -> Result<(Caller, Group), ApiError> {
    let gid = parameter(request, "gid").ok_or_else(refused)?;
    let (mut group, mut owner) = (Vec::new(), None::<Caller>);
    for wid in gid.split(',').map(str::trim).take(MOST_OF_A_GROUP) {
        let (caller, id) = opened(state, request, wid).await?;
        if owner.is_some_and(|owner| owner.user != caller.user) {
            return Err(refused());
        }
        owner = Some(caller);
        group.push((wid.to_uppercase(), id));
    }
    owner.map(|owner| (owner, Group(group))).ok_or_else(refused)
}

async fn opened(
    state: &AppState,
    request: &ServiceRequest,
    wid: &str,
) -> Result<(Caller, InstanceId), ApiError> {
    let from = request.extensions().get::<ClientAddress>().copied().ok_or_else(ApiError::internal)?;
    let key = wid.to_uppercase();
    Ok(state.services.auth.by_instance_key(DIALECT, &key, from.0).await?)
}

/// A parameter of the query, whatever the case of its name: `wid` or `WID`.
fn parameter(request: &ServiceRequest, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?.into_inner();
    pairs.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn refused() -> ApiError {
    ApiError::unauthorized("This needs the key of an instance: ?wid=<WebID>.")
}

/// Every error: each of the marks by which the commands tell success says that this is none.
#[derive(Serialize, ToSchema)]
#[schema(as = WitiError)]
pub(super) struct Failed {
    status: u8,
    success: bool,
    sucesso: bool,
    /// Where a command that sends tells its message.
    message: Option<&'static str>,
    /// Where a command about somebody tells their profile.
    mensagem: Option<&'static str>,
    error: String,
    /// For programs: it stays.
    code: &'static str,
    /// The field or parameter of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    ttl: u64,
}

/// How the description speaks of every answer that isn't a success.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused_with("WitiError")
    }
}

impl Failed {
    fn of(error: &ApiError) -> Self {
        Self {
            status: 0,
            success: false,
            sucesso: false,
            message: None,
            mensagem: None,
            error: error.message().to_owned(),
            code: error.code(),
            field: error.field().map(str::to_owned),
            ttl: 0,
        }
    }
}

/// The ways to say who is calling.
pub(super) struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for name in ["wid", "gid"] {
            let scheme = SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new(name)));
            components.add_security_scheme(name, scheme);
        }
    }
}
