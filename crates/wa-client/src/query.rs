//! What an embedder asks for besides sending.

use wa_binary::{Jid, Node, Server};

use crate::command::{ReadReceipt, Reply};
use crate::context::Context;
use crate::end::End;
use crate::iq;
use crate::look_up::Answered;
use crate::request::{OnWhatsApp, Presence, RequestError};

/// Numbers that one call may ask about.
const MAX_NUMBERS: usize = 1000;

/// Answers what the embedder asks, and knows what is asked once per connection.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    /// Whether others may learn what was read, once that is known.
    read_receipts: Option<bool>,
}

impl Queries {
    /// Sends a read receipt, after asking once whether the account gives any to others.
    pub(crate) async fn mark_read(
        &mut self,
        context: &mut Context<'_>,
        read: Box<ReadReceipt>,
        reply: Reply<()>,
    ) -> Result<(), End> {
        if let Some(others_may_know) = self.read_receipts {
            return send_read(context, &read, others_may_know, reply).await;
        }
        context.look_up(|asker| async move {
            let answer = asker.ask(iq::account::privacy()).await;
            Answered::Privacy { answer, read, reply }
        });
        Ok(())
    }

    /// The account's privacy settings are here.
    pub(crate) async fn on_privacy(
        &mut self,
        context: &mut Context<'_>,
        answer: Result<Node<'static>, RequestError>,
        read: &ReadReceipt,
        reply: Reply<()>,
    ) -> Result<(), End> {
        match answer {
            Ok(answer) => {
                let others_may_know = iq::account::sends_read_receipts(&answer);
                self.read_receipts = Some(others_may_know);
                send_read(context, read, others_may_know, reply).await
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                Ok(())
            }
        }
    }
}

/// Tells who wrote these messages that they were read (PROTOCOL.md 13).
async fn send_read(
    context: &mut Context<'_>,
    read: &ReadReceipt,
    others_may_know: bool,
    reply: Reply<()>,
) -> Result<(), End> {
    if let Some((first, rest)) = read.ids.split_first() {
        let kind = if others_may_know && !read.chat.is_newsletter() { "read" } else { "read-self" };
        let is_shared = matches!(read.chat.server, Server::Group | Server::Broadcast);
        let participant = read.sender.as_ref().filter(|_| is_shared).map(Jid::to_user);
        let receipt = Node::new("receipt")
            .attr("id", first.as_str())
            .attr("to", read.chat.to_user())
            .attr("type", kind)
            .attr("t", context.server_millis() / 1000)
            .opt_attr("participant", participant);
        let items = rest.iter().map(|id| Node::new("item").attr("id", id.as_str()));
        let list = (!rest.is_empty()).then(|| Node::new("list").with_children(items));
        context.link.send(&receipt.with_children(list)).await?;
    }
    let _ = reply.send(Ok(()));
    Ok(())
}

/// Asks which numbers have WhatsApp.
pub(crate) fn resolve(context: &mut Context<'_>, numbers: Vec<String>, reply: Reply<Vec<OnWhatsApp>>) {
    let asked: Vec<_> = numbers.iter().map(|number| iq::usync::digits(number)).collect();
    if asked.len() > MAX_NUMBERS || asked.iter().any(String::is_empty) {
        let why = format!("give at most {MAX_NUMBERS} numbers, each with digits");
        let _ = reply.send(Err(RequestError::Invalid(why)));
        return;
    }
    let sid = context.requests.spare_id();
    context.look_up(|asker| async move {
        let query = iq::usync::contacts(&sid, asked.iter().map(String::as_str));
        let contacts = asker.ask(query).await.and_then(|answer| iq::usync::parse_contacts(&answer, &asked));
        let as_asked = |(number, contact): (String, OnWhatsApp)| OnWhatsApp { number, ..contact };
        let contacts = contacts.map(|contacts| numbers.into_iter().zip(contacts).map(as_asked).collect());
        Answered::Contacts { contacts, reply }
    });
}

/// The server has said who has WhatsApp.
pub(crate) async fn on_contacts(
    context: &mut Context<'_>,
    contacts: Result<Vec<OnWhatsApp>, RequestError>,
    reply: Reply<Vec<OnWhatsApp>>,
) -> Result<(), End> {
    for contact in contacts.iter().flatten() {
        if let (Some(pn), Some(lid)) = (&contact.pn, &contact.lid) {
            context.learn_lid(pn, lid).await?;
        }
    }
    context.timers.in_use();
    let _ = reply.send(contacts);
    context.commit_if_urgent().await
}

/// Shows the account as available or not (PROTOCOL.md 26).
pub(crate) async fn announce(context: &mut Context<'_>, presence: Presence) -> Result<(), End> {
    let kind = match presence {
        Presence::Available => "available",
        Presence::Unavailable => "unavailable",
    };
    let name = Some(context.mirror.device.push_name.clone()).filter(|name| !name.is_empty());
    let presence = Node::new("presence").attr("type", kind).opt_attr("name", name);
    Ok(context.link.send(&presence).await?)
}
