//! Taking a linked device over from another gateway.

use actix_web::web;
use storage::Clock;

use crate::dto::import::{ImportRequest, ImportResponse};
use crate::dto::path::InstancePath;
use crate::error::{ApiError, Refused};
use crate::extract::{InstanceCall, LargeJsonBody};
use crate::moving;

/// Has the instance go on with a device of another gateway, without linking it anew.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/import",
    tag = "instances",
    params(InstancePath),
    request_body = ImportRequest,
    responses((status = 200, description = "What was taken over.", body = ImportResponse), Refused)
)]
pub(super) async fn import(
    call: InstanceCall,
    LargeJsonBody(body): LargeJsonBody<ImportRequest>,
) -> Result<web::Json<ImportResponse>, ApiError> {
    let ImportRequest { baileys, old_side_stopped, dry_run } = body;
    call.services().instances.check_can_import(&call.caller, call.subject).await?;
    if !old_side_stopped && !dry_run {
        let told = "Stop the old gateway for good, and say so: two that go on with the same keys break them for both.";
        return Err(ApiError::invalid(told).with_field("oldSideStopped"));
    }
    let now = Clock::system().now().seconds();
    let import = moving::read_document(baileys, now).await.ok_or_else(ApiError::internal)?;
    let import = import.map_err(|error| ApiError::invalid(format!("{error}.")).with_field("baileys"))?;
    let answer = ImportResponse::of(&import, dry_run);
    if !dry_run {
        let take = move |call: InstanceCall| async move {
            call.services().instances.import(&call.caller, call.subject, import).await
        };
        call.complete(take).await?;
    }
    Ok(web::Json(answer))
}
