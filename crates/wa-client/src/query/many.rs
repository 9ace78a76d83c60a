//! Who many people are: one question about all of whom that isn't known.

use wa_binary::Jid;

use super::on_whatsapp;
use crate::command::Reply;
use crate::context::Context;
use crate::end::End;
use crate::look_up::{Answered, Contact};
use crate::mirror::Whereabouts;
use crate::request::{OnWhatsApp, Person, RequestError};

/// Says who these users are, and asks the server about those of whom that isn't known.
pub(crate) async fn who_are(
    context: &mut Context<'_>,
    users: Vec<Jid>,
    reply: Reply<Vec<Option<Person>>>,
) -> Result<(), End> {
    let mut people = Vec::with_capacity(users.len());
    for user in users {
        let whereabouts = match context.whereabouts(&user).await {
            _ if !user.is_user() || user.is_bot() => Err(RequestError::Invalid("not all are people".into())),
            whereabouts => whereabouts.map_err(RequestError::from),
        };
        match whereabouts {
            Ok(whereabouts) => people.push(whereabouts),
            Err(error) => {
                let _ = reply.send(Err(error));
                return Ok(());
            }
        }
    }
    let number = |person: &Whereabouts| match person {
        Whereabouts::Known(_) => None,
        Whereabouts::Ask(number) => Some(number.to_string()),
    };
    let asked: Vec<_> = people.iter().filter_map(number).collect();
    if asked.is_empty() {
        return on_people(context, people, Ok(Vec::new()), reply).await;
    }
    context.locate(|mut locator| async move {
        let contacts = on_whatsapp(&mut locator, &asked).await;
        Answered::People { people, contacts, reply }
    });
    Ok(())
}

/// The server has said who they are of whom that wasn't known, in their order.
pub(crate) async fn on_people(
    context: &mut Context<'_>,
    people: Vec<Whereabouts>,
    contacts: Result<Vec<Option<OnWhatsApp>>, RequestError>,
    reply: Reply<Vec<Option<Person>>>,
) -> Result<(), End> {
    context.timers.in_use();
    let answer = match contacts {
        Ok(contacts) => Ok(found(context, people, contacts).await?),
        Err(error) => Err(error),
    };
    let _ = reply.send(answer);
    context.commit_if_urgent().await
}

/// The people, with what the server said of them, which is taken in.
async fn found(
    context: &mut Context<'_>,
    people: Vec<Whereabouts>,
    contacts: Vec<Option<OnWhatsApp>>,
) -> Result<Vec<Option<Person>>, End> {
    let mut contacts = contacts.into_iter();
    let mut found = Vec::with_capacity(people.len());
    for person in people {
        let person = match person {
            Whereabouts::Known(person) => Some(person),
            Whereabouts::Ask(asked) => match contacts.next().flatten() {
                // It didn't say: whoever is told of the number decides.
                None => Some(Person { pn: Some(Jid::pn(asked)), lid: None }),
                Some(contact) if !contact.registered => None,
                Some(OnWhatsApp { pn, lid, .. }) => {
                    let pn = pn.unwrap_or_else(|| Jid::pn(&*asked));
                    let contact = Contact { asked, pn, lid };
                    context.learn_contact(&contact).await?;
                    Some(Person { pn: Some(contact.pn), lid: contact.lid })
                }
            },
        };
        found.push(person);
    }
    Ok(found)
}
