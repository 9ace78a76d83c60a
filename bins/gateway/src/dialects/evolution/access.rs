//! Who is calling, and how errors are told.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _, web};
use serde::Serialize;
use services::{Caller, Identity, ServiceError};
use storage::{ApiKey as Token, DialectAccess, InstanceId, Json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Response};
use utoipa::{IntoResponses, Modify, ToSchema};
use uuid::Uuid;

use crate::error::{ApiError, refused_with, reworded};
use crate::extract::{Authenticated, Call, ClientAddress, Subject};
use crate::middleware::authenticate;
use crate::state::AppState;

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Under which name the store knows the tokens of instances.
const TOKENS: &str = "evolution-token";
/// Lengths of a token that is given: nobody guesses it.
const TOKEN_LENGTH: RangeInclusive<usize> = 20..=128;

/// A call of this API.
pub(super) type EvoCall = Call<Reach>;

/// Which instances there are for whoever calls.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// All of the user's.
    All,
    /// The one whose token was shown.
    One(InstanceId),
}

impl Subject for Reach {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let reach = request.extensions().get::<Self>().copied();
        reach.ok_or_else(|| ApiError::unauthorized("A credential is required."))
    }
}

/// The token that an instance is to have: the one that is given, or another one.
///
/// # Errors
/// 400 for one that could be guessed.
pub(super) fn token(given: Option<String>) -> Result<Token, ApiError> {
    match given.filter(|token| !token.is_empty()) {
        None => Ok(Token::new(Uuid::new_v4().to_string().to_uppercase())),
        Some(token) if TOKEN_LENGTH.contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Token::new(token))
        }
        Some(_) => {
            let (least, most) = (TOKEN_LENGTH.start(), TOKEN_LENGTH.end());
            let message =
                format!("\"token\" must have {least} to {most} characters of ASCII, and no spaces.");
            Err(ApiError::invalid(message).with_field("token"))
        }
    }
}

/// Has a token open an instance.
///
/// # Errors
/// `Conflict` for one that opens another instance.
pub(super) async fn open_by(call: &EvoCall, id: InstanceId, token: Token) -> Result<(), ServiceError> {
    let access = DialectAccess { key: token, notes: Json::default() };
    call.services().dialects.replace(&call.caller, id, TOKENS, access).await
}

/// Lets only those through who show a user's API key, or the token of an instance, as `apikey`, and tells errors as this
/// API does.
pub(super) async fn by_key(
    route: &'static str,
    state: web::Data<AppState>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = match opened(&state, &request).await {
        Ok(Some((caller, id))) => {
            request.extensions_mut().insert(Reach::One(id));
            go_on(&state, request, next, caller).await?
        }
        Ok(None) => {
            // Called otherwise, it is the same key.
            if let Some(key) = request.headers().get(&API_KEY).cloned() {
                request.headers_mut().insert(X_API_KEY, key);
            }
            request.extensions_mut().insert(Reach::All);
            authenticate(route, state, request, next).await?
        }
        Err(error) => request.error_response(error),
    };
    let mut response = reworded(response, Failed::of);
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    if let Some(status) = error.map(status_of) {
        response.response_mut().head_mut().status = status;
    }
    Ok(response)
}

/// Whose instance the token opens that was shown, and which; `None` when it is none.
async fn opened(
    state: &AppState,
    request: &ServiceRequest,
) -> Result<Option<(Caller, InstanceId)>, ApiError> {
    let shown = request.headers().get(&API_KEY).and_then(|key| key.to_str().ok());
    let Some(token) = shown else { return Ok(None) };
    let auth = &state.services.auth;
    // What opens nothing may be a user's key: it is looked at, and counted, as such.
    if !auth.opens_instance(TOKENS, token).await? {
        return Ok(None);
    }
    let from = request.extensions().get::<ClientAddress>().copied().ok_or_else(ApiError::internal)?;
    let (caller, instance) = auth.by_instance_key(TOKENS, token, from.0).await?;
    state.count_call(&caller, instance).await?;
    Ok(Some((caller, instance)))
}

async fn go_on(
    state: &AppState,
    request: ServiceRequest,
    next: Next<BoxBody>,
    caller: Caller,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let identity = Identity { caller, key: None };
    let left = match state.rates.take(&identity) {
        Ok(left) => left,
        Err(error) => return Ok(request.error_response(error)),
    };
    request.extensions_mut().insert(Authenticated(identity));
    let mut response = next.call(request).await?;
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// A name that is taken is forbidden here, and what an instance can't do as it stands is a wrong request.
fn status_of(error: &ApiError) -> StatusCode {
    match (error.status_code(), error.code()) {
        (StatusCode::CONFLICT, "taken") => StatusCode::FORBIDDEN,
        (StatusCode::CONFLICT, _) => StatusCode::BAD_REQUEST,
        (status, _) => status,
    }
}

/// Every error.
#[derive(Serialize, ToSchema)]
#[schema(as = EvolutionError)]
pub(super) struct Failed {
    status: u16,
    error: &'static str,
    response: FailedWhy,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EvolutionErrorWhy)]
struct FailedWhy {
    message: Vec<String>,
    /// For programs: it stays.
    code: &'static str,
    /// The field or parameter of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// How the description speaks of every answer that isn't a success.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused_with("EvolutionError")
    }
}

impl Failed {
    fn of(error: &ApiError) -> Self {
        let status = status_of(error);
        Self {
            status: status.as_u16(),
            error: status.canonical_reason().unwrap_or("Error"),
            response: FailedWhy {
                message: vec![error.message().to_owned()],
                code: error.code(),
                field: error.field().map(str::to_owned),
            },
        }
    }
}

/// The ways to say who is calling.
pub(super) struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("apikey")));
        document.components.get_or_insert_default().add_security_scheme("evolutionKey", scheme);
    }
}
