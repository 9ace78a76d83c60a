//! The page on which an instance is linked: for whoever has its address, be it within somebody else's page.

use actix_web::http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use services::{PageState, QrPage, ServiceError, Visit};

use crate::config::QrPageParents;
use crate::dto::path::{InstancePath, QrPath};
use crate::dto::qr::{PageResponse, QrLinkRequest, QrLinkResponse, Words};
use crate::error::{ApiError, Refused};
use crate::extract::{ClientAddress, InstanceCall, OptionalJsonBody};
use crate::language::Language;
use crate::public;
use crate::state::AppState;

const PAGE: &str = include_str!("../pages/qr.html");

/// The page: the QR code of an instance, renewed by itself, or the code to enter on the phone; made for a frame of 310 by
/// 310 pixels. It posts `{"module": "qr", "message"}` to the page around it: `loading`, `qr` with each new code, `success`,
/// `error`, or `broken` where the address leads nowhere.
#[utoipa::path(
    get,
    path = "/qr/{unique_id}",
    tag = "instances",
    params(QrPath),
    security(()),
    responses((status = 200, description = "The page, in English or Russian.", content_type = "text/html"), Refused)
)]
pub(super) async fn page(
    state: web::Data<AppState>,
    address: web::Path<String>,
    from: ClientAddress,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let first = match state.services.qr_pages.visit(&address, from.0).await? {
        Visit::Page(_) => "loading",
        Visit::Expired => "error",
        Visit::Nowhere => "broken",
    };
    let language = Language::asked(request.headers()).unwrap_or(Language::English);
    let words = Words::of(language);
    let (parents, ancestors) = match &state.qr_page_parents {
        QrPageParents::Everybody => (None, "*".to_owned()),
        QrPageParents::Origins(origins) => (Some(origins), ["'self'", &origins.join(" ")].join(" ")),
    };
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {}",
        ancestors.trim_end()
    );
    let page = json!({"words": words, "parents": parents, "state": first}).to_string();
    let body = PAGE
        .replace("{{nonce}}", &nonce)
        .replace("{{lang}}", language.tag())
        .replace("{{title}}", words.title)
        .replace("{{loading}}", words.loading)
        .replace("{{again}}", words.again)
        .replace("{{confirm}}", words.confirm)
        .replace("{{page}}", &escaped(&page));
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((CONTENT_LANGUAGE, language.tag()))
        .insert_header((VARY, "accept-language"))
        .body(body))
}

/// Begins a linking where none is under way, and answers what the page shows.
#[utoipa::path(
    post,
    path = "/qr/{unique_id}/start",
    tag = "instances",
    params(QrPath),
    security(()),
    responses((status = 200, description = "What the page shows.", body = PageResponse), Refused)
)]
pub(super) async fn start(
    state: web::Data<AppState>,
    address: web::Path<String>,
    from: ClientAddress,
) -> Result<web::Json<PageResponse>, ApiError> {
    let pages = state.services.qr_pages.clone();
    let begin = |page: QrPage| async move { pages.begin(page).await };
    shown(&state, &address, from, begin).await
}

/// What the page shows.
#[utoipa::path(
    get,
    path = "/qr/{unique_id}/state",
    tag = "instances",
    params(QrPath),
    security(()),
    responses((status = 200, description = "What the page shows.", body = PageResponse), Refused)
)]
pub(super) async fn look(
    state: web::Data<AppState>,
    address: web::Path<String>,
    from: ClientAddress,
) -> Result<web::Json<PageResponse>, ApiError> {
    let pages = state.services.qr_pages.clone();
    let look = |page: QrPage| async move { pages.state(page).await };
    shown(&state, &address, from, look).await
}

/// Says that the phone shows the code that is to be compared. Only for a person to say.
#[utoipa::path(
    post,
    path = "/qr/{unique_id}/confirm",
    tag = "instances",
    params(QrPath),
    security(()),
    responses((status = 200, description = "What the page shows.", body = PageResponse), Refused)
)]
pub(super) async fn confirm(
    state: web::Data<AppState>,
    address: web::Path<String>,
    from: ClientAddress,
) -> Result<web::Json<PageResponse>, ApiError> {
    let pages = state.services.qr_pages.clone();
    let confirm = |page: QrPage| async move { pages.confirm(page).await };
    shown(&state, &address, from, confirm).await
}

async fn shown<F>(
    state: &web::Data<AppState>,
    address: &str,
    from: ClientAddress,
    act: impl FnOnce(QrPage) -> F,
) -> Result<web::Json<PageResponse>, ApiError>
where
    F: Future<Output = Result<PageState, ServiceError>> + Send + 'static,
{
    let shown = match state.services.qr_pages.visit(address, from.0).await? {
        Visit::Page(page) => state.changes.complete(act(page)).await?,
        Visit::Expired => PageState::Failed,
        Visit::Nowhere => PageState::Gone,
    };
    Ok(web::Json(PageResponse::from(shown)))
}

/// An address of an instance's QR page that needs no credential, for a while.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/qr-link",
    tag = "instances",
    params(InstancePath),
    request_body = Option<QrLinkRequest>,
    responses((status = 200, description = "The address.", body = QrLinkResponse), Refused)
)]
pub(super) async fn qr_link(
    call: InstanceCall,
    request: HttpRequest,
    OptionalJsonBody(body): OptionalJsonBody<QrLinkRequest>,
) -> Result<web::Json<QrLinkResponse>, ApiError> {
    let link = call.services().qr_pages.link(&call.caller, call.subject, body.expires_in).await;
    let link = link.map_err(ApiError::named(QrLinkRequest::names))?;
    let url = public::address(call.public_url(), &request, &format!("/qr/{}", link.token));
    Ok(web::Json(QrLinkResponse::new(url, link.expires_at)))
}

/// A text as the value of an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
