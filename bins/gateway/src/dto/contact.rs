//! Contacts, as WhatsApp has them and as they are stored.

use serde::{Deserialize, Deserializer, Serialize};
use services::{KnownContact, SaveContact};
use storage::{Contact, ContactQuery, Page};
use utoipa::{IntoParams, ToSchema};

use super::page::{ListEnd, Pagination, Window};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{ContactName, ContactText, NewContactName, Person, SavedNumber};
use crate::listing::Listing;

/// Somebody, or a group, as WhatsApp has them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveContact {
    #[schema(example = "79001234567@s.whatsapp.net")]
    id: String,
    /// By the address book, by WhatsApp, by themselves, or their number.
    name: String,
    number: String,
    is_group: bool,
}

impl From<KnownContact> for LiveContact {
    fn from(contact: KnownContact) -> Self {
        let KnownContact { jid, name, number, is_group } = contact;
        Self { id: jid, name, number, is_group }
    }
}

/// Whom the account knows, and the groups that it is in.
#[derive(Serialize, ToSchema)]
pub(crate) struct LiveContacts {
    contacts: Vec<LiveContact>,
}

impl From<Vec<KnownContact>> for LiveContacts {
    fn from(known: Vec<KnownContact>) -> Self {
        Self { contacts: known.into_iter().map(LiveContact::from).collect() }
    }
}

/// `POST …/contacts/add`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddContact {
    /// In any usual notation, with the country code.
    #[schema(value_type = Person)]
    pub(crate) phone: String,
    #[schema(value_type = NewContactName)]
    pub(crate) name: String,
}

/// What that answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedContact {
    success: bool,
    message: String,
    contact: NewContact,
}

#[derive(Serialize, ToSchema)]
struct NewContact {
    #[schema(example = "79001234567@s.whatsapp.net")]
    id: String,
    number: String,
    name: String,
}

impl From<KnownContact> for AddedContact {
    fn from(contact: KnownContact) -> Self {
        let KnownContact { jid, name, number, .. } = contact;
        let contact = NewContact { id: jid, number, name };
        Self { success: true, message: "The contact was added.".to_owned(), contact }
    }
}

/// `GET …/contacts/db`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContactsQuery {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: u64,
    /// How many to leave out first.
    #[param(required = false, maximum = 100_000_000, default = 0)]
    skip: u64,
    /// Only those of whose names or number this is a part.
    #[param(value_type = Option<String>)]
    search: Option<String>,
    /// Only groups.
    #[param(rename = "onlyGroups", value_type = Option<bool>)]
    only_groups: bool,
}

impl ContactsQuery {
    const DEFAULT_LIMIT: u64 = 100;

    pub(crate) fn window(&self) -> Window {
        Window { limit: self.limit, skip: self.skip }
    }

    pub(crate) fn to_query(&self) -> ContactQuery {
        let Window { limit, skip } = self.window();
        ContactQuery { search: self.search.clone(), groups: self.only_groups.then_some(true), limit, skip }
    }
}

impl FromQuery for ContactsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Window { limit, skip } = Window::up_to(services::MAX_PAGE, Self::DEFAULT_LIMIT, parameters)?;
        let search: Option<String> = parameters.parsed("search", "must be a text")?;
        let only_groups = parameters.parsed("onlyGroups", "must be true or false")?;
        let search = search.filter(|search| !search.is_empty());
        Ok(Self { limit, skip, search, only_groups: only_groups.unwrap_or(false) })
    }
}

/// One page of contacts.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct ContactsResponse {
    contacts: Vec<ContactResponse>,
    pagination: Pagination,
}

impl ContactsResponse {
    pub(crate) fn of(
        page: Page<Contact>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("contacts", page.items.into_iter().map(ContactResponse::from), &end)
    }
}

/// A stored contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactResponse {
    id: String,
    instance_id: String,
    /// By the address book, by WhatsApp, by themselves, or their number.
    name: String,
    number: String,
    remote_jid: String,
    push_name: Option<String>,
    is_group: bool,
    profile_picture: Option<String>,
    about: Option<String>,
    last_activity: Option<Time>,
    /// Whether the chat is put away.
    archived: bool,
    /// Since when the chat is kept on top.
    pinned_at: Option<Time>,
    /// Until when the chat makes no noise.
    muted_until: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<Contact> for ContactResponse {
    fn from(contact: Contact) -> Self {
        Self {
            id: contact.id.to_string(),
            instance_id: contact.instance.to_string(),
            name: contact.name().to_owned(),
            number: contact.number().to_owned(),
            remote_jid: contact.jid,
            push_name: contact.push_name,
            is_group: contact.is_group,
            profile_picture: contact.picture,
            about: contact.about,
            last_activity: contact.last_activity.map(Time::from),
            archived: contact.archived,
            pinned_at: contact.pinned_at.map(Time::from),
            muted_until: contact.muted_until.map(Time::from),
            created_at: contact.created_at.into(),
            updated_at: contact.updated_at.into(),
        }
    }
}

/// What an import answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    success: bool,
    message: String,
    imported_count: u64,
}

impl Imported {
    pub(crate) fn of(count: u64) -> Self {
        Self { success: true, message: format!("Imported {count} contacts."), imported_count: count }
    }
}

/// `POST …/contacts/save`. What is absent stays, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SaveRequest {
    /// In any usual notation, or a JID; of a group its number.
    #[schema(value_type = SavedNumber)]
    number: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ContactName>)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ContactName>)]
    push_name: Option<Option<String>>,
    #[serde(default)]
    is_group: bool,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ContactText>)]
    profile_picture: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ContactText>)]
    about: Option<Option<String>>,
}

/// Tells `null` from nothing.
fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(json).map(Some)
}

impl From<SaveRequest> for SaveContact {
    fn from(request: SaveRequest) -> Self {
        Self {
            number: request.number,
            name: request.name,
            push_name: request.push_name,
            is_group: request.is_group,
            picture: request.profile_picture,
            about: request.about,
        }
    }
}
