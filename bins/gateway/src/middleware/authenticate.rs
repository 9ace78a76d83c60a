use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, ResponseError as _, web};

use crate::extract::identify;
use crate::state::AppState;

/// Lets only requests with a good credential through, before anything of their body is read. It is wrapped around each
/// route, not around paths: so it decides by the route that will run, whichever way its path was written.
pub(crate) async fn authenticate(
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match identify(request.headers(), &state.services).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
        }
        Err(error) => return Ok(request.into_response(error.error_response())),
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}
