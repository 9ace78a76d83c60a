use async_trait::async_trait;

use super::messages::size;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Budget, Contact, ContactChange, ContactQuery, ContactStore, InstanceId, Outcome, Page, StorageError,
    Timestamp, UserId, Write,
};

#[async_trait]
impl ContactStore for MemoryStorage {
    async fn contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ContactQuery,
    ) -> Result<Page<Contact>, StorageError> {
        let tables = self.lock();
        let tables = tables.owned(owner, instance)?;
        let mut found: Vec<_> = tables.contacts.values().filter(|contact| query.finds(contact)).collect();
        found.sort_by_key(|contact| (contact.name().to_ascii_lowercase(), contact.jid.clone()));
        let total = found.len() as u64;
        let (mut items, mut budget) = (Vec::new(), Budget::default());
        for contact in found.into_iter().skip(size(query.skip)) {
            if items.len() == size(query.limit) || !budget.has_room() {
                return Ok(Page { items, total, has_more: true, next: None });
            }
            budget.take(contact.size());
            items.push(tables.shown(contact));
        }
        Ok(Page { items, total, has_more: false, next: None })
    }

    fn save_contact(
        &self,
        owner: UserId,
        instance: InstanceId,
        change: ContactChange,
        now: Timestamp,
    ) -> Write<Contact> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            tables.change_contact(&change, now);
            let contact = tables.known_as(&change.jid).and_then(|jid| tables.contacts.get(&jid));
            contact
                .map(|contact| tables.shown(contact))
                .ok_or(StorageError::Invalid { what: "a contact of which nothing is known" })
        })
    }

    async fn clear_contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
    ) -> Result<u64, StorageError> {
        let mut tables = self.lock();
        let contacts = &mut tables.owned_mut(owner, instance)?.contacts;
        let some: Vec<_> = contacts.keys().take(size(limit)).cloned().collect();
        some.iter().for_each(|jid| drop(contacts.remove(jid)));
        Ok(some.len() as u64)
    }
}

impl InstanceTables {
    /// A contact with the time of the last message in the chat.
    fn shown(&self, contact: &Contact) -> Contact {
        let of_chat = self.messages.values().filter(|message| message.chat == contact.jid);
        let last = of_chat.filter(|message| !message.kind.amends()).map(|message| message.created_at).max();
        Contact { last_activity: contact.last_activity.max(last), ..contact.clone() }
    }

    /// Under which name somebody is kept, by that or by LID.
    fn known_as(&self, jid: &str) -> Option<String> {
        let has_lid = |contact: &&Contact| contact.lid.as_deref() == Some(jid);
        let by_lid = || self.contacts.values().find(has_lid).map(|contact| contact.jid.clone());
        self.contacts.contains_key(jid).then(|| jid.to_owned()).or_else(by_lid)
    }

    pub(super) fn change_contact(&mut self, change: &ContactChange, now: Timestamp) -> Outcome {
        let known = self.known_as(&change.jid);
        if let Some(contact) = known.and_then(|jid| self.contacts.get_mut(&jid)) {
            return if change.apply(contact, now) { Outcome::Advanced } else { Outcome::Unchanged };
        }
        match change.made(self.instance.id, now) {
            Some(contact) => {
                self.contacts.insert(change.jid.clone(), contact);
                Outcome::Added
            }
            None => Outcome::Unchanged,
        }
    }

    /// One person was known as two.
    pub(super) fn merge_contacts(&mut self, from: &str, into: &str, now: Timestamp) {
        let Some(other) = self.contacts.remove(from) else { return };
        let contact = self.contacts.entry(into.to_owned()).or_insert_with(|| Contact {
            jid: into.to_owned(),
            saved_name: None,
            verified_name: None,
            push_name: None,
            ..other.clone()
        });
        ContactChange { lid: Some(from.to_owned()), ..ContactChange::adopting(&other, contact) }
            .apply(contact, now);
    }
}
