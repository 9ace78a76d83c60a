//! Another master key: what an earlier one has sealed is sealed anew, in pieces, while others read and write.

use std::sync::Arc;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool};
use storage::{InstanceId, StorageError};
use storage_sql::resealing::{PIECE, Spot};
use storage_sql::rows::instance_id;
use storage_sql::schema::{
    companion_records, dialect_access, events as codes, instances, settings, users, webhooks,
};
use storage_sql::{Fault, Resealed, Sealer};

use crate::database::SqliteDatabase;

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
                    done.count(reseal(spot, &mut tx.db, &sealer))?;
                }
                Ok(done)
            });
            *resealed += done.await?;
        }
        Ok(())
    }
}

/// Seals the value anew, unless it has gone or is already; answers whether it did.
fn reseal(spot: &Spot, db: &mut SqliteConnection, sealer: &Sealer) -> Result<bool, Fault> {
    let Some(sealed) = load(spot, db)? else { return Ok(false) };
    let Some(anew) = spot.anew(&sealed, sealer)? else { return Ok(false) };
    store(spot, db, anew)?;
    Ok(true)
}

fn load(spot: &Spot, db: &mut SqliteConnection) -> Result<Option<Vec<u8>>, Fault> {
    let found = match spot {
        Spot::ApiKey(id) => users::table.find(id).select(users::api_key.nullable()).first(db).optional()?,
        Spot::Setting(name) => {
            settings::table.find(name).select(settings::value.nullable()).first(db).optional()?
        }
        Spot::Proxy(id) => {
            let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
            instance.select(instances::proxy).first(db).optional()?
        }
        Spot::Secret(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::secret).first(db).optional()?
        }
        Spot::NextSecret(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::next_secret).first(db).optional()?
        }
        Spot::Headers(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::headers).first(db).optional()?
        }
        Spot::Code(key, _, seq) => codes::table.find((key, seq)).select(codes::code).first(db).optional()?,
        Spot::Record(key, kind, name) => {
            let record = companion_records::table.find((key, kind, name));
            record.select(companion_records::value.nullable()).first(db).optional()?
        }
        Spot::DialectKey(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            access.select(dialect_access::key.nullable()).first(db).optional()?
        }
        Spot::DialectNotes(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            access.select(dialect_access::notes.nullable()).first(db).optional()?
        }
    };
    Ok(found.flatten())
}

fn store(spot: &Spot, db: &mut SqliteConnection, sealed: Vec<u8>) -> Result<(), Fault> {
    match spot {
        Spot::ApiKey(id) => {
            diesel::update(users::table.find(id)).set(users::api_key.eq(sealed)).execute(db)?
        }
        Spot::Setting(name) => {
            diesel::update(settings::table.find(name)).set(settings::value.eq(sealed)).execute(db)?
        }
        Spot::Proxy(id) => {
            let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
            diesel::update(instance).set(instances::proxy.eq(sealed)).execute(db)?
        }
        Spot::Secret(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::secret.eq(sealed)).execute(db)?
        }
        Spot::NextSecret(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::next_secret.eq(sealed)).execute(db)?
        }
        Spot::Headers(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::headers.eq(sealed)).execute(db)?
        }
        Spot::Code(key, _, seq) => {
            diesel::update(codes::table.find((key, seq))).set(codes::code.eq(sealed)).execute(db)?
        }
        Spot::Record(key, kind, name) => {
            let record = companion_records::table.find((key, kind, name));
            diesel::update(record).set(companion_records::value.eq(sealed)).execute(db)?
        }
        Spot::DialectKey(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            diesel::update(access).set(dialect_access::key.eq(sealed)).execute(db)?
        }
        Spot::DialectNotes(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            diesel::update(access).set(dialect_access::notes.eq(sealed)).execute(db)?
        }
    };
    Ok(())
}

/// What another key than this has sealed, and belongs to no instance.
fn of_service(db: &mut SqliteConnection, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let keys = users::table.filter(sql::<Bool>("substr(api_key, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let keys: Vec<Vec<u8>> = keys.select(users::id).load(db)?;
    let values =
        settings::table.filter(sql::<Bool>("substr(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let values: Vec<String> = values.select(settings::name).load(db)?;
    Ok(Spot::of_service(keys, values))
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
    let dialects = dialect_access::table.filter(dialect_access::instance.eq(key));
    let dialects: Vec<String> = dialects.select(dialect_access::dialect).load(db)?;
    Ok(Spot::of_instance((key, instance), names, codes, dialects))
}

/// The records of a companion that another key than this has sealed.
fn of_companion(db: &mut SqliteConnection, key: i64, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let records = companion_records::table
        .filter(companion_records::instance.eq(key))
        .filter(sql::<Bool>("substr(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()))
        .select((companion_records::kind, companion_records::key));
    let records: Vec<(i64, String)> = records.load(db)?;
    Ok(Spot::of_companion(key, records))
}
