use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use services::{Caller, Identity};
use storage::InstanceId;

use super::scope;
use crate::error::ApiError;
use crate::extract::{Authenticated, ClientAddress, check_heeded, identify};
use crate::rates::Left;
use crate::state::AppState;

/// Lets only requests through whose credential is good, and opens this route, before anything of their body is read. It is
/// wrapped around each route, not around paths: so it decides by the route that will run, whichever way its path was
/// written.
pub(crate) async fn authenticate(
    route: &'static str,
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (caller, left) = match admit(route, &state, &request).await {
        Ok((identity, left)) => {
            let caller = identity.caller;
            request.extensions_mut().insert(Authenticated(identity));
            (caller, left)
        }
        Err(error) => return Ok(request.error_response(error)),
    };
    let instance = instance_of(route, &request);
    let mut response = next.call(request).await?;
    // What doesn't exist for the caller isn't counted: so whatever is counted exists, and nobody uses up what is another's.
    if let Some(instance) = instance
        && is_of(&caller, instance, response.status(), &state).await
    {
        state.services.meter.api_call(instance);
    }
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// Whether a call that was answered like this was about an instance of the caller's.
async fn is_of(caller: &Caller, instance: InstanceId, answer: StatusCode, state: &AppState) -> bool {
    match answer {
        StatusCode::NOT_FOUND => false,
        // Whoever was given something was known by it.
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => true,
        // A body can be refused before anybody looks whose instance it is about.
        _ => state.services.instances.status(caller, instance).await.is_ok(),
    }
}

async fn admit(
    route: &str,
    state: &AppState,
    request: &ServiceRequest,
) -> Result<(Identity, Option<Left>), ApiError> {
    let from = request.extensions().get::<ClientAddress>().copied().ok_or_else(ApiError::internal)?;
    let identity = identify(request.headers(), from, &state.services).await?;
    // Counted first: who asks for what isn't opened asks, too.
    let left = state.rates.take(&identity)?;
    if let Some(key) = &identity.key {
        scope::check(key, request.method(), route, request.match_info().get("id"))?;
    }
    check_heeded(request.method(), route, request.headers())?;
    if let Some(instance) = instance_of(route, request)
        && state.services.quotas.limits_calls(identity.caller.user, instance)
        && !is_about_limits(route)
    {
        state.services.quotas.check_call(instance).await?;
    }
    Ok((identity, left))
}

/// The instance that a call is about, if it is about one.
fn instance_of(route: &str, request: &ServiceRequest) -> Option<InstanceId> {
    let is_about_one = route.contains("/instances/{id}") || route.contains("/whatsapp/{id}");
    request.match_info().get("id").filter(|_| is_about_one)?.parse().ok()
}

/// Whoever has used up the calls of an instance can still see that, and change or delete it.
fn is_about_limits(route: &str) -> bool {
    route == "/api/instances/{id}" || route == "/api/stats/instances/{id}"
}
