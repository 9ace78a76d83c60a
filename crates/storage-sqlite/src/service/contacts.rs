use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;
use storage::{
    Budget, Contact, ContactChange, ContactQuery, ContactStore, InstanceId, Outcome, Page, StorageError,
    Timestamp, UserId, Write,
};
use storage_sql::Fault;
use storage_sql::rows::contact::ContactRow;
use storage_sql::rows::{count, limit, time};
use storage_sql::schema::{contacts, messages};

use super::ownership::owned_key;
use crate::database::SqliteDatabase;

/// Whom a change is about, and what they are known by.
pub(super) struct ContactsOf {
    pub(super) key: i64,
    pub(super) instance: InstanceId,
}

impl ContactsOf {
    pub(super) fn change(
        &self,
        db: &mut SqliteConnection,
        change: &ContactChange,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        let Some(mut contact) = self.known(db, &change.jid)? else {
            let Some(contact) = change.made(self.instance, now) else { return Ok(Outcome::Unchanged) };
            self.put(db, &contact)?;
            return Ok(Outcome::Added);
        };
        if !change.apply(&mut contact, now) {
            return Ok(Outcome::Unchanged);
        }
        self.put(db, &contact)?;
        Ok(Outcome::Advanced)
    }

    /// One person was known as two.
    pub(super) fn merge(
        &self,
        db: &mut SqliteConnection,
        from: &str,
        into: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(other) = self.find(db, from)? else { return Ok(()) };
        let known = self.find(db, into)?;
        let mut contact = known.unwrap_or_else(|| Contact {
            jid: into.to_owned(),
            saved_name: None,
            verified_name: None,
            push_name: None,
            ..other.clone()
        });
        ContactChange { lid: Some(from.to_owned()), ..ContactChange::adopting(&other, &contact) }
            .apply(&mut contact, now);
        diesel::delete(contacts::table.find((self.key, from))).execute(db)?;
        self.put(db, &contact)
    }

    /// Somebody by this name, or by this LID.
    fn known(&self, db: &mut SqliteConnection, jid: &str) -> Result<Option<Contact>, Fault> {
        let found = self.find(db, jid)?;
        if found.is_some() || !jid.ends_with("@lid") {
            return Ok(found);
        }
        let by_lid = contacts::table.filter(contacts::instance.eq(self.key)).filter(contacts::lid.eq(jid));
        let row = by_lid.select(ContactRow::as_select()).first(db).optional()?;
        Ok(row.map(|row| row.open(self.instance)))
    }

    pub(super) fn find(&self, db: &mut SqliteConnection, jid: &str) -> Result<Option<Contact>, Fault> {
        let row =
            contacts::table.find((self.key, jid)).select(ContactRow::as_select()).first(db).optional()?;
        Ok(row.map(|row| row.open(self.instance)))
    }

    fn put(&self, db: &mut SqliteConnection, contact: &Contact) -> Result<(), Fault> {
        let row = ContactRow::of(self.key, contact);
        diesel::replace_into(contacts::table).values(row).execute(db)?;
        Ok(())
    }

    /// A contact with the time of the last message in the chat.
    fn shown(&self, db: &mut SqliteConnection, contact: Contact) -> Result<Contact, Fault> {
        let of_chat = messages::table
            .filter(messages::instance.eq(self.key))
            .filter(messages::chat.eq(&contact.jid))
            .filter(messages::amends.eq(false));
        let last: Option<i64> = of_chat.select(max(messages::created_at)).first(db)?;
        Ok(Contact { last_activity: contact.last_activity.max(last.map(time)), ..contact })
    }
}

#[async_trait]
impl ContactStore for SqliteDatabase {
    async fn contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ContactQuery,
    ) -> Result<Page<Contact>, StorageError> {
        let query = query.clone();
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                page(db, &ContactsOf { key, instance }, &query)
            })
        });
        Ok(page.await?)
    }

    fn save_contact(
        &self,
        owner: UserId,
        instance: InstanceId,
        change: ContactChange,
        now: Timestamp,
    ) -> Write<Contact> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let all = ContactsOf { key, instance };
            all.change(&mut tx.db, &change, now)?;
            let contact = all.known(&mut tx.db, &change.jid)?;
            let contact = contact.ok_or(Fault::Invalid("a contact of which nothing is known"))?;
            all.shown(&mut tx.db, contact)
        })
    }

    async fn clear_contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        most: u64,
    ) -> Result<u64, StorageError> {
        let removal = self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let some = contacts::table.filter(contacts::instance.eq(key)).select(contacts::jid);
            let some = some.limit(limit(most)).load::<String>(&mut tx.db)?;
            for jid in &some {
                diesel::delete(contacts::table.find((key, jid))).execute(&mut tx.db)?;
            }
            Ok(some.len() as u64)
        });
        removal.await
    }
}

fn page(db: &mut SqliteConnection, all: &ContactsOf, query: &ContactQuery) -> Result<Page<Contact>, Fault> {
    let total = count(wanted(all.key, query).count().get_result(db)?);
    let rows = wanted(all.key, query)
        .select(ContactRow::as_select())
        .order((contacts::name, contacts::jid))
        .limit(limit(query.limit.saturating_add(1)))
        .offset(limit(query.skip));
    let (mut found, mut budget, mut has_more) = (Vec::new(), Budget::default(), false);
    for row in rows.load_iter::<ContactRow, DefaultLoadingMode>(db)? {
        if found.len() as u64 == query.limit || !budget.has_room() {
            has_more = true;
            break;
        }
        let contact = row?.open(all.instance);
        budget.take(contact.size());
        found.push(contact);
    }
    let items = found.into_iter().map(|contact| all.shown(db, contact)).collect::<Result<_, _>>()?;
    Ok(Page { items, total, has_more, next: None })
}

fn wanted(key: i64, query: &ContactQuery) -> contacts::BoxedQuery<'_, Sqlite> {
    let mut matching = contacts::table.filter(contacts::instance.eq(key)).into_boxed();
    if let Some(groups) = query.groups {
        matching = matching.filter(contacts::is_group.eq(groups));
    }
    if let Some(search) = &query.search {
        let part = sql::<Bool>("instr(search, ").bind::<Text, _>(search.to_ascii_lowercase()).sql(") > 0");
        matching = matching.filter(part);
    }
    matching
}
