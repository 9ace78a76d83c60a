use async_trait::async_trait;
use diesel::dsl::{max, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{
    Budget, Contact, ContactChange, ContactQuery, ContactStore, InstanceId, Outcome, Page, StorageError,
    Timestamp, UserId, Write,
};
use storage_sql::Fault;
use storage_sql::rows::contact::ContactRow;
use storage_sql::rows::{count, limit, time};
use storage_sql::schema::{contacts, messages};

use super::ownership::owned_key;
use crate::database::PostgresDatabase;

/// Whom a change is about, and what they are known by.
pub(super) struct ContactsOf {
    pub(super) key: i64,
    pub(super) instance: InstanceId,
}

impl ContactsOf {
    pub(super) async fn change(
        &self,
        db: &mut AsyncPgConnection,
        change: &ContactChange,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        let Some(mut contact) = self.known(db, &change.jid).await? else {
            let Some(contact) = change.made(self.instance, now) else { return Ok(Outcome::Unchanged) };
            self.put(db, &contact).await?;
            return Ok(Outcome::Added);
        };
        if !change.apply(&mut contact, now) {
            return Ok(Outcome::Unchanged);
        }
        self.put(db, &contact).await?;
        Ok(Outcome::Advanced)
    }

    /// One person was known as two.
    pub(super) async fn merge(
        &self,
        db: &mut AsyncPgConnection,
        from: &str,
        into: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(other) = self.find(db, from).await? else { return Ok(()) };
        let known = self.find(db, into).await?;
        let mut contact = known.unwrap_or_else(|| Contact {
            jid: into.to_owned(),
            saved_name: None,
            verified_name: None,
            push_name: None,
            ..other.clone()
        });
        ContactChange { lid: Some(from.to_owned()), ..ContactChange::adopting(&other, &contact) }
            .apply(&mut contact, now);
        diesel::delete(contacts::table.find((self.key, from))).execute(db).await?;
        self.put(db, &contact).await
    }

    /// Somebody by this name, or by this LID.
    async fn known(&self, db: &mut AsyncPgConnection, jid: &str) -> Result<Option<Contact>, Fault> {
        let found = self.find(db, jid).await?;
        if found.is_some() || !jid.ends_with("@lid") {
            return Ok(found);
        }
        let by_lid = contacts::table.filter(contacts::instance.eq(self.key)).filter(contacts::lid.eq(jid));
        let row = by_lid.select(ContactRow::as_select()).first(db).await.optional()?;
        Ok(row.map(|row| row.open(self.instance)))
    }

    pub(super) async fn find(&self, db: &mut AsyncPgConnection, jid: &str) -> Result<Option<Contact>, Fault> {
        let row = contacts::table
            .find((self.key, jid))
            .select(ContactRow::as_select())
            .first(db)
            .await
            .optional()?;
        Ok(row.map(|row| row.open(self.instance)))
    }

    async fn put(&self, db: &mut AsyncPgConnection, contact: &Contact) -> Result<(), Fault> {
        let row = ContactRow::of(self.key, contact);
        let put = diesel::insert_into(contacts::table)
            .values(&row)
            .on_conflict((contacts::instance, contacts::jid));
        put.do_update().set(&row).execute(db).await?;
        Ok(())
    }

    /// A contact with the time of the last message in the chat.
    async fn shown(&self, db: &mut AsyncPgConnection, contact: Contact) -> Result<Contact, Fault> {
        let of_chat = messages::table
            .filter(messages::instance.eq(self.key))
            .filter(messages::chat.eq(&contact.jid))
            .filter(messages::amends.eq(false));
        let last: Option<i64> = of_chat.select(max(messages::created_at)).first(db).await?;
        Ok(Contact { last_activity: contact.last_activity.max(last.map(time)), ..contact })
    }
}

#[async_trait]
impl ContactStore for PostgresDatabase {
    async fn contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ContactQuery,
    ) -> Result<Page<Contact>, StorageError> {
        let query = query.clone();
        let page = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            page(db, &ContactsOf { key, instance }, &query).await
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
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let all = ContactsOf { key, instance };
            all.change(&mut tx.db, &change, now).await?;
            let contact = all.known(&mut tx.db, &change.jid).await?;
            let contact = contact.ok_or(Fault::Invalid("a contact of which nothing is known"))?;
            all.shown(&mut tx.db, contact).await
        })
    }

    async fn clear_contacts(
        &self,
        owner: UserId,
        instance: InstanceId,
        most: u64,
    ) -> Result<u64, StorageError> {
        let removal = self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let some = contacts::table.filter(contacts::instance.eq(key)).select(contacts::jid);
            let some = some.limit(limit(most)).load::<String>(&mut tx.db).await?;
            let of_instance = contacts::table.filter(contacts::instance.eq(key));
            diesel::delete(of_instance.filter(contacts::jid.eq_any(&some))).execute(&mut tx.db).await?;
            Ok(some.len() as u64)
        });
        removal.await
    }
}

async fn page(
    db: &mut AsyncPgConnection,
    all: &ContactsOf,
    query: &ContactQuery,
) -> Result<Page<Contact>, Fault> {
    let total = count(wanted(all.key, query).count().get_result(db).await?);
    let rows = wanted(all.key, query)
        .select(ContactRow::as_select())
        .order((contacts::name, contacts::jid))
        .limit(limit(query.limit.saturating_add(1)))
        .offset(limit(query.skip));
    let (mut found, mut budget, mut has_more) = (Vec::new(), Budget::default(), false);
    let mut rows = rows.load_stream::<ContactRow>(db).await?;
    while let Some(row) = rows.try_next().await? {
        if found.len() as u64 == query.limit || !budget.has_room() {
            has_more = true;
            break;
        }
        let contact = row.open(all.instance);
        budget.take(contact.size());
        found.push(contact);
    }
    drop(rows);
    let mut items = Vec::with_capacity(found.len());
    for contact in found {
        items.push(all.shown(db, contact).await?);
    }
    Ok(Page { items, total, has_more, next: None })
}

fn wanted(key: i64, query: &ContactQuery) -> contacts::BoxedQuery<'_, Pg> {
    let mut matching = contacts::table.filter(contacts::instance.eq(key)).into_boxed();
    if let Some(groups) = query.groups {
        matching = matching.filter(contacts::is_group.eq(groups));
    }
    if let Some(search) = &query.search {
        let part = sql::<Bool>("strpos(search, ").bind::<Text, _>(search.to_ascii_lowercase()).sql(") > 0");
        matching = matching.filter(part);
    }
    matching
}
