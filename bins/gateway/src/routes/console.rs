//! The console's page at `/`, and what it is made of.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName,
    IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::nowhere;
use crate::console::{self, File};
use crate::error::{ApiError, Refused};

/// Scripts, styles and calls of this host alone, nothing inline, and no text can become an element (`trusted-types`). Pictures
/// and sounds may be made by the page: a QR code, a file that is about to be sent.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// The page changes with the binary, and is asked for each time.
const PAGE_CACHING: &str = "no-cache";
/// What has a version in its path never changes.
const FILE_CACHING: &str = "public, max-age=31536000, immutable";

/// The console, for browsers: whoever doesn't ask for a page finds nothing here.
///
/// What it shows, it asks of this API with the credential that one signs in for.
#[utoipa::path(
    get,
    path = "/",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "A page.", content_type = "text/html", body = String), Refused)
)]
pub(super) async fn console_page(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = console::page().filter(|_| names(&request, &ACCEPT, "text/html")).ok_or_else(nowhere)?;
    let tag = format!("\"{}\"", console::present());
    let is_known = names(&request, &IF_NONE_MATCH, &tag);
    let mut response =
        dressed(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, PAGE_CACHING);
    response.insert_header((ETAG, tag));
    Ok(if is_known { response.finish() } else { filled(response, page, &request) })
}

/// What the console is made of.
#[utoipa::path(
    get,
    path = "/console/{version}/{file}",
    tag = "gateway",
    security(()),
    params(
        ("version" = String, Path, description = "The version that the page names."),
        ("file" = String, Path, description = "Its name.")
    ),
    responses(
        (
            status = 200,
            description = "A script, a style sheet or the words of a language.",
            content((String = "text/javascript"), (String = "text/css"), (String = "application/json"))
        ),
        Refused
    )
)]
pub(super) async fn console_file(
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = console::file(&version, &name).ok_or_else(nowhere)?;
    Ok(filled(dressed(StatusCode::OK, FILE_CACHING), file, &request))
}

/// An answer with the headers of the console: that nothing has changed has them, too, since browsers take them for those of
/// what they have.
fn dressed(status: StatusCode, caching: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((VARY, "accept-encoding"));
    response
}

fn filled(mut response: HttpResponseBuilder, file: &File, request: &HttpRequest) -> HttpResponse {
    response.content_type(file.content_type());
    if names(request, &ACCEPT_ENCODING, "gzip") {
        return response.insert_header((CONTENT_ENCODING, "gzip")).body(file.compressed());
    }
    response.body(file.plain.clone())
}

/// Whether a header lists this word, whatever weight it gives it.
fn names(request: &HttpRequest, header: &HeaderName, word: &str) -> bool {
    let listed = request.headers().get_all(header).filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .any(|item| item.split(';').next().is_some_and(|it| it.trim() == word))
}
