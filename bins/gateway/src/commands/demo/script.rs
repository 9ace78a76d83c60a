use serde_json::Value;
use tokio::time::Instant;

use super::DemoError;
use super::gateway::{CreatedInstance, Gateway};
use super::http::Http;
use super::phones::{Phone, Phones};
use super::receiver::Receiver;
use super::stage::{Mark, Stage};

/// Signs the demonstration's webhooks. No secret of anybody's: it lives as long as the temporary folder.
const WEBHOOK_SECRET: &str = "demo-webhook-secret";

/// The play: who does what, in order.
pub(super) struct Script {
    gateway: Gateway,
    phones: Phones,
    receiver: Receiver,
}

/// One account: a person's phone and the instance that is linked to it.
struct Talker {
    /// Also the path of the account's webhook.
    name: &'static str,
    phone: Phone,
    instance: CreatedInstance,
}

impl Script {
    pub(super) fn new(gateway: &str, api_key: &str, simulator: &str) -> Result<Self, DemoError> {
        let http = Http::new()?;
        Ok(Self {
            gateway: Gateway::new(http.with_api_key(api_key), gateway.to_owned()),
            phones: Phones::new(http, simulator.to_owned()),
            receiver: Receiver::start(WEBHOOK_SECRET)?,
        })
    }

    pub(super) async fn play(&mut self, stage: &mut Stage) -> Result<(), DemoError> {
        let alice = self.link(stage, "Alice", "15550100001").await?;
        let bob = self.link(stage, "Bob", "15550100002").await?;
        self.talk(stage, &alice, &bob, "Hello Bob, this went through REST.").await?;
        self.talk(stage, &bob, &alice, "Hello Alice, and this came back.").await?;
        Ok(())
    }

    /// Stops to take webhooks.
    pub(super) async fn end(&self) {
        self.receiver.stop().await;
    }

    /// Creates an instance and lets a phone scan its QR code.
    async fn link(&self, stage: &mut Stage, name: &'static str, number: &str) -> Result<Talker, DemoError> {
        let began = Instant::now();
        let instance = self.gateway.create(name, &self.receiver.url(name), WEBHOOK_SECRET).await?;
        stage.step(Mark::Done, &format!("{name}: instance"), "POST /api/instances", began.elapsed())?;

        let began = Instant::now();
        let qr = self.gateway.qr(&instance).await?;
        let call = format!("GET /api/instances/…/qr, {} characters", qr.len());
        stage.step(Mark::Done, &format!("{name}: QR code"), &call, began.elapsed())?;
        stage.qr(&qr)?;

        let began = Instant::now();
        let phone = self.phones.create(number, name).await?;
        self.phones.scan(&phone, &qr).await?;
        self.gateway.until_ready(&instance).await?;
        let linked = format!("phone +{} scanned it, connected", phone.number);
        stage.step(Mark::Done, &format!("{name}: linked"), &linked, began.elapsed())?;
        Ok(Talker { name, phone, instance })
    }

    /// One text from one account to the other, followed to the recipient's webhook.
    async fn talk(
        &mut self,
        stage: &mut Stage,
        from: &Talker,
        to: &Talker,
        text: &str,
    ) -> Result<(), DemoError> {
        let began = Instant::now();
        let id = self.gateway.send(&from.instance, &to.phone.number, text).await?;
        let detail = format!("{text:?}, acknowledged");
        stage.step(Mark::Out, &format!("{} to {}", from.name, to.name), &detail, began.elapsed())?;

        let is_it = |data: &Value| data["messageId"] == id.as_str() && data["body"] == text;
        self.receiver.wait_for(to.name, "message_received", is_it).await?;
        let detail = "message_received, signature verified";
        stage.step(Mark::In, &format!("webhook of {}", to.name), detail, began.elapsed())?;
        self.receiver.wait_for(from.name, "message_sent", is_it).await?;
        let detail = "message_sent, signature verified";
        stage.step(Mark::In, &format!("webhook of {}", from.name), detail, began.elapsed())?;

        let inbox = self.phones.inbox(&to.phone).await?;
        if !inbox.iter().any(|received| received.text == text) {
            return Err(DemoError::new(format!("{}'s phone did not get the text", to.name)));
        }
        Ok(())
    }
}
