//! What an embedder asks for besides sending.

pub(crate) mod additions;
pub(crate) mod groups;
pub(crate) mod many;
pub(crate) mod media;

use std::collections::HashMap;

use tokio::sync::oneshot;
use wa_binary::{Jid, Node, Server};

use crate::command::{ReadReceipt, Reply};
use crate::context::Context;
use crate::end::End;
use crate::iq;
use crate::locate::Locator;
use crate::look_up::{Answered, Contact, Found};
use crate::message::SendError;
use crate::mirror::Whereabouts;
use crate::number::other_form;
use crate::request::{OnWhatsApp, Person, Presence, RequestError};

/// Who waits to hear who somebody is.
type PersonReply = oneshot::Sender<Result<Person, SendError>>;

/// Numbers that one call may ask about.
const MAX_NUMBERS: usize = 1000;

/// Answers what the embedder asks, and knows what is asked once per connection.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    /// Whether others may learn what was read, once that is known.
    read_receipts: Option<bool>,
    /// Who waits to hear who somebody is, by the address that the server was asked about.
    curious: HashMap<Jid, Vec<PersonReply>>,
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

    /// Says who a user is, and asks the server where that isn't known: once, however many want to know.
    pub(crate) async fn who_is(&mut self, context: &mut Context<'_>, user: Jid, reply: PersonReply) {
        if !user.is_user() || user.is_bot() {
            let server = user.server.to_string();
            return drop(reply.send(Err(SendError::UnsupportedRecipient { server })));
        }
        let asked = match context.whereabouts(&user).await {
            Err(error) => return drop(reply.send(Err(error))),
            Ok(Whereabouts::Ask(number)) => Jid::pn(number),
            // The answer about the devices names the number, too.
            Ok(Whereabouts::Known(Person { pn: None, .. })) if !has_devices(context, &user).await => user,
            Ok(Whereabouts::Known(person)) => return drop(reply.send(Ok(person))),
        };
        let waiting = self.curious.entry(asked.clone()).or_default();
        waiting.push(reply);
        if waiting.len() == 1 {
            context.locate(|mut locator| async move {
                let found = if asked.is_pn() {
                    locator.by_number(&asked.user).await
                } else {
                    let users = locator.devices(std::slice::from_ref(&asked)).await;
                    users.map(|users| Found { users, ..Found::default() }).map_err(SendError::from)
                };
                Answered::Person { asked, found }
            });
        }
    }

    /// The server has said who somebody is.
    pub(crate) async fn on_person(
        &mut self,
        context: &mut Context<'_>,
        asked: &Jid,
        found: Result<Found, SendError>,
    ) -> Result<(), End> {
        context.timers.in_use();
        let person = match found {
            Ok(found) => Ok(learned(context, asked, &found).await?),
            Err(error) => Err(error),
        };
        for reply in self.curious.remove(asked).unwrap_or_default() {
            let _ = reply.send(person.clone());
        }
        context.commit_if_urgent().await
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
        let kind = match (others_may_know && !read.chat.is_newsletter(), read.played) {
            (true, false) => "read",
            (false, false) => "read-self",
            (true, true) => "played",
            (false, true) => "played-self",
        };
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
    context.locate(|mut locator| async move {
        let contacts = on_whatsapp(&mut locator, &asked).await;
        let nobody = || OnWhatsApp { number: String::new(), registered: false, pn: None, lid: None };
        let as_asked = |(number, contact): (String, Option<OnWhatsApp>)| OnWhatsApp {
            number,
            ..contact.unwrap_or_else(nobody)
        };
        let contacts = contacts.map(|contacts| numbers.into_iter().zip(contacts).map(as_asked).collect());
        Answered::Contacts { contacts, reply }
    });
}

/// Asks about all numbers at once, and then about the other forms of those that nobody has. `None` where the server
/// doesn't say.
async fn on_whatsapp(
    locator: &mut Locator,
    asked: &[String],
) -> Result<Vec<Option<OnWhatsApp>>, RequestError> {
    let mut found = locator.contacts(asked).await?;
    let is_missing = |contact: &Option<OnWhatsApp>| contact.as_ref().is_none_or(|it| !it.registered);
    let missing = asked.iter().enumerate().filter(|(place, _)| is_missing(&found[*place]));
    let (places, others): (Vec<_>, Vec<_>) =
        missing.filter_map(|(place, number)| Some((place, other_form(number)?))).unzip();
    if !others.is_empty() {
        for (place, contact) in places.into_iter().zip(locator.contacts(&others).await?) {
            found[place] = contact.or_else(|| found[place].take());
        }
    }
    Ok(found)
}

/// The server has said who has WhatsApp.
pub(crate) async fn on_contacts(
    context: &mut Context<'_>,
    contacts: Result<Vec<OnWhatsApp>, RequestError>,
    reply: Reply<Vec<OnWhatsApp>>,
) -> Result<(), End> {
    for OnWhatsApp { number, pn, lid, .. } in contacts.iter().flatten().filter(|contact| contact.registered) {
        if let Some(pn) = pn.clone() {
            let contact = Contact { asked: iq::usync::digits(number).into(), pn, lid: lid.clone() };
            context.learn_contact(&contact).await?;
        }
    }
    context.timers.in_use();
    let _ = reply.send(contacts);
    context.commit_if_urgent().await
}

/// Whether the devices of a LID are known: then its number would be known, too, if the server told it.
async fn has_devices(context: &mut Context<'_>, lid: &Jid) -> bool {
    let list = context.mirror.device_list(&context.shared.store, lid, i64::MIN).await;
    list.is_ok_and(|list| list.is_some())
}

/// Takes in what the server said of somebody.
async fn learned(context: &mut Context<'_>, asked: &Jid, found: &Found) -> Result<Person, End> {
    context.learn_addresses(found).await?;
    Ok(match &found.contact {
        Some(Contact { pn, lid, .. }) => Person { pn: Some(pn.clone()), lid: lid.clone() },
        None => {
            let pn = context.mirror.lids.pn_of(&context.shared.store, asked).await?;
            Person { pn, lid: Some(asked.clone()) }
        }
    })
}

/// Shows the account as available or not (PROTOCOL.md 26).
pub(crate) async fn announce(context: &mut Context<'_>, presence: Presence) -> Result<(), End> {
    let kind = match presence {
        Presence::Available => "available",
        Presence::Unavailable => "unavailable",
    };
    let name = Some(context.mirror.device.shown_name().to_owned()).filter(|name| !name.is_empty());
    let presence = Node::new("presence").attr("type", kind).opt_attr("name", name);
    Ok(context.link.send(&presence).await?)
}
