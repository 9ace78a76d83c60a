use super::DemoError;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use tokio::sync::watch;
use webhook::Signer;

/// The consumer's side of a webhook: takes what comes, keeps it if its signature is right.
pub(super) struct Receiver {
    base: String,
    arrivals: watch::Receiver<Vec<Arrival>>,
    server: ServerHandle,
}

/// One accepted webhook request.
#[derive(Debug, Clone)]
struct Arrival {
    /// The path it came to: one per instance.
    path: String,
    body: Value,
}

struct Desk {
    signer: Signer,
    accepted: watch::Sender<Vec<Arrival>>,
}

impl Receiver {
    /// Listens on a free loopback port; `secret` is the one that webhooks are signed with.
    pub(super) fn start(secret: &str) -> Result<Self, DemoError> {
        let (accepted, arrivals) = watch::channel(Vec::new());
        let desk = web::Data::new(Desk { signer: Signer::new(secret), accepted });
        let server = HttpServer::new(move || {
            App::new().app_data(desk.clone()).default_service(web::post().to(accept))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .map_err(|error| DemoError::new(format!("the webhook receiver can't listen: {error}")))?;
        let address = server.addrs().first().copied();
        let address = address.ok_or_else(|| DemoError::new("the webhook receiver has no address"))?;
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { base: format!("http://{address}"), arrivals, server: handle })
    }

    /// The webhook URL for one instance.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    /// The data of the first `event` that came to `name` and that `wanted` recognises, now or later.
    pub(super) async fn wait_for(
        &mut self,
        name: &str,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, DemoError> {
        let path = format!("/{name}");
        let matches = |arrival: &&Arrival| {
            arrival.path == path && arrival.body["event"] == event && wanted(&arrival.body["data"])
        };
        let found = self
            .arrivals
            .wait_for(|all| all.iter().any(|arrival| matches(&arrival)))
            .await
            .map_err(|_| DemoError::new("the webhook receiver stopped"))?;
        let data = found.iter().find(matches).map(|arrival| arrival.body["data"].clone());
        data.ok_or_else(|| DemoError::new("a webhook was lost"))
    }

    pub(super) async fn stop(&self) {
        self.server.stop(false).await;
    }
}

async fn accept(desk: web::Data<Desk>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let signature = request.headers().get("x-webhook-signature").and_then(|value| value.to_str().ok());
    if !signature.is_some_and(|signature| desk.signer.verify(&body, signature)) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(body) = serde_json::from_slice(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let arrival = Arrival { path: request.path().to_owned(), body };
    desk.accepted.send_modify(|all| all.push(arrival));
    HttpResponse::Ok().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn only_signed_webhooks_are_kept() {
        let mut receiver = Receiver::start("secret").unwrap();
        crate::application::install_crypto();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = r#"{"event":"message_received","data":{"body":"hi"}}"#;
        let post = |signature: String| {
            client.post(receiver.url("alice")).header("x-webhook-signature", signature).body(body).send()
        };
        assert_eq!(post("00".to_owned()).await.unwrap().status(), 401);
        assert!(receiver.arrivals.borrow().is_empty());
        let signature = Signer::new("secret").sign(body.as_bytes());
        assert_eq!(post(signature).await.unwrap().status(), 200);
        let data = receiver.wait_for("alice", "message_received", |_| true).await.unwrap();
        assert_eq!(data["body"], "hi");
        receiver.stop().await;
    }
}
