use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use storage::{
    Budget, CauseKind, ConnectionCause, ConnectionSettings, DeviceLook, Edit, Edited, Epoch, Instance,
    InstanceId, InstancePatch, InstanceStatus, InstanceStore, Missing, NodeId, Page, Part, Retention,
    SecretText, StateChange, StorageError, Timestamp, UserId, Webhook, Write,
};

use super::ownership::{key_of, owned_key};
use super::{count, instance_id, leases, limit, time, user_id, webhooks};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::records;
use crate::schema::{claims, cursors, deliveries, early_changes, instances, retired_instances, users};
use crate::seal::{Place, Sealer};
use crate::sqlite::Tx;
use crate::unreadable;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = instances, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct InstanceRow {
    id: Vec<u8>,
    owner: Vec<u8>,
    name: String,
    description: Option<String>,
    event_days: Option<i64>,
    message_days: Option<i64>,
    proxy: Option<Vec<u8>>,
    shows_delivery: bool,
    device_name: Option<String>,
    device_icon: Option<String>,
    status: String,
    status_cause: Option<String>,
    jid: Option<String>,
    lid: Option<String>,
    phone: Option<String>,
    push_name: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl InstanceRow {
    fn new(instance: Instance, sealer: &Sealer) -> Result<Self, Fault> {
        let ConnectionSettings { proxy, shows_delivery } = &instance.connection;
        let place = Place { column: PROXY, row: &[instance.id.as_bytes()] };
        let proxy = proxy.as_ref().map(|proxy| sealer.seal(&place, proxy.expose().as_bytes())).transpose()?;
        Ok(Self {
            proxy,
            shows_delivery: *shows_delivery,
            id: instance.id.as_bytes().to_vec(),
            owner: instance.owner.as_bytes().to_vec(),
            name: instance.name,
            description: instance.description,
            event_days: instance.retention.event_days.map(i64::from),
            message_days: instance.retention.message_days.map(i64::from),
            device_name: instance.look.name,
            device_icon: instance.look.icon.map(|icon| icon.as_str().to_owned()),
            status: instance.status.as_str().to_owned(),
            status_cause: instance.status_cause.map(|cause| cause.to_string()),
            jid: instance.jid,
            lid: instance.lid,
            phone: instance.phone,
            push_name: instance.push_name,
            created_at: instance.created_at.millis(),
            updated_at: instance.updated_at.millis(),
        })
    }

    /// The instance, without the parts that can't be read. An error only if nobody could name it.
    fn open(self, last_activity: Option<i64>, sealer: &Sealer) -> Result<Instance, Fault> {
        let id = instance_id(&self.id)?;
        let mut unreadable = Vec::new();
        let mut without = |part, fault| {
            unreadable::tell("instances", id, &part, &fault);
            unreadable.push(part);
        };
        let (status, status_cause) = self.state().unwrap_or_else(|fault| {
            without(Part::State, fault);
            (InstanceStatus::Disconnected, Some(CauseKind::Unreadable.into()))
        });
        let proxy = self.open_proxy(sealer).unwrap_or_else(|fault| {
            without(Part::Proxy, fault);
            None
        });
        let icon = self.device_icon.as_ref().map(|icon| icon.parse()).transpose().unwrap_or_else(|word| {
            without(Part::DeviceIcon, Fault::from(word));
            None
        });
        Ok(Instance {
            connection: ConnectionSettings { proxy, shows_delivery: self.shows_delivery },
            id,
            // Whose it is can't be told by anything else.
            owner: user_id(&self.owner).unwrap_or(UserId::NOBODY),
            name: self.name,
            description: self.description,
            retention: Retention { event_days: days(self.event_days), message_days: days(self.message_days) },
            look: DeviceLook { name: self.device_name, icon },
            status,
            status_cause,
            jid: self.jid,
            lid: self.lid,
            phone: self.phone,
            push_name: self.push_name,
            last_activity: last_activity.map(time),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            unreadable,
        })
    }

    fn state(&self) -> Result<(InstanceStatus, Option<ConnectionCause>), Fault> {
        Ok((self.status.parse()?, self.status_cause.as_ref().map(|cause| cause.parse()).transpose()?))
    }

    fn open_proxy(&self, sealer: &Sealer) -> Result<Option<SecretText>, Fault> {
        let Some(sealed) = &self.proxy else { return Ok(None) };
        let proxy = sealer.open(&Place { column: PROXY, row: &[&self.id] }, sealed)?;
        let proxy = std::str::from_utf8(&proxy).map_err(|error| Fault::corrupt(PROXY, error))?;
        Ok(Some(SecretText::new(proxy)))
    }

    /// Leaves what can't be read as it is stored: whoever changes something else doesn't destroy it.
    fn keep(&mut self, stored: Self, unreadable: &[Part]) {
        if unreadable.contains(&Part::State) {
            (self.status, self.status_cause) = (stored.status, stored.status_cause);
        }
        if unreadable.contains(&Part::Proxy) {
            self.proxy = stored.proxy;
        }
        if unreadable.contains(&Part::DeviceIcon) {
            self.device_icon = stored.device_icon;
        }
    }
}

/// Where proxies are sealed.
const PROXY: &str = "instances.proxy";

pub(super) fn days(stored: Option<i64>) -> Option<u32> {
    stored.map(|days| u32::try_from(days).unwrap_or(u32::MAX))
}

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
        let page =
            self.read_for(owner, move |db| db.transaction(|db| page_of(db, owner, limit, skip, &sealer)));
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
            if instance.connection != before.0.connection {
                webhooks::check_terms(tx, id, &edit)?;
            }
            update(&mut tx.db, key, &instance, &sealer)?;
            let recorded = webhooks::replace(tx, key, &before.1, &webhook, &edit, &sealer)?;
            instance.last_activity =
                recorded.events.last().map(|event| event.timestamp).or(instance.last_activity);
            Ok(Edited { before, now: (instance, webhook), recorded })
        })
    }

    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            delete(&mut tx.db, key)?;
            tx.retire_instance();
            Ok(())
        })
    }

    fn bury_instance(&self, owner: UserId, id: InstanceId, now: Timestamp) -> Write<Epoch> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            let epoch = bury(&mut tx.db, key, now, &sealer)?;
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
    take: u64,
    skip: u64,
    sealer: &Sealer,
) -> Result<Page<(Instance, Webhook)>, Fault> {
    let total = count_of(db, owner)?;
    let keys = instances::table
        .filter(instances::owner.eq(&owner.as_bytes()[..]))
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

fn stored(db: &mut SqliteConnection, key: i64) -> Result<InstanceRow, Fault> {
    Ok(instances::table.find(key).select(InstanceRow::as_select()).first(db)?)
}

/// Gives the companion's credentials a row of their own, with the same id and another key, and removes the rest.
fn bury(db: &mut SqliteConnection, key: i64, now: Timestamp, sealer: &Sealer) -> Result<Epoch, Fault> {
    let (epoch, node): (i64, Option<Vec<u8>>) =
        instances::table.find(key).select((instances::epoch, instances::node)).first(db)?;
    let buried = load(db, key, sealer)?.ok_or(Fault::NotFound(Missing::Instance))?.buried();
    let (id, epoch) = (buried.id, Epoch::new(epoch).next());
    let unreadable = buried.unreadable.clone();
    let mut row = InstanceRow::new(buried, sealer)?;
    row.keep(stored(db, key)?, &unreadable);
    let credentials = records::credentials(db, key)?;
    delete(db, key)?;
    let row = (
        row,
        instances::epoch.eq(epoch.number()),
        instances::node.eq(node),
        instances::buried_at.eq(now.millis()),
    );
    diesel::insert_into(instances::table).values(row).execute(db)?;
    let key = key_of(db, id)?.ok_or(Fault::NotFound(Missing::Instance))?;
    records::put_credentials(db, key, credentials)?;
    Ok(epoch)
}

/// Removes what is left of a buried instance.
pub(super) fn forget_buried(tx: &mut Tx, id: InstanceId, epoch: Epoch) -> Result<(), Fault> {
    let key = tx.check_epoch(id, epoch)?;
    let buried_at: Option<i64> = instances::table.find(key).select(instances::buried_at).first(&mut tx.db)?;
    buried_at.ok_or(Fault::NotFound(Missing::Instance))?;
    delete(&mut tx.db, key)?;
    tx.retire_instance();
    Ok(())
}

/// Removes what identifies the instance and all secrets; messages and events follow, see `sqlite::purge`.
fn delete(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    records::wipe_secrets(db, key)?;
    webhooks::delete_all(db, key)?;
    diesel::delete(cursors::table.filter(cursors::instance.eq(key))).execute(db)?;
    diesel::delete(early_changes::table.filter(early_changes::instance.eq(key))).execute(db)?;
    diesel::delete(deliveries::table.filter(deliveries::instance.eq(key))).execute(db)?;
    diesel::delete(claims::table.filter(claims::instance.eq(key))).execute(db)?;
    diesel::delete(instances::table.find(key)).execute(db)?;
    diesel::insert_into(retired_instances::table).values(retired_instances::instance.eq(key)).execute(db)?;
    Ok(())
}
