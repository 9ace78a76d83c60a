//! The records of companions as rows, sealed as they are: what [`companion`](crate::companion) reads and writes, and what an
//! instance's deletion removes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{InstanceId, Missing};
use storage_sql::Fault;
use storage_sql::rows::record::{PUBLIC, number};
use storage_sql::schema::companion_records::dsl::{companion_records, instance, key, kind, value};
use storage_sql::schema::instances;
use wa_store::{Batch, Key, Kind, Step};

use crate::statement::{KeepLast, PutRecords};

pub(crate) async fn key_of(db: &mut AsyncPgConnection, id: InstanceId) -> Result<i64, Fault> {
    let row = instances::table.filter(instances::id.eq(&id.as_bytes()[..])).select(instances::key);
    row.first(db).await.optional()?.ok_or(Fault::NotFound(Missing::Instance))
}

pub(crate) async fn get(
    db: &mut AsyncPgConnection,
    of: i64,
    what: Kind,
    keys: &[Key],
) -> Result<Vec<Option<Bytes>>, Fault> {
    let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
    let rows: Vec<(String, Vec<u8>)> = companion_records
        .filter(instance.eq(of))
        .filter(kind.eq(number(what)))
        .filter(key.eq_any(names))
        .select((key, value))
        .load(db)
        .await?;
    let found: HashMap<String, Bytes> = rows.into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
    Ok(keys.iter().map(|name| found.get(name.as_str()).cloned()).collect())
}

pub(crate) async fn scan(
    db: &mut AsyncPgConnection,
    of: i64,
    what: Kind,
    range: &Range<Key>,
    limit: usize,
) -> Result<Vec<(Key, Bytes)>, Fault> {
    let rows: Vec<(String, Vec<u8>)> = companion_records
        .filter(instance.eq(of))
        .filter(kind.eq(number(what)))
        .filter(key.ge(range.start.as_str()))
        .filter(key.lt(range.end.as_str()))
        .order(key)
        .limit(at_most(limit))
        .select((key, value))
        .load(db)
        .await?;
    Ok(rows.into_iter().map(|(name, bytes)| (Key::from_stored(name), bytes.into())).collect())
}

pub(crate) async fn count(db: &mut AsyncPgConnection, of: i64, what: Kind) -> Result<u64, Fault> {
    let rows = companion_records.filter(instance.eq(of)).filter(kind.eq(number(what)));
    let rows: i64 = rows.count().get_result(db).await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// Applies the steps in their order; what is put one after the other is put in one statement.
pub(crate) async fn apply(db: &mut AsyncPgConnection, of: i64, batch: &Batch) -> Result<(), Fault> {
    let mut puts: BTreeMap<(i64, &str), &[u8]> = BTreeMap::new();
    for step in batch.steps() {
        if !matches!(step, Step::Put(..)) {
            put(db, of, std::mem::take(&mut puts)).await?;
        }
        match step {
            Step::Put(what, name, bytes) => {
                puts.insert((number(*what), name.as_str()), bytes);
            }
            Step::Delete(what, name) => {
                let row = companion_records.find((of, number(*what), name.as_str()));
                diesel::delete(row).execute(db).await?;
            }
            Step::KeepLast(what, last) => {
                let what = number(*what);
                let keep = KeepLast { of, what, instance: of, kind: what, last: at_most(*last) };
                keep.execute(db).await?;
            }
            Step::Wipe => wipe(db, of).await?,
        }
    }
    put(db, of, puts).await
}

async fn put(db: &mut AsyncPgConnection, of: i64, puts: BTreeMap<(i64, &str), &[u8]>) -> Result<(), Fault> {
    if puts.is_empty() {
        return Ok(());
    }
    let (kinds, keys) = puts.keys().map(|(what, name)| (*what, (*name).to_owned())).unzip();
    let values = puts.values().map(|bytes| bytes.to_vec()).collect();
    PutRecords { instance: of, kinds, keys, values }.execute(db).await?;
    Ok(())
}

/// Removes the records of a deleted instance's companion that hold secrets. The others, which may be many, follow in pieces.
pub(crate) async fn wipe_secrets(db: &mut AsyncPgConnection, of: i64) -> Result<(), Fault> {
    let records = companion_records.filter(instance.eq(of));
    let [first, middle, last] = PUBLIC.map(number);
    diesel::delete(records.filter(kind.ne(first)).filter(kind.ne(middle)).filter(kind.ne(last)))
        .execute(db)
        .await?;
    Ok(())
}

/// What a companion needs to log in, sealed as it is.
pub(crate) async fn credentials(
    db: &mut AsyncPgConnection,
    of: i64,
) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let rows = companion_records.filter(instance.eq(of)).filter(kind.eq(number(Kind::DEVICE)));
    Ok(rows.select((key, value)).load(db).await?)
}

/// Gives another instance what [`credentials`] told of one with the same id, to which they are sealed.
pub(crate) async fn put_credentials(
    db: &mut AsyncPgConnection,
    of: i64,
    credentials: Vec<(String, Vec<u8>)>,
) -> Result<(), Fault> {
    for (name, bytes) in credentials {
        let row = (instance.eq(of), kind.eq(number(Kind::DEVICE)), key.eq(name), value.eq(bytes));
        diesel::insert_into(companion_records).values(row).execute(db).await?;
    }
    Ok(())
}

/// Removes up to `limit` records; answers how many there were.
pub(crate) async fn wipe_some(db: &mut AsyncPgConnection, of: i64, limit: i64) -> Result<usize, Fault> {
    let some = companion_records.filter(instance.eq(of)).select((kind, key)).limit(limit);
    let some: Vec<(i64, String)> = some.load(db).await?;
    for (what, name) in &some {
        diesel::delete(companion_records.find((of, *what, name.as_str()))).execute(db).await?;
    }
    Ok(some.len())
}

/// Removes all records of a companion.
async fn wipe(db: &mut AsyncPgConnection, of: i64) -> Result<(), Fault> {
    diesel::delete(companion_records.filter(instance.eq(of))).execute(db).await?;
    Ok(())
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
