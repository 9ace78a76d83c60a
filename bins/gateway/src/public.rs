//! Where others reach the gateway.

use actix_web::HttpRequest;
use actix_web::http::header;
use reqwest::Url;

/// The address of a path, for others: below `PUBLIC_URL`, or where there is none below the host that this request names.
pub(crate) fn address(public_url: Option<&Url>, request: &HttpRequest, path: &str) -> String {
    match public_url {
        Some(url) => format!("{}{path}", url.as_str().trim_end_matches('/')),
        None => {
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
            format!("http://{}{path}", host.unwrap_or("localhost"))
        }
    }
}
