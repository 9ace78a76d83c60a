//! How long requests take, by route.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use parking_lot::Mutex;
use storage::{Distribution, Histogram};

/// The pattern of a route, such as `/api/instances/{id}`: the table of routes puts it beside each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route(pub(crate) &'static str);

impl Route {
    /// What has no route.
    pub(crate) const NONE: &'static str = "none";

    /// The pattern of the route that a request has taken. Searching for it would take as long as the routing.
    pub(crate) fn of(request: &HttpRequest) -> &'static str {
        request.app_data::<Self>().map_or(Self::NONE, |route| route.0)
    }
}

/// Seconds: from what is answered from memory to a send that waits for WhatsApp.
const BOUNDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Times by labels that have few values each.
#[derive(Default)]
pub(crate) struct HttpTimes {
    times: Mutex<BTreeMap<Labels, Histogram>>,
}

/// By what times are told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    pub(crate) route: &'static str,
    pub(crate) method: &'static str,
    pub(crate) status: &'static str,
}

impl HttpTimes {
    /// Counts an answer.
    pub(crate) fn took(&self, route: &'static str, method: &Method, status: StatusCode, time: Duration) {
        // Any method can be tried on any route.
        let route = if status == StatusCode::METHOD_NOT_ALLOWED { Route::NONE } else { route };
        let labels = Labels { route, method: word(method), status: kind(status) };
        let mut times = self.times.lock();
        times.entry(labels).or_insert_with(|| Histogram::new(BOUNDS)).record_time(time);
    }

    pub(crate) fn read(&self) -> Vec<(Labels, Distribution)> {
        self.times.lock().iter().map(|(labels, times)| (*labels, times.read())).collect()
    }
}

/// Methods are the client's to choose, labels aren't.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
