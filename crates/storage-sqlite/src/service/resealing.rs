//! Another master key: what an earlier one has sealed is sealed anew, in pieces, while others read and write.

use std::sync::Arc;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool};
use storage::{InstanceId, StorageError};
use storage_sql::rows::instance_id;
use storage_sql::rows::{dialect, event, instance, record, setting, user, webhook};
use storage_sql::schema::{
    companion_records, dialect_access, events as codes, instances, settings, users, webhooks,
};
use storage_sql::{Fault, Place, Resealed, Sealer};

use crate::database::SqliteDatabase;

/// Values that are sealed anew in one commit: few enough that nobody who writes meanwhile notices.
const PIECE: usize = 500;

/// Where a sealed value lies, and what it is sealed to.
#[derive(Clone)]
enum Spot {
    ApiKey(Vec<u8>),
    Setting(String),
    Proxy(InstanceId),
    Secret(i64, InstanceId, String),
    NextSecret(i64, InstanceId, String),
    Headers(i64, InstanceId, String),
    Code(i64, InstanceId, i64),
    Record(i64, i64, String),
    DialectKey(i64, InstanceId, String),
    DialectNotes(i64, InstanceId, String),
}

impl SqliteDatabase {
    /// Seals everything with the present master key that another one has sealed. It may be cut off at any time: what is left
    /// is done by the next call, and until then both keys open what they have sealed
    /// ([`MasterKey::in_place_of`](crate::MasterKey::in_place_of)).
    ///
    /// # Errors
    /// [`StorageError`] when the database fails.
    pub async fn reseal(&self) -> Result<Resealed, StorageError> {
        let service = self.sealer();
        let id = service.id();
        let mut resealed = Resealed::default();
        let spots = self.read(move |db| of_service(db, id)).await?;
        self.reseal_all(spots, &service, &mut resealed).await?;
        let all = self.read(|db| Ok(instances::table.select((instances::key, instances::id)).load(db)?));
        let all: Vec<(i64, Vec<u8>)> = all.await?;
        for (key, bytes) in all {
            let instance = instance_id(&bytes)?;
            let own = Arc::new(Sealer::for_instance(self.master_key(), instance));
            let spots = self.read(move |db| of_instance(db, key, instance, id)).await?;
            self.reseal_all(spots, &service, &mut resealed).await?;
            let records = self.read(move |db| of_companion(db, key, id)).await?;
            self.reseal_all(records, &own, &mut resealed).await?;
        }
        Ok(resealed)
    }

    async fn reseal_all(
        &self,
        spots: Vec<Spot>,
        sealer: &Arc<Sealer>,
        resealed: &mut Resealed,
    ) -> Result<(), StorageError> {
        for piece in spots.chunks(PIECE) {
            let (sealer, piece) = (Arc::clone(sealer), piece.to_vec());
            let done = self.write(move |tx| {
                let mut done = Resealed::default();
                for spot in &piece {
                    match spot.reseal(&mut tx.db, &sealer) {
                        Ok(changed) => done.anew += u64::from(changed),
                        Err(error @ Fault::Corrupt { .. }) => {
                            tracing::warn!(%error, "a value stays as it is sealed");
                            done.unreadable += 1;
                        }
                        Err(fault) => return Err(fault),
                    }
                }
                Ok(done)
            });
            let Resealed { anew, unreadable } = done.await?;
            resealed.anew += anew;
            resealed.unreadable += unreadable;
        }
        Ok(())
    }
}

impl Spot {
    /// Seals the value anew, unless it has gone or is already; answers whether it did.
    fn reseal(&self, db: &mut SqliteConnection, sealer: &Sealer) -> Result<bool, Fault> {
        let Some(sealed) = self.load(db)? else { return Ok(false) };
        if sealed.starts_with(&sealer.id()) {
            return Ok(false);
        }
        let anew = self.at(|place| sealer.seal(place, &sealer.open(place, &sealed)?))?;
        self.store(db, anew)?;
        Ok(true)
    }

    fn load(&self, db: &mut SqliteConnection) -> Result<Option<Vec<u8>>, Fault> {
        let found = match self {
            Self::ApiKey(id) => {
                users::table.find(id).select(users::api_key.nullable()).first(db).optional()?
            }
            Self::Setting(name) => {
                settings::table.find(name).select(settings::value.nullable()).first(db).optional()?
            }
            Self::Proxy(id) => {
                let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
                instance.select(instances::proxy).first(db).optional()?
            }
            Self::Secret(key, _, name) => {
                webhooks::table.find((key, name)).select(webhooks::secret).first(db).optional()?
            }
            Self::NextSecret(key, _, name) => {
                webhooks::table.find((key, name)).select(webhooks::next_secret).first(db).optional()?
            }
            Self::Headers(key, _, name) => {
                webhooks::table.find((key, name)).select(webhooks::headers).first(db).optional()?
            }
            Self::Code(key, _, seq) => {
                codes::table.find((key, seq)).select(codes::code).first(db).optional()?
            }
            Self::Record(key, kind, name) => {
                let record = companion_records::table.find((key, kind, name));
                record.select(companion_records::value.nullable()).first(db).optional()?
            }
            Self::DialectKey(key, _, name) => {
                let access = dialect_access::table.find((key, name));
                access.select(dialect_access::key.nullable()).first(db).optional()?
            }
            Self::DialectNotes(key, _, name) => {
                let access = dialect_access::table.find((key, name));
                access.select(dialect_access::notes.nullable()).first(db).optional()?
            }
        };
        Ok(found.flatten())
    }

    fn store(&self, db: &mut SqliteConnection, sealed: Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::ApiKey(id) => {
                diesel::update(users::table.find(id)).set(users::api_key.eq(sealed)).execute(db)?
            }
            Self::Setting(name) => {
                diesel::update(settings::table.find(name)).set(settings::value.eq(sealed)).execute(db)?
            }
            Self::Proxy(id) => {
                let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
                diesel::update(instance).set(instances::proxy.eq(sealed)).execute(db)?
            }
            Self::Secret(key, _, name) => {
                let webhook = webhooks::table.find((key, name));
                diesel::update(webhook).set(webhooks::secret.eq(sealed)).execute(db)?
            }
            Self::NextSecret(key, _, name) => {
                let webhook = webhooks::table.find((key, name));
                diesel::update(webhook).set(webhooks::next_secret.eq(sealed)).execute(db)?
            }
            Self::Headers(key, _, name) => {
                let webhook = webhooks::table.find((key, name));
                diesel::update(webhook).set(webhooks::headers.eq(sealed)).execute(db)?
            }
            Self::Code(key, _, seq) => {
                diesel::update(codes::table.find((key, seq))).set(codes::code.eq(sealed)).execute(db)?
            }
            Self::Record(key, kind, name) => {
                let record = companion_records::table.find((key, kind, name));
                diesel::update(record).set(companion_records::value.eq(sealed)).execute(db)?
            }
            Self::DialectKey(key, _, name) => {
                let access = dialect_access::table.find((key, name));
                diesel::update(access).set(dialect_access::key.eq(sealed)).execute(db)?
            }
            Self::DialectNotes(key, _, name) => {
                let access = dialect_access::table.find((key, name));
                diesel::update(access).set(dialect_access::notes.eq(sealed)).execute(db)?
            }
        };
        Ok(())
    }

    fn at<T>(&self, f: impl FnOnce(&Place<'_>) -> T) -> T {
        match self {
            Self::ApiKey(id) => f(&user::api_key_place(&[id])),
            Self::Setting(name) => setting::at(name, f),
            Self::Proxy(id) => f(&Place { column: instance::PROXY, row: &[id.as_bytes()] }),
            Self::Secret(_, id, name) => webhook::at(webhook::SECRET, *id, name, f),
            Self::NextSecret(_, id, name) => webhook::at(webhook::NEXT_SECRET, *id, name, f),
            Self::Headers(_, id, name) => webhook::at(webhook::HEADERS, *id, name, f),
            Self::Code(_, id, seq) => event::at(*id, *seq, f),
            Self::DialectKey(_, id, name) => dialect::at(dialect::KEY, *id, name, f),
            Self::DialectNotes(_, id, name) => dialect::at(dialect::NOTES, *id, name, f),
            Self::Record(_, kind, name) => {
                // Kinds are bytes; what isn't one is sealed to no place.
                f(&record::place(&[&[u8::try_from(*kind).unwrap_or(u8::MAX)], name.as_bytes()]))
            }
        }
    }
}

/// What another key than this has sealed, and belongs to no instance.
fn of_service(db: &mut SqliteConnection, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let keys = users::table.filter(sql::<Bool>("substr(api_key, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let keys: Vec<Vec<u8>> = keys.select(users::id).load(db)?;
    let values =
        settings::table.filter(sql::<Bool>("substr(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let values: Vec<String> = values.select(settings::name).load(db)?;
    Ok(keys.into_iter().map(Spot::ApiKey).chain(values.into_iter().map(Spot::Setting)).collect())
}

/// The same of one instance, without its companion's records.
fn of_instance(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    id: [u8; 4],
) -> Result<Vec<Spot>, Fault> {
    let names = webhooks::table.filter(webhooks::instance.eq(key)).select(webhooks::name);
    let names: Vec<String> = names.load(db)?;
    let codes = codes::table
        .filter(codes::instance.eq(key))
        .filter(codes::code.is_not_null())
        .filter(sql::<Bool>("substr(code, 1, 4) <> ").bind::<Binary, _>(id.to_vec()))
        .select(codes::seq);
    let codes: Vec<i64> = codes.load(db)?;
    let mut spots = vec![Spot::Proxy(instance)];
    for name in names {
        spots.push(Spot::Secret(key, instance, name.clone()));
        spots.push(Spot::NextSecret(key, instance, name.clone()));
        spots.push(Spot::Headers(key, instance, name));
    }
    spots.extend(codes.into_iter().map(|seq| Spot::Code(key, instance, seq)));
    let names = dialect_access::table.filter(dialect_access::instance.eq(key));
    for name in names.select(dialect_access::dialect).load::<String>(db)? {
        spots.push(Spot::DialectKey(key, instance, name.clone()));
        spots.push(Spot::DialectNotes(key, instance, name));
    }
    Ok(spots)
}

/// The records of a companion that another key than this has sealed.
fn of_companion(db: &mut SqliteConnection, key: i64, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let records = companion_records::table
        .filter(companion_records::instance.eq(key))
        .filter(sql::<Bool>("substr(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()))
        .select((companion_records::kind, companion_records::key));
    let records: Vec<(i64, String)> = records.load(db)?;
    Ok(records.into_iter().map(|(kind, name)| Spot::Record(key, kind, name)).collect())
}
