use std::fmt;

use super::id::identifier;
use crate::{InstanceId, Timestamp};

identifier! {
    /// Identifies a stored contact.
    ContactId
}

/// Somebody whom an instance knows: from the address book, the history, or because they wrote; or a group. With it what the
/// account has marked their chat with. `Debug` shows neither names nor numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Chosen by the caller that stored it first.
    pub id: ContactId,
    /// The instance that knows them.
    pub instance: InstanceId,
    /// As the API names the chat with them: by phone number where known, else the LID or the group. One contact has it.
    pub jid: String,
    /// By LID, where known.
    pub lid: Option<String>,
    /// Whether it is a group.
    pub is_group: bool,
    /// The name in the address book; of a group its subject.
    pub saved_name: Option<String>,
    /// The name that WhatsApp has verified, of a business.
    pub verified_name: Option<String>,
    /// The name that they gave themselves.
    pub push_name: Option<String>,
    /// Where their picture is, as a caller has said.
    pub picture: Option<String>,
    /// What they say about themselves, as a caller has said.
    pub about: Option<String>,
    /// When something was last written in the chat with them.
    pub last_activity: Option<Timestamp>,
    /// Whether the chat is put away.
    pub archived: bool,
    /// Since when the chat is kept on top.
    pub pinned_at: Option<Timestamp>,
    /// Until when the chat makes no noise; the end of time for good.
    pub muted_until: Option<Timestamp>,
    /// When it was stored first.
    pub created_at: Timestamp,
    /// When anything of it but its activity last changed.
    pub updated_at: Timestamp,
}

impl Contact {
    /// What they are called: by the address book, by WhatsApp, by themselves, or by their number.
    pub fn name(&self) -> &str {
        let names = [&self.saved_name, &self.verified_name, &self.push_name];
        names
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .map_or_else(|| self.number(), String::as_str)
    }

    /// Their number, or that of the LID or group.
    pub fn number(&self) -> &str {
        self.jid.split('@').next().unwrap_or_default()
    }

    /// What it counts in a page.
    pub fn size(&self) -> usize {
        let texts = [&self.saved_name, &self.verified_name, &self.push_name, &self.picture, &self.about];
        self.jid.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("id", &self.id)
            .field("instance", &self.instance)
            .field("is_group", &self.is_group)
            .finish_non_exhaustive()
    }
}

/// What was learned of somebody, or said by a caller. What is `None` stays as it is; of a name and a mark, `Some(None)` takes
/// it away. It makes a contact where there is none, unless it only takes away.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactChange {
    /// The id of a new contact.
    pub id: ContactId,
    /// Whom it is about: as [`Contact::jid`].
    pub jid: String,
    /// By LID, where known.
    pub lid: Option<String>,
    /// Whether it is a group, where that isn't plain from `jid`.
    pub is_group: Option<bool>,
    /// The name in the address book.
    pub saved_name: Option<Option<String>>,
    /// The name that WhatsApp has verified.
    pub verified_name: Option<String>,
    /// The name that they gave themselves.
    pub push_name: Option<Option<String>>,
    /// Where their picture is.
    pub picture: Option<Option<String>>,
    /// What they say about themselves.
    pub about: Option<Option<String>>,
    /// When something was last written; an earlier time changes nothing.
    pub last_activity: Option<Timestamp>,
    /// Whether the chat is put away.
    pub archived: Option<bool>,
    /// Since when the chat is kept on top.
    pub pinned_at: Option<Option<Timestamp>>,
    /// Until when the chat makes no noise.
    pub muted_until: Option<Option<Timestamp>>,
}

impl ContactChange {
    /// Nothing is known yet but whom it is about.
    pub fn of(id: ContactId, jid: impl Into<String>) -> Self {
        Self {
            id,
            jid: jid.into(),
            lid: None,
            is_group: None,
            saved_name: None,
            verified_name: None,
            push_name: None,
            picture: None,
            about: None,
            last_activity: None,
            archived: None,
            pinned_at: None,
            muted_until: None,
        }
    }

    /// The contact that it makes where there is none; `None` if there is nothing to keep.
    pub fn made(&self, instance: InstanceId, now: Timestamp) -> Option<Contact> {
        let mut contact = Contact {
            id: self.id,
            instance,
            jid: self.jid.clone(),
            lid: None,
            is_group: self.jid.ends_with("@g.us"),
            saved_name: None,
            verified_name: None,
            push_name: None,
            picture: None,
            about: None,
            last_activity: None,
            archived: false,
            pinned_at: None,
            muted_until: None,
            created_at: now,
            updated_at: now,
        };
        let only_takes_away = !self.apply(&mut contact, now) && self.is_taking();
        (!only_takes_away).then_some(contact)
    }

    fn is_taking(&self) -> bool {
        let texts = [&self.saved_name, &self.push_name, &self.picture, &self.about];
        let times = [&self.pinned_at, &self.muted_until];
        texts.iter().any(|text| matches!(text, Some(None)))
            || times.iter().any(|time| matches!(time, Some(None)))
            || self.archived == Some(false)
    }

    /// Changes a contact; tells whether anything is different.
    pub fn apply(&self, contact: &mut Contact, now: Timestamp) -> bool {
        let before = contact.clone();
        if self.lid.is_some() {
            contact.lid.clone_from(&self.lid);
        }
        set(&mut contact.is_group, self.is_group.as_ref());
        set(&mut contact.saved_name, self.saved_name.as_ref());
        if self.verified_name.is_some() {
            contact.verified_name.clone_from(&self.verified_name);
        }
        set(&mut contact.push_name, self.push_name.as_ref());
        set(&mut contact.picture, self.picture.as_ref());
        set(&mut contact.about, self.about.as_ref());
        contact.last_activity = contact.last_activity.max(self.last_activity);
        set(&mut contact.archived, self.archived.as_ref());
        set(&mut contact.pinned_at, self.pinned_at.as_ref());
        set(&mut contact.muted_until, self.muted_until.as_ref());
        let is_same_but_active = Contact { last_activity: before.last_activity, ..contact.clone() } == before;
        if !is_same_but_active {
            contact.updated_at = now.max(contact.updated_at);
        }
        *contact != before
    }

    /// What another contact is known by, that turned out to be the same person: what `contact` doesn't say itself.
    pub fn adopting(other: &Contact, contact: &Contact) -> Self {
        let missing = |theirs: &Option<String>, ours: &Option<String>| {
            theirs.clone().filter(|_| ours.is_none()).map(Some)
        };
        Self {
            saved_name: missing(&other.saved_name, &contact.saved_name),
            verified_name: other.verified_name.clone().filter(|_| contact.verified_name.is_none()),
            push_name: missing(&other.push_name, &contact.push_name),
            picture: missing(&other.picture, &contact.picture),
            about: missing(&other.about, &contact.about),
            last_activity: other.last_activity,
            // Never both.
            archived: (other.archived && contact.pinned_at.is_none()).then_some(true),
            pinned_at: other.pinned_at.filter(|_| contact.pinned_at.is_none() && !contact.archived).map(Some),
            muted_until: other.muted_until.filter(|_| contact.muted_until.is_none()).map(Some),
            ..Self::of(contact.id, contact.jid.clone())
        }
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

impl fmt::Debug for ContactChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactChange").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Which contacts, by their names, then by `jid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactQuery {
    /// Only those of whose names or number this is a part, whatever the case of its ASCII letters.
    pub search: Option<String>,
    /// Only groups, or only people.
    pub groups: Option<bool>,
    /// How many to return at most.
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
}

impl ContactQuery {
    /// Whether this one is among them.
    pub fn finds(&self, contact: &Contact) -> bool {
        let search = self.search.as_ref().map(|search| search.to_ascii_lowercase());
        let is_named = |search: &String| {
            let names = [&contact.saved_name, &contact.verified_name, &contact.push_name];
            let mut all = names.into_iter().flatten().map(String::as_str).chain([contact.number()]);
            all.any(|name| name.to_ascii_lowercase().contains(search.as_str()))
        };
        self.groups.is_none_or(|groups| contact.is_group == groups) && search.as_ref().is_none_or(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ContactId {
        ContactId::from_bytes([byte; 16])
    }

    fn contact(change: &ContactChange) -> Contact {
        change.made(InstanceId::from_bytes([1; 16]), Timestamp::from_seconds(10)).unwrap()
    }

    #[test]
    fn the_address_book_names_before_anybody_else() {
        let mut known = contact(&ContactChange::of(id(1), "15550000001@s.whatsapp.net"));
        assert_eq!(known.name(), "15550000001");
        known.push_name = Some("Ann".into());
        assert_eq!(known.name(), "Ann");
        known.verified_name = Some("Ann's Bakery".into());
        assert_eq!(known.name(), "Ann's Bakery");
        known.saved_name = Some("Ann (bread)".into());
        assert_eq!(known.name(), "Ann (bread)");
    }

    #[test]
    fn what_is_not_said_stays_and_activity_is_no_change() {
        let named =
            ContactChange { saved_name: Some(Some("Ann".into())), ..ContactChange::of(id(1), "1@g.us") };
        let mut known = contact(&named);
        assert!(known.is_group);
        let later = Timestamp::from_seconds(20);
        let active = ContactChange { last_activity: Some(later), ..ContactChange::of(id(2), "1@g.us") };
        assert!(active.apply(&mut known, later));
        assert_eq!((known.id, known.updated_at, known.last_activity), (id(1), known.created_at, Some(later)));
        assert!(!named.apply(&mut known, later));
        let gone = ContactChange { saved_name: Some(None), ..ContactChange::of(id(2), "1@g.us") };
        assert!(gone.apply(&mut known, later));
        assert_eq!((known.saved_name.as_deref(), known.updated_at), (None, later));
        assert_eq!(gone.made(known.instance, later), None, "nothing is made of what is taken away");
    }
}
