use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::MasterKey;
use crate::schema::settings;
use crate::seal::{Place, Sealer};
use crate::url::InvalidUrl;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no SQLite file.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The folder or the lock file can't be made.
    #[error("{path} can't be created or opened")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What exactly failed.
        #[source]
        source: std::io::Error,
    },
    /// Another process, or another part of this one, has the database open.
    #[error("the database {path} is in use by another process")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database was last opened by a newer release.
    #[error("the database has the step {step} of a newer release; this one can't read it")]
    NewerSchema {
        /// The first unknown step.
        step: String,
    },
    /// What is stored was sealed with another master key.
    #[error("the database was sealed with another master key than the one given (id {given})")]
    WrongMasterKey {
        /// Id of the key that was given, in hexadecimal.
        given: String,
    },
    /// A step of the schema failed; the database is as it was before the step.
    #[error("the database's schema could not be brought up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// SQLite failed: not a database, damaged, no permission.
    #[error("the database could not be opened")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    pub(crate) fn database(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Database(error.into())
    }
}

/// Held for as long as the database is open; a second one for the same database is refused.
///
/// The system takes the lock away when the process ends, however it ends.
pub(crate) struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Creates missing folders, then takes the lock in a file beside the database.
    pub(crate) fn acquire(database: &Path) -> Result<Self, OpenError> {
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|source| OpenError::File { path: folder.to_owned(), source })?;
        }
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|source| OpenError::File { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
        }
    }
}

/// Brings the schema up to date, unless the database belongs to a newer release.
pub(crate) fn migrate(db: &mut SqliteConnection) -> Result<(), OpenError> {
    let applied = db.applied_migrations().map_err(OpenError::Database)?;
    let known = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&MIGRATIONS);
    let known: Vec<_> = known.map_err(OpenError::Migration)?;
    let unknown = applied.iter().find(|step| !known.iter().any(|ours| ours.name().version() == **step));
    if let Some(step) = unknown {
        return Err(OpenError::NewerSchema { step: step.to_string() });
    }
    let steps = db.run_pending_migrations(MIGRATIONS).map_err(OpenError::Migration)?;
    if !steps.is_empty() {
        tracing::info!(steps = steps.len(), "the database's schema was brought up to date");
    }
    Ok(())
}

/// Checks that this master key opens what is stored, by a value that is stored with the first opening.
pub(crate) fn check_master_key(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    master: &MasterKey,
) -> Result<(), OpenError> {
    const NAME: &str = "master key check";
    const PLACE: Place<'static> = Place { column: "settings.value", row: &[NAME.as_bytes()] };
    let stored = settings::table.find(NAME).select(settings::value).first::<Vec<u8>>(db).optional();
    match stored.map_err(OpenError::database)? {
        Some(sealed) => {
            sealer
                .open(&PLACE, &sealed)
                .map_err(|_| OpenError::WrongMasterKey { given: hex::encode(master.id()) })?;
        }
        None => {
            let sealed = sealer.seal(&PLACE, b"").map_err(OpenError::database)?;
            let row = (settings::name.eq(NAME), settings::value.eq(sealed));
            diesel::insert_into(settings::table).values(row).execute(db).map_err(OpenError::database)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Text;

    use super::*;

    #[derive(QueryableByName, Debug, PartialEq)]
    struct Definition {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        sql: String,
    }

    fn schema(db: &mut SqliteConnection) -> Vec<Definition> {
        let all = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
                   AND name NOT LIKE 'sqlite%' ORDER BY name";
        diesel::sql_query(all).load(db).unwrap()
    }

    #[test]
    fn every_step_can_be_taken_back_and_taken_again() {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        migrate(&mut db).unwrap();
        let first = schema(&mut db);
        assert!(first.len() > 20);
        db.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut db), []);
        migrate(&mut db).unwrap();
        assert_eq!(schema(&mut db), first);
        migrate(&mut db).unwrap();
    }

    #[test]
    fn every_table_is_strict_and_composite_keys_need_no_second_tree() {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        migrate(&mut db).unwrap();
        for definition in
            schema(&mut db).iter().filter(|definition| definition.sql.starts_with("CREATE TABLE"))
        {
            assert!(definition.sql.contains("STRICT"), "{}", definition.name);
            let composite = definition.sql.contains("    PRIMARY KEY (");
            assert!(!composite || definition.sql.contains("WITHOUT ROWID"), "{}", definition.name);
        }
    }
}
