//! What an embedder asks for besides sending.

use tokio::sync::oneshot;
use wa_binary::Node;

use crate::handle::{OnWhatsApp, Presence, ReadReceipt, Reply, RequestError};
use crate::instance::End;
use crate::iq;
use crate::look_up::Answered;
use crate::online::Online;

/// Numbers that one call may ask about.
const MAX_NUMBERS: usize = 1000;

impl Online<'_> {
    /// Sends a read receipt, after asking once whether the account gives any to others.
    pub(crate) async fn mark_read(&mut self, read: ReadReceipt, reply: Reply<()>) -> Result<(), End> {
        if let Some(others_may_know) = self.read_receipts {
            return self.send_read(read, others_may_know, reply).await;
        }
        let asker = self.requests.asker(self.shared.config.iq_timeout);
        self.look_ups.start(async move {
            let answer = asker.ask(iq::account::privacy()).await;
            Answered::Privacy { answer, read: Box::new(read), reply }
        });
        Ok(())
    }

    pub(crate) async fn on_privacy(
        &mut self,
        answer: &Result<Node<'static>, RequestError>,
        read: ReadReceipt,
        reply: oneshot::Sender<Result<(), RequestError>>,
    ) -> Result<(), End> {
        match answer {
            Ok(answer) => {
                let others_may_know = iq::account::sends_read_receipts(answer);
                self.read_receipts = Some(others_may_know);
                self.send_read(read, others_may_know, reply).await
            }
            Err(error) => {
                let _ = reply.send(Err(error.clone()));
                Ok(())
            }
        }
    }

    async fn send_read(
        &mut self,
        read: ReadReceipt,
        others_may_know: bool,
        reply: Reply<()>,
    ) -> Result<(), End> {
        let kind = if others_may_know && !read.chat.is_newsletter() { "read" } else { "read-self" };
        self.send_read_receipt(&read, kind).await?;
        let _ = reply.send(Ok(()));
        Ok(())
    }

    /// Asks which numbers have WhatsApp.
    pub(crate) fn resolve(&mut self, numbers: &[String], reply: Reply<Vec<OnWhatsApp>>) {
        let asked: Vec<_> = numbers.iter().map(|number| iq::usync::digits(number)).collect();
        if asked.len() > MAX_NUMBERS || asked.iter().any(String::is_empty) {
            let why = format!("give at most {MAX_NUMBERS} numbers, each with digits");
            let _ = reply.send(Err(RequestError::Invalid(why)));
            return;
        }
        let asker = self.requests.asker(self.shared.config.iq_timeout);
        let sid = self.requests.spare_id();
        let numbers = numbers.to_vec();
        self.look_ups.start(async move {
            let query = iq::usync::contacts(&sid, asked.iter().map(String::as_str));
            let contacts =
                asker.ask(query).await.and_then(|answer| iq::usync::parse_contacts(&answer, &asked));
            let as_asked = |(number, contact): (String, OnWhatsApp)| OnWhatsApp { number, ..contact };
            let contacts = contacts.map(|contacts| numbers.into_iter().zip(contacts).map(as_asked).collect());
            Answered::Contacts { contacts, reply }
        });
    }

    pub(crate) async fn on_contacts(
        &mut self,
        contacts: Result<Vec<OnWhatsApp>, RequestError>,
        reply: Reply<Vec<OnWhatsApp>>,
    ) -> Result<(), End> {
        for contact in contacts.iter().flatten() {
            if let (Some(pn), Some(lid)) = (&contact.pn, &contact.lid) {
                self.account.learn_lid(&*self.shared.store, pn, lid).await?;
            }
        }
        self.timers.in_use();
        let _ = reply.send(contacts);
        self.commit_if_urgent().await
    }

    /// Shows the account as available or not (protocol.md 26).
    pub(crate) async fn announce(&mut self, presence: Presence) -> Result<(), End> {
        self.available = presence == Presence::Available;
        let kind = if self.available { "available" } else { "unavailable" };
        let name = Some(self.account.device.push_name.clone()).filter(|name| !name.is_empty());
        Ok(self.link.send(&Node::new("presence").attr("type", kind).opt_attr("name", name)).await?)
    }
}
