//! The two files of WhatsApp Web that name its newest version (PROTOCOL.md 3).

use hyper::{Method, Request, StatusCode, body::Incoming, header};

use super::{Doors, Reply, request};
use crate::ControlError;

/// `/sw.js`.
pub(super) fn service_worker(doors: &Doors, request: &Request<Incoming>) -> Reply {
    match *request.method() {
        Method::GET => request::reply(
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            doors.world.versions.service_worker(),
        ),
        _ => not_allowed(request),
    }
}

/// The page. Who doesn't navigate to it like a browser is shown one that names nothing.
pub(super) fn page(doors: &Doors, request: &Request<Incoming>) -> Reply {
    let says = |name: &str, value: &str| request.headers().get(name).is_some_and(|found| found == value);
    let is_browser = request.headers().contains_key(header::USER_AGENT)
        && says("sec-fetch-dest", "document")
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-site", "none");
    match *request.method() {
        Method::GET if is_browser => {
            request::reply(StatusCode::OK, "text/html; charset=utf-8", doors.world.versions.page())
        }
        Method::GET => {
            let body = "<!DOCTYPE html><html><body>Update your browser to use WhatsApp</body></html>\n";
            request::reply(StatusCode::OK, "text/html; charset=utf-8", body)
        }
        _ => not_allowed(request),
    }
}

fn not_allowed(request: &Request<Incoming>) -> Reply {
    request::refuse(&ControlError::MethodNotAllowed(request.method().to_string()))
}
