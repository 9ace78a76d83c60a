//! A page on which the API can be read and tried. It is made of the description that `/openapi.json` serves, and of nothing
//! that another host would have to give.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};

use super::nowhere;
use crate::error::{ApiError, Refused};
use crate::sliced::sliced;

/// Scripts, styles and calls of this host alone; nothing inline, so that no text of the description can become code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
/// They change with the binary.
const CACHING: &str = "no-cache";

/// The API as a page, to read and to try.
///
/// What it calls, it calls with the credential that is typed into it, which it keeps nowhere.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "A page.", content_type = "text/html", body = String))
)]
pub(super) async fn page() -> HttpResponse {
    asset("text/html; charset=utf-8", include_str!("../pages/docs.html"))
}

/// What the page is made of.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "gateway",
    security(()),
    params(("file" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "A script or a style sheet.", content((String = "text/javascript"), (String = "text/css"))),
        Refused
    )
)]
pub(super) async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    match name.as_str() {
        "docs.js" => Ok(asset("text/javascript; charset=utf-8", include_str!("../pages/docs.js"))),
        "schema.js" => Ok(asset("text/javascript; charset=utf-8", include_str!("../pages/schema.js"))),
        "docs.css" => Ok(asset("text/css; charset=utf-8", include_str!("../pages/docs.css"))),
        _ => Err(nowhere()),
    }
}

fn asset(content_type: &str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, CACHING))
        .body(sliced(Bytes::from_static(content.as_bytes())))
}
