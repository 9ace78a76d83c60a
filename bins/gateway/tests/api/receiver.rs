use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A webhook consumer on loopback that keeps every call.
pub struct Receiver {
    url: String,
    desk: web::Data<Desk>,
    calls: watch::Receiver<Vec<Call>>,
}

/// One webhook call, as it came.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub raw: Vec<u8>,
    pub body: Value,
}

struct Desk {
    answer: AtomicU16,
    receipts: AtomicBool,
    seen: watch::Sender<Vec<Call>>,
}

impl Receiver {
    pub fn start() -> Self {
        let (seen, calls) = watch::channel(Vec::new());
        let desk =
            web::Data::new(Desk { answer: AtomicU16::new(200), receipts: AtomicBool::new(false), seen });
        let shared = desk.clone();
        let server =
            HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(take)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .expect("a free port");
        let url = format!("http://{}/hook", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, desk, calls }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on every call is answered with this status.
    pub fn answer(&self, status: u16) {
        self.desk.answer.store(status, Ordering::Relaxed);
    }

    /// The first call of this event whose data `wanted` recognises, now or later.
    pub async fn wait_for(&self, event: &str, wanted: impl Fn(&Value) -> bool) -> Call {
        let mut calls = self.calls.clone();
        let is_it = |call: &&Call| call.body["event"] == event && wanted(&call.body["data"]);
        let patience = std::time::Duration::from_secs(60);
        let waiting = calls.wait_for(|calls| calls.iter().any(|call| is_it(&call)));
        let found = tokio::time::timeout(patience, waiting).await;
        let found = found.unwrap_or_else(|_| panic!("no {event} arrived")).expect("receiver lives");
        found.iter().find(is_it).cloned().expect("it is there")
    }

    /// The first call that `wanted` recognises, whatever its form, now or later.
    pub async fn wait_for_call(&self, wanted: impl Fn(&Call) -> bool) -> Call {
        let mut calls = self.calls.clone();
        let patience = std::time::Duration::from_secs(60);
        let waiting = calls.wait_for(|calls| calls.iter().any(&wanted));
        if let Ok(found) = tokio::time::timeout(patience, waiting).await {
            let found = found.expect("receiver lives");
            return found.iter().find(|call| wanted(call)).cloned().expect("it is there");
        }
        let came: Vec<_> = self.calls.borrow().iter().map(|call| call.body.to_string()).collect();
        panic!("no such call among {came:#?}")
    }

    /// Calls are answered with their own receipt from now on: `{"result": "OK", "id"}`.
    pub fn give_receipts(&self) {
        self.desk.receipts.store(true, Ordering::Relaxed);
    }

    /// The ids of the events that came, in the order of the calls.
    pub fn ids(&self) -> Vec<String> {
        let calls = self.calls.borrow();
        calls.iter().map(|call| call.body["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// All calls, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    pub fn count(&self, event: &str) -> usize {
        self.calls.borrow().iter().filter(|call| call.body["event"] == event).count()
    }
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

async fn take(desk: web::Data<Desk>, request: HttpRequest, raw: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()));
    let call = Call {
        path: request.path().to_owned(),
        headers: headers.collect(),
        raw: raw.to_vec(),
        body: serde_json::from_slice(&raw).unwrap_or(Value::Null),
    };
    let receipt = json!({"result": "OK", "id": call.body["id"]});
    desk.seen.send_modify(|seen| seen.push(call));
    let status = desk.answer.load(Ordering::Relaxed);
    let mut answer = HttpResponse::build(actix_web::http::StatusCode::from_u16(status).expect("a status"));
    match desk.receipts.load(Ordering::Relaxed) {
        true => answer.json(receipt),
        false => answer.finish(),
    }
}
