//! Whom an instance knows: as WhatsApp has it, and as it is stored.

use std::sync::Arc;

use storage::{Contact, ContactChange, ContactId, ContactQuery, InstanceId, Missing, Page, Storage};
use wa_binary::{Jid, Server};
use wa_client::{RequestError, SendError};

use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::page::MAX_PAGE;
use crate::recipient::{parse_chat, parse_recipient};
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;
use crate::supervisor::Supervisor;
use crate::text::is_blank;

/// Longest name of a contact, in characters.
pub const MAX_CONTACT_NAME: usize = 256;
/// Longest `about` and longest address of a picture, in characters.
pub const MAX_CONTACT_TEXT: usize = 2_048;

/// Somebody, or a group, as WhatsApp has them.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownContact {
    /// The JID of the chat with them.
    pub jid: String,
    /// What they are called.
    pub name: String,
    /// Their number, or that of the group.
    pub number: String,
    /// Whether it is a group.
    pub is_group: bool,
}

impl KnownContact {
    fn new(jid: String, name: String) -> Self {
        let number = jid.split('@').next().unwrap_or_default().to_owned();
        let is_group = jid.ends_with("@g.us");
        Self { jid, name, number, is_group }
    }
}

impl std::fmt::Debug for KnownContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownContact").field("is_group", &self.is_group).finish_non_exhaustive()
    }
}

/// What a caller says of a contact. What is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SaveContact {
    /// A number in any usual notation, or a JID.
    pub number: String,
    /// The name in the address book; of a group its subject.
    pub name: Option<Option<String>>,
    /// The name that they gave themselves.
    pub push_name: Option<Option<String>>,
    /// Whether it is a group.
    pub is_group: bool,
    /// Where their picture is.
    pub picture: Option<Option<String>>,
    /// What they say about themselves.
    pub about: Option<Option<String>>,
}

/// Use cases about contacts. Clones are the same service.
#[derive(Clone)]
pub struct ContactService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
}

impl ContactService {
    pub(crate) fn new(storage: Arc<dyn Storage>, supervisor: Supervisor) -> Self {
        Self { storage, supervisor }
    }

    /// The contacts that are stored, by name.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stored(
        &self,
        caller: &Caller,
        instance: InstanceId,
        query: &ContactQuery,
    ) -> Result<Page<Contact>, ServiceError> {
        Ok(self.storage.contacts(caller.user, instance, query).await?)
    }

    /// Everybody whom the account knows, and the groups that it is in, as WhatsApp has them now.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Refused` by WhatsApp.
    pub async fn live(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<Vec<KnownContact>, ServiceError> {
        let running = self.online(caller, instance).await?;
        // The address book is kept in step by itself; groups are asked for.
        let mut known = Vec::new();
        let mut query = ContactQuery { groups: Some(false), limit: MAX_PAGE, ..ContactQuery::default() };
        loop {
            let page = self.storage.contacts(caller.user, instance, &query).await?;
            let people = page
                .items
                .iter()
                .map(|contact| KnownContact::new(contact.jid.clone(), contact.name().to_owned()));
            known.extend(people);
            if !page.has_more || page.items.is_empty() {
                break;
            }
            query.skip += page.items.len() as u64;
        }
        let groups = running.companion.groups().await.map_err(|error| refused(&running, error))?;
        known.extend(groups.into_iter().map(|group| KnownContact::new(group.jid.to_string(), group.subject)));
        Ok(known)
    }

    /// Stores what [`Self::live`] tells; answers how many there are.
    ///
    /// # Errors
    /// As for that.
    pub async fn import(&self, caller: &Caller, instance: InstanceId) -> Result<u64, ServiceError> {
        let known = self.live(caller, instance).await?;
        let count = known.len() as u64;
        let groups = known.into_iter().filter(|contact| contact.is_group);
        let writes: Vec<_> = groups
            .map(|group| ContactChange {
                is_group: Some(true),
                saved_name: Some(Some(group.name).filter(|name| !name.is_empty())),
                ..ContactChange::of(ContactId::generate(), group.jid)
            })
            .filter(|change| change.saved_name != Some(None))
            .map(|change| self.storage.save_contact(caller.user, instance, change, now()))
            .collect();
        for write in writes {
            write.await?;
        }
        Ok(count)
    }

    /// Puts somebody into the account's address book, on the phone too.
    ///
    /// # Errors
    /// `Invalid` for number or name; `NotFound`; `NotConnected`; `Refused` by WhatsApp.
    pub async fn add(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
        name: &str,
    ) -> Result<KnownContact, ServiceError> {
        let wanted = parse_recipient(phone)
            .map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))?;
        if wanted.is_group() {
            return Err(ServiceError::invalid(Field::Recipient, "must be a person"));
        }
        check_text(name, Field::ContactName, MAX_CONTACT_NAME)?;
        if is_blank(name) {
            return Err(ServiceError::invalid(Field::ContactName, "must not be empty"));
        }
        let running = self.online(caller, instance).await?;
        let (jid, lid) = match running.companion.who_is(&wanted).await {
            Ok(person) => (person.pn.or_else(|| person.lid.clone()).unwrap_or(wanted), person.lid),
            Err(SendError::NotOnWhatsApp) => {
                return Err(ServiceError::invalid(Field::Recipient, "is not on WhatsApp"));
            }
            // Whoever it is, they can be in the address book.
            Err(_) => (wanted, None),
        };
        let saved = running.companion.save_contact(&jid, lid.as_ref().filter(|lid| **lid != jid), name).await;
        saved.map_err(|error| refused(&running, error))?;
        let change = ContactChange {
            lid: lid.as_ref().filter(|lid| **lid != jid).map(Jid::to_string),
            saved_name: Some(Some(name.to_owned())),
            ..ContactChange::of(ContactId::generate(), jid.to_string())
        };
        let contact = self.storage.save_contact(caller.user, instance, change, now()).await?;
        Ok(KnownContact::new(contact.jid.clone(), contact.name().to_owned()))
    }

    /// Stores what the caller says of a contact, here alone.
    ///
    /// # Errors
    /// `Invalid` for the number and the texts; `NotFound`.
    pub async fn save(
        &self,
        caller: &Caller,
        instance: InstanceId,
        save: SaveContact,
    ) -> Result<Contact, ServiceError> {
        let jid = jid_of(&save)?;
        for (text, field, most) in [
            (&save.name, Field::ContactName, MAX_CONTACT_NAME),
            (&save.push_name, Field::PushName, MAX_CONTACT_NAME),
            (&save.picture, Field::Picture, MAX_CONTACT_TEXT),
            (&save.about, Field::About, MAX_CONTACT_TEXT),
        ] {
            check_text(text.iter().flatten().next().map_or("", String::as_str), field, most)?;
        }
        let change = ContactChange {
            is_group: Some(jid.is_group()),
            saved_name: save.name,
            push_name: save.push_name,
            picture: save.picture,
            about: save.about,
            ..ContactChange::of(ContactId::generate(), jid.to_string())
        };
        let saved = self.storage.save_contact(caller.user, instance, change, now()).await;
        saved.map_err(|error| match error {
            storage::StorageError::Invalid { .. } => {
                ServiceError::invalid(Field::ContactName, "is all that there would be, and it is empty")
            }
            other => other.into(),
        })
    }

    async fn online(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<Arc<RunningInstance>, ServiceError> {
        let connection = match self.supervisor.find(caller.user, instance) {
            Some(running) if running.is_online() => return Ok(running),
            Some(running) => ConnectionStatus::of_state(&running.state()),
            None => {
                let stored = self.storage.instance(caller.user, instance).await?;
                self.supervisor.status(&stored.ok_or(ServiceError::NotFound { what: Missing::Instance })?)
            }
        };
        Err(ServiceError::not_connected(&connection))
    }
}

/// Whom a caller means; of a group, its number alone will do.
fn jid_of(save: &SaveContact) -> Result<Jid, ServiceError> {
    let number = save.number.trim();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if save.is_group && is_number && number.len() <= 64 {
        return Ok(Jid::new(number, Server::Group));
    }
    let jid = parse_chat(number).map_err(|error| ServiceError::invalid(Field::Number, error.to_string()))?;
    match (jid.is_group(), save.is_group) {
        (true, _) | (false, false) if jid.is_group() || jid.is_pn() || jid.is_lid() => Ok(jid),
        _ => {
            Err(ServiceError::invalid(Field::Number, "must be that of a person, or of a group with isGroup"))
        }
    }
}

fn check_text(text: &str, field: Field, most: usize) -> Result<(), ServiceError> {
    if text.len() > most && text.chars().count() > most {
        return Err(ServiceError::invalid(field, format!("must have at most {most} characters")));
    }
    Ok(())
}

fn refused(running: &RunningInstance, error: RequestError) -> ServiceError {
    match error {
        RequestError::NotConnected { .. } | RequestError::Stopped => {
            ServiceError::not_connected(&ConnectionStatus::of_state(&running.state()))
        }
        RequestError::TimedOut => ServiceError::Unavailable { message: "WhatsApp did not answer in time" },
        RequestError::Refused { code, text } => ServiceError::Refused {
            cause: None,
            code: Some(code),
            message: format!("WhatsApp refused it: {text}"),
        },
        RequestError::Invalid(message) => ServiceError::Refused { cause: None, code: None, message },
        other => ServiceError::internal(other),
    }
}

impl std::fmt::Debug for ContactService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContactService").finish_non_exhaustive()
    }
}
