//! Another master key: what an earlier one has sealed is sealed anew, in pieces, while others read and write.

use std::sync::Arc;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{InstanceId, StorageError};
use storage_sql::resealing::{PIECE, Spot};
use storage_sql::rows::instance_id;
use storage_sql::schema::{
    companion_records, dialect_access, events as codes, instances, settings, users, webhooks,
};
use storage_sql::{Fault, Resealed, Sealer};

use crate::database::PostgresDatabase;

impl PostgresDatabase {
    /// Seals everything with the present master key that another one has sealed. It may be cut off at any time: what is left
    /// is done by the next call, and until then both keys open what they have sealed
    /// ([`MasterKey::in_place_of`](storage_sql::MasterKey::in_place_of)).
    ///
    /// # Errors
    /// [`StorageError`] when the database fails.
    pub async fn reseal(&self) -> Result<Resealed, StorageError> {
        let service = self.sealer();
        let id = service.id();
        let mut resealed = Resealed::default();
        let spots = self.read(async move |db| of_service(db, id).await).await?;
        self.reseal_all(spots, &service, &mut resealed).await?;
        let all = self.read(async move |db| {
            Ok(instances::table.select((instances::key, instances::id)).load(db).await?)
        });
        let all: Vec<(i64, Vec<u8>)> = all.await?;
        for (key, bytes) in all {
            let instance = instance_id(&bytes)?;
            let own = Arc::new(Sealer::for_instance(self.master_key(), instance));
            let spots = self.read(async move |db| of_instance(db, key, instance, id).await).await?;
            self.reseal_all(spots, &service, &mut resealed).await?;
            let records = self.read(async move |db| of_companion(db, key, id).await).await?;
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
            let done = self.write(async move |tx| {
                let mut done = Resealed::default();
                for spot in &piece {
                    done.count(reseal(spot, &mut tx.db, &sealer).await)?;
                }
                Ok(done)
            });
            *resealed += done.await?;
        }
        Ok(())
    }
}

/// Seals the value anew, unless it has gone or is already; answers whether it did.
async fn reseal(spot: &Spot, db: &mut AsyncPgConnection, sealer: &Sealer) -> Result<bool, Fault> {
    let Some(sealed) = load(spot, db).await? else { return Ok(false) };
    let Some(anew) = spot.anew(&sealed, sealer)? else { return Ok(false) };
    store(spot, db, anew).await?;
    Ok(true)
}

async fn load(spot: &Spot, db: &mut AsyncPgConnection) -> Result<Option<Vec<u8>>, Fault> {
    let found = match spot {
        Spot::ApiKey(id) => {
            users::table.find(id).select(users::api_key.nullable()).first(db).await.optional()?
        }
        Spot::Setting(name) => {
            settings::table.find(name).select(settings::value.nullable()).first(db).await.optional()?
        }
        Spot::Proxy(id) => {
            let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
            instance.select(instances::proxy).first(db).await.optional()?
        }
        Spot::Secret(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::secret).first(db).await.optional()?
        }
        Spot::NextSecret(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::next_secret).first(db).await.optional()?
        }
        Spot::Headers(key, _, name) => {
            webhooks::table.find((key, name)).select(webhooks::headers).first(db).await.optional()?
        }
        Spot::Code(key, _, seq) => {
            codes::table.find((key, seq)).select(codes::code).first(db).await.optional()?
        }
        Spot::Record(key, kind, name) => {
            let record = companion_records::table.find((key, kind, name));
            record.select(companion_records::value.nullable()).first(db).await.optional()?
        }
        Spot::DialectKey(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            access.select(dialect_access::key.nullable()).first(db).await.optional()?
        }
        Spot::DialectNotes(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            access.select(dialect_access::notes.nullable()).first(db).await.optional()?
        }
    };
    Ok(found.flatten())
}

async fn store(spot: &Spot, db: &mut AsyncPgConnection, sealed: Vec<u8>) -> Result<(), Fault> {
    match spot {
        Spot::ApiKey(id) => {
            diesel::update(users::table.find(id)).set(users::api_key.eq(sealed)).execute(db).await?
        }
        Spot::Setting(name) => {
            diesel::update(settings::table.find(name)).set(settings::value.eq(sealed)).execute(db).await?
        }
        Spot::Proxy(id) => {
            let instance = instances::table.filter(instances::id.eq(&id.as_bytes()[..]));
            diesel::update(instance).set(instances::proxy.eq(sealed)).execute(db).await?
        }
        Spot::Secret(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::secret.eq(sealed)).execute(db).await?
        }
        Spot::NextSecret(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::next_secret.eq(sealed)).execute(db).await?
        }
        Spot::Headers(key, _, name) => {
            let webhook = webhooks::table.find((key, name));
            diesel::update(webhook).set(webhooks::headers.eq(sealed)).execute(db).await?
        }
        Spot::Code(key, _, seq) => {
            diesel::update(codes::table.find((key, seq))).set(codes::code.eq(sealed)).execute(db).await?
        }
        Spot::Record(key, kind, name) => {
            let record = companion_records::table.find((key, kind, name));
            diesel::update(record).set(companion_records::value.eq(sealed)).execute(db).await?
        }
        Spot::DialectKey(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            diesel::update(access).set(dialect_access::key.eq(sealed)).execute(db).await?
        }
        Spot::DialectNotes(key, _, name) => {
            let access = dialect_access::table.find((key, name));
            diesel::update(access).set(dialect_access::notes.eq(sealed)).execute(db).await?
        }
    };
    Ok(())
}

/// What another key than this has sealed, and belongs to no instance.
async fn of_service(db: &mut AsyncPgConnection, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let keys =
        users::table.filter(sql::<Bool>("substring(api_key, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let keys: Vec<Vec<u8>> = keys.select(users::id).load(db).await?;
    let values =
        settings::table.filter(sql::<Bool>("substring(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()));
    let values: Vec<String> = values.select(settings::name).load(db).await?;
    Ok(Spot::of_service(keys, values))
}

/// The same of one instance, without its companion's records.
async fn of_instance(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    id: [u8; 4],
) -> Result<Vec<Spot>, Fault> {
    let names = webhooks::table.filter(webhooks::instance.eq(key)).select(webhooks::name);
    let names: Vec<String> = names.load(db).await?;
    let codes = codes::table
        .filter(codes::instance.eq(key))
        .filter(codes::code.is_not_null())
        .filter(sql::<Bool>("substring(code, 1, 4) <> ").bind::<Binary, _>(id.to_vec()))
        .select(codes::seq);
    let codes: Vec<i64> = codes.load(db).await?;
    let dialects = dialect_access::table.filter(dialect_access::instance.eq(key));
    let dialects: Vec<String> = dialects.select(dialect_access::dialect).load(db).await?;
    Ok(Spot::of_instance((key, instance), names, codes, dialects))
}

/// The records of a companion that another key than this has sealed.
async fn of_companion(db: &mut AsyncPgConnection, key: i64, id: [u8; 4]) -> Result<Vec<Spot>, Fault> {
    let records = companion_records::table
        .filter(companion_records::instance.eq(key))
        .filter(sql::<Bool>("substring(value, 1, 4) <> ").bind::<Binary, _>(id.to_vec()))
        .select((companion_records::kind, companion_records::key));
    let records: Vec<(i64, String)> = records.load(db).await?;
    Ok(Spot::of_companion(key, records))
}
