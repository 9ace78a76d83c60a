use actix_web::HttpResponse;

use crate::dto::audit::{AuditParameters, AuditResponse};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, Query};

/// Who did what, when and from where, newest first: changes of users, keys, instances and webhooks, and who logged in or
/// could not. For administrators.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "users",
    params(AuditParameters),
    responses((status = 200, description = "A page of the log.", body = AuditResponse), Refused)
)]
pub(super) async fn audit(
    call: Call,
    Query(parameters): Query<AuditParameters>,
) -> Result<HttpResponse, ApiError> {
    let page = call.services().users.audited(&call.caller, &parameters.query()).await?;
    call.answer(AuditResponse::of(page))
}
