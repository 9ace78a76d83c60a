use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};

use crate::sliced::sliced;
use crate::state::AppState;

/// This description of the API.
///
/// It holds no secret and nothing of any user, so it needs no credential.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "An OpenAPI document.", body = Object))
)]
pub(super) async fn document(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(sliced(state.document.clone()))
}
