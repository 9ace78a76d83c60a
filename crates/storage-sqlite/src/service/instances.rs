use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use storage::{
    Budget, Edit, Edited, Epoch, Instance, InstanceId, InstancePatch, InstanceStore, Missing, NodeId, Page,
    StateChange, StorageError, Timestamp, UserId, Webhook, Write,
};
use storage_sql::rows::instance::InstanceRow;
use storage_sql::rows::{count, limit};
use storage_sql::schema::{instances, users};
use storage_sql::{Fault, Sealer};

use super::ownership::{key_of, owned_key};
use super::{burial, leases, webhooks};
use crate::database::SqliteDatabase;
use crate::sqlite::Tx;

#[async_trait]
impl InstanceStore for SqliteDatabase {
    fn create_instance(
        &self,
        instance: Instance,
        webhooks: Vec<Webhook>,
        node: NodeId,
        limit: u64,
    ) -> Write<Epoch> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let (id, created_at) = (instance.id, instance.created_at);
            let key = insert(tx, instance, limit, &sealer)?;
            for webhook in webhooks {
                let webhook = Webhook { instance: id, ..webhook };
                webhooks::insert(&mut tx.db, key, &webhook, &sealer)?;
            }
            if webhooks::load(&mut tx.db, key, id, Webhook::DEFAULT, &sealer)?.is_none() {
                let default = Webhook::new(id, Webhook::DEFAULT, created_at);
                webhooks::insert(&mut tx.db, key, &default, &sealer)?;
            }
            tx.forget_epochs();
            leases::take(&mut tx.db, key, node)
        })
    }

    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        let sealer = self.sealer();
        let found = self.read_for(owner, move |db| match owned_key(db, owner, id) {
            Ok(key) => load(db, key, &sealer),
            Err(Fault::NotFound(_)) => Ok(None),
            Err(fault) => Err(fault),
        });
        Ok(found.await?)
    }

    async fn instances(
        &self,
        owner: UserId,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError> {
        let sealer = self.sealer();
        let page = self
            .read_for(owner, move |db| db.transaction(|db| page_of(db, owner, None, (limit, skip), &sealer)));
        Ok(page.await?)
    }

    async fn instances_tagged(
        &self,
        owner: UserId,
        tag: &str,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError> {
        let (sealer, tag) = (self.sealer(), tag.to_owned());
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| page_of(db, owner, Some(&tag), (limit, skip), &sealer))
        });
        Ok(page.await?)
    }

    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        edit: Edit,
    ) -> Write<Edited<(Instance, Webhook)>> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            let before = load_with_webhook(&mut tx.db, key, &sealer)?;
            edit.check(&before.0.version(&before.1))?;
            let (mut instance, mut webhook) = before.clone();
            patch.apply(&mut instance, &mut webhook, edit.now)?;
            if instance.is_for_the_holder(&before.0) {
                webhooks::check_terms(tx, id, &edit)?;
            }
            update(&mut tx.db, key, &instance, &sealer)?;
            let mut recorded = webhooks::replace(tx, key, &before.1, &webhook, &edit, &sealer)?;
            if let Some(told) = instance.told(&before.0)
                && edit.epoch.is_some()
                && webhooks::check_terms(tx, id, &edit).is_ok()
            {
                let told = webhooks::record(tx, key, id, told, &edit, &sealer)?;
                recorded = recorded.followed_by(told);
            }
            instance.last_activity =
                recorded.events.last().map(|event| event.timestamp).or(instance.last_activity);
            Ok(Edited { before, now: (instance, webhook), recorded })
        })
    }

    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            burial::delete(&mut tx.db, key)?;
            tx.retire_instance();
            Ok(())
        })
    }

    fn bury_instance(&self, owner: UserId, id: InstanceId, now: Timestamp) -> Write<Epoch> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            let epoch = burial::bury(&mut tx.db, key, now, &sealer)?;
            tx.retire_instance();
            Ok(epoch)
        })
    }
}

/// Inserts the row; answers its key.
fn insert(tx: &mut Tx, instance: Instance, limit: u64, sealer: &Sealer) -> Result<i64, Fault> {
    let db = &mut tx.db;
    let owner = users::table.find(&instance.owner.as_bytes()[..]).select(users::id);
    owner.first::<Vec<u8>>(db).optional()?.ok_or(Fault::NotFound(Missing::User))?;
    if key_of(db, instance.id)?.is_some() {
        return Err(Fault::Conflict("id"));
    }
    if count_of(db, instance.owner)? >= limit {
        return Err(Fault::LimitReached("instances"));
    }
    let id = instance.id;
    diesel::insert_into(instances::table)
        .values((InstanceRow::new(instance, sealer)?, instances::epoch.eq(Epoch::default().number())))
        .execute(db)?;
    tx.instance_key(id)
}

/// The row with the time of the newest event.
fn view() -> (
    diesel::dsl::AsSelect<InstanceRow, diesel::sqlite::Sqlite>,
    diesel::expression::SqlLiteral<Nullable<BigInt>>,
) {
    let newest =
        "(SELECT timestamp FROM events WHERE events.instance = instances.key ORDER BY seq DESC LIMIT 1)";
    (InstanceRow::as_select(), sql(newest))
}

pub(super) fn load(db: &mut SqliteConnection, key: i64, sealer: &Sealer) -> Result<Option<Instance>, Fault> {
    let row: Option<(InstanceRow, Option<i64>)> =
        instances::table.find(key).select(view()).first(db).optional()?;
    row.map(|(row, last_activity)| row.open(last_activity, sealer)).transpose()
}

/// An instance with its default webhook; should that be gone, with one that is off.
fn load_with_webhook(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
) -> Result<(Instance, Webhook), Fault> {
    let instance = load(db, key, sealer)?.ok_or(Fault::NotFound(Missing::Instance))?;
    let webhook = webhooks::load(db, key, instance.id, Webhook::DEFAULT, sealer)?;
    let webhook = webhook.unwrap_or_else(|| Webhook::new(instance.id, Webhook::DEFAULT, instance.created_at));
    Ok((instance, webhook))
}

/// A page of instances: first which, which is read from an index, then one by one until the page is full.
fn page_of(
    db: &mut SqliteConnection,
    owner: UserId,
    tag: Option<&str>,
    (take, skip): (u64, u64),
    sealer: &Sealer,
) -> Result<Page<(Instance, Webhook)>, Fault> {
    let wanted = || {
        let owned = instances::table.filter(instances::owner.eq(owner.as_bytes().to_vec()));
        let owned: instances::BoxedQuery<'_, Sqlite> = owned.into_boxed();
        match tag {
            // A user has so many instances at most that their tags need no index.
            Some(tag) => owned.filter(
                sql::<Bool>("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ")
                    .bind::<Text, _>(tag)
                    .sql(")"),
            ),
            None => owned,
        }
    };
    let total = count(wanted().count().get_result(db)?);
    let keys = wanted()
        .order((instances::created_at, instances::id))
        .limit(limit(take))
        .offset(limit(skip))
        .select(instances::key)
        .load::<i64>(db)?;
    let (mut items, mut passed, mut budget) = (Vec::new(), skip, Budget::default());
    for key in keys {
        if !budget.has_room() {
            break;
        }
        passed += 1;
        match load_with_webhook(db, key, sealer) {
            Ok((instance, webhook)) => {
                budget.take(instance.size() + webhook.size());
                items.push((instance, webhook));
            }
            Err(Fault::Corrupt { .. }) => {
                tracing::error!(key, "an instance whose id is unreadable is left out");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(Page { items, total, has_more: passed < total, next: None })
}

fn count_of(db: &mut SqliteConnection, owner: UserId) -> Result<u64, Fault> {
    let owned = instances::table.filter(instances::owner.eq(&owner.as_bytes()[..]));
    Ok(count(owned.count().get_result(db)?))
}

pub(super) fn change_state(
    db: &mut SqliteConnection,
    key: i64,
    state: StateChange,
    sealer: &Sealer,
) -> Result<(), Fault> {
    let mut instance = load(db, key, sealer)?.ok_or(Fault::NotFound(Missing::Instance))?;
    state.apply(&mut instance);
    update(db, key, &instance, sealer)
}

fn update(db: &mut SqliteConnection, key: i64, instance: &Instance, sealer: &Sealer) -> Result<(), Fault> {
    let mut row = InstanceRow::new(instance.clone(), sealer)?;
    if !instance.unreadable.is_empty() {
        row.keep(stored(db, key)?, &instance.unreadable);
    }
    diesel::update(instances::table.find(key)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn stored(db: &mut SqliteConnection, key: i64) -> Result<InstanceRow, Fault> {
    Ok(instances::table.find(key).select(InstanceRow::as_select()).first(db)?)
}
