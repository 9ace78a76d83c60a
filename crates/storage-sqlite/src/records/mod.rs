//! The records of companions as rows, sealed as they are: what [`companion`](crate::companion) reads and writes, what an
//! instance's deletion removes, and where those of the first version go.

use std::ops::Range;

use bytes::Bytes;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;
use storage::{InstanceId, Missing};
use storage_sql::Fault;
use storage_sql::rows::record::{PUBLIC, number};
use storage_sql::schema::companion_records::dsl::{companion_records, instance, key, kind, value};
use storage_sql::schema::instances;
use wa_store::{Batch, Key, Kind, Step};

pub(crate) mod old_tables;

pub(crate) fn key_of(db: &mut SqliteConnection, id: InstanceId) -> Result<i64, Fault> {
    let row = instances::table.filter(instances::id.eq(&id.as_bytes()[..])).select(instances::key);
    row.first(db).optional()?.ok_or(Fault::NotFound(Missing::Instance))
}

/// One prepared statement for all keys: a list of any length would be prepared anew each time.
pub(crate) fn get(
    db: &mut SqliteConnection,
    of: i64,
    what: Kind,
    keys: &[Key],
) -> Result<Vec<Option<Bytes>>, Fault> {
    let load = |name: &Key| {
        let row = companion_records.find((of, number(what), name.as_str()));
        Ok(row.select(value).first::<Vec<u8>>(db).optional()?.map(Bytes::from))
    };
    keys.iter().map(load).collect()
}

pub(crate) fn scan(
    db: &mut SqliteConnection,
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
        .load(db)?;
    Ok(rows.into_iter().map(|(name, bytes)| (Key::from_stored(name), bytes.into())).collect())
}

pub(crate) fn count(db: &mut SqliteConnection, of: i64, what: Kind) -> Result<u64, Fault> {
    let rows = companion_records.filter(instance.eq(of)).filter(kind.eq(number(what)));
    let rows: i64 = rows.count().get_result(db)?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

pub(crate) fn apply(db: &mut SqliteConnection, of: i64, batch: &Batch) -> Result<(), Fault> {
    for step in batch.steps() {
        match step {
            Step::Put(what, name, bytes) => {
                let row =
                    (instance.eq(of), kind.eq(number(*what)), key.eq(name.as_str()), value.eq(&bytes[..]));
                // Not an upsert, which diesel would prepare anew each time. It is the same: only the primary key can
                // conflict, and every column is written.
                diesel::replace_into(companion_records).values(row).execute(db)?;
            }
            Step::Delete(what, name) => {
                diesel::delete(companion_records.find((of, number(*what), name.as_str()))).execute(db)?;
            }
            Step::KeepLast(what, last) => {
                KeepLast { instance: of, kind: number(*what), last: at_most(*last) }.execute(db)?;
            }
            Step::Wipe => wipe(db, of)?,
        }
    }
    Ok(())
}

/// Removes the records of a deleted instance's companion that hold secrets. The others, which may be many, follow in pieces.
pub(crate) fn wipe_secrets(db: &mut SqliteConnection, of: i64) -> Result<(), Fault> {
    let records = companion_records.filter(instance.eq(of));
    let [first, middle, last] = PUBLIC.map(number);
    diesel::delete(records.filter(kind.ne(first)).filter(kind.ne(middle)).filter(kind.ne(last)))
        .execute(db)?;
    Ok(())
}

/// What a companion needs to log in, sealed as it is.
pub(crate) fn credentials(db: &mut SqliteConnection, of: i64) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let rows = companion_records.filter(instance.eq(of)).filter(kind.eq(number(Kind::DEVICE)));
    Ok(rows.select((key, value)).load(db)?)
}

/// Gives another instance what [`credentials`] told of one with the same id, to which they are sealed.
pub(crate) fn put_credentials(
    db: &mut SqliteConnection,
    of: i64,
    credentials: Vec<(String, Vec<u8>)>,
) -> Result<(), Fault> {
    for (name, bytes) in credentials {
        let row = (instance.eq(of), kind.eq(number(Kind::DEVICE)), key.eq(name), value.eq(bytes));
        diesel::insert_into(companion_records).values(row).execute(db)?;
    }
    Ok(())
}

/// Removes up to `limit` records; answers how many there were.
pub(crate) fn wipe_some(db: &mut SqliteConnection, of: i64, limit: i64) -> Result<usize, Fault> {
    let some = companion_records.filter(instance.eq(of)).select((kind, key)).limit(limit);
    let some: Vec<(i64, String)> = some.load(db)?;
    for (what, name) in &some {
        diesel::delete(companion_records.find((of, *what, name.as_str()))).execute(db)?;
    }
    Ok(some.len())
}

/// Removes all records of a companion.
fn wipe(db: &mut SqliteConnection, of: i64) -> Result<(), Fault> {
    diesel::delete(companion_records.filter(instance.eq(of))).execute(db)?;
    Ok(())
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Removes a kind's records but the last so many.
#[derive(QueryId)]
struct KeepLast {
    instance: i64,
    kind: i64,
    last: i64,
}

impl QueryFragment<Sqlite> for KeepLast {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("DELETE FROM companion_records WHERE instance = ");
        out.push_bind_param::<BigInt, _>(&self.instance)?;
        out.push_sql(" AND kind = ");
        out.push_bind_param::<BigInt, _>(&self.kind)?;
        // With fewer records there is no such key, and nothing compares with it.
        out.push_sql(" AND key <= (SELECT key FROM companion_records WHERE instance = ");
        out.push_bind_param::<BigInt, _>(&self.instance)?;
        out.push_sql(" AND kind = ");
        out.push_bind_param::<BigInt, _>(&self.kind)?;
        out.push_sql(" ORDER BY key DESC LIMIT 1 OFFSET ");
        out.push_bind_param::<BigInt, _>(&self.last)?;
        out.push_sql(")");
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for KeepLast {}
