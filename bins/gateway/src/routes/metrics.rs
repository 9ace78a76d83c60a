use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

use crate::error::{ApiError, Refused};
use crate::extract::{ClientAddress, identify_operator};
use crate::metrics;
use crate::state::AppState;

/// What goes on in this process, in the text format of Prometheus; for administrators, and whoever shows `METRICS_TOKEN` as
/// a bearer token.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "gateway",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain"), Refused)
)]
pub(super) async fn metrics(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let from = request.extensions().get::<ClientAddress>().copied().ok_or_else(ApiError::internal)?;
    identify_operator(request.headers(), from, &state).await?;
    let text = metrics::text(&state).await;
    Ok(HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(text))
}
