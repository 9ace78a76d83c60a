use std::path::PathBuf;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use storage_sql::schema::settings;
use storage_sql::{MasterKey, Place, Sealer};

use crate::records::old_tables::move_old_tables;
use crate::url::InvalidUrl;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no SQLite file.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The folder can't be made.
    #[error("{path} can't be created")]
    Folder {
        /// The folder that could not be made.
        path: PathBuf,
        /// What exactly failed.
        #[source]
        source: std::io::Error,
    },
    /// The file can't be looked at or made.
    #[error("{path} can't be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// What exactly failed.
        #[source]
        source: std::io::Error,
    },
    /// There is a log of a database, with what was committed last, and the database itself is missing or empty.
    #[error(
        "{log} holds what was committed last, but the database beside it is missing or empty; bring the database back, \
         or move the log away"
    )]
    LeftLog {
        /// The log.
        log: PathBuf,
    },
    /// The file has several names. SQLite keeps a log for each of them, and so would damage it.
    #[error(
        "{path} has another hard link; remove it, or make it a symbolic link: several logs would damage the database"
    )]
    HardLink {
        /// The file.
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

/// Brings the schema up to date, unless the database belongs to a newer release or was sealed with another key. All of it
/// is one transaction, so that processes that open the database at the same time do it once, and a step that fails leaves
/// no half.
pub(crate) fn migrate(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    master: &MasterKey,
) -> Result<(), OpenError> {
    let steps = db.immediate_transaction(|db| {
        check_known(db)?;
        let steps = db.run_pending_migrations(MIGRATIONS).map_err(OpenError::Migration)?.len();
        check_master_key(db, sealer, master)?;
        move_old_tables(db, master).map_err(|fault| OpenError::Migration(fault.into()))?;
        Ok::<_, Refused>(steps)
    });
    let steps = steps.map_err(|Refused(error)| error)?;
    if steps > 0 {
        tracing::info!(steps, "the database's schema was brought up to date");
    }
    Ok(())
}

/// How many steps would be taken, unless the database belongs to a newer release.
pub(crate) fn steps_to_take(db: &mut SqliteConnection) -> Result<usize, OpenError> {
    check_known(db)?;
    Ok(db.pending_migrations(MIGRATIONS).map_err(OpenError::Migration)?.len())
}

fn check_known(db: &mut SqliteConnection) -> Result<(), OpenError> {
    let applied = db.applied_migrations().map_err(OpenError::Database)?;
    let known = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&MIGRATIONS);
    let known: Vec<_> = known.map_err(OpenError::Migration)?;
    match applied.iter().find(|step| !known.iter().any(|ours| ours.name().version() == **step)) {
        Some(step) => Err(OpenError::NewerSchema { step: step.to_string() }),
        None => Ok(()),
    }
}

/// What ends the transaction of the migrations: SQLite's own error, or ours.
struct Refused(OpenError);

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        Self(error)
    }
}

impl From<diesel::result::Error> for Refused {
    fn from(error: diesel::result::Error) -> Self {
        Self(OpenError::database(error))
    }
}

/// Checks that this master key opens what is stored, by a value that is stored with the first opening.
fn check_master_key(db: &mut SqliteConnection, sealer: &Sealer, master: &MasterKey) -> Result<(), OpenError> {
    const NAME: &str = "master key check";
    const PLACE: Place<'static> = Place { column: "settings.value", row: &[NAME.as_bytes()] };
    let ours = sealer.seal(&PLACE, b"").map_err(OpenError::database)?;
    let row = (settings::name.eq(NAME), settings::value.eq(ours));
    diesel::insert_or_ignore_into(settings::table).values(row).execute(db).map_err(OpenError::database)?;
    let stored = settings::table.find(NAME).select(settings::value).first::<Vec<u8>>(db);
    match sealer.open(&PLACE, &stored.map_err(OpenError::database)?) {
        Ok(_) => Ok(()),
        Err(_) => Err(OpenError::WrongMasterKey { given: hex::encode(master.id()) }),
    }
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::{Binary, Nullable, Text};

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

    fn bring_up_to_date(db: &mut SqliteConnection) {
        let master = MasterKey::from_bytes([1; 32]);
        migrate(db, &Sealer::for_service(&master), &master).unwrap();
    }

    #[test]
    fn every_step_can_be_taken_back_and_taken_again() {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        bring_up_to_date(&mut db);
        let first = schema(&mut db);
        assert!(first.len() > 20);
        db.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut db), []);
        bring_up_to_date(&mut db);
        assert_eq!(schema(&mut db), first);
        bring_up_to_date(&mut db);
    }

    #[test]
    fn every_table_is_strict_and_composite_keys_need_no_second_tree() {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        bring_up_to_date(&mut db);
        for definition in
            schema(&mut db).iter().filter(|definition| definition.sql.starts_with("CREATE TABLE"))
        {
            // The index of words has tables of its own making.
            let is_strict = definition.sql.contains("STRICT") || definition.name.starts_with("message_words");
            assert!(is_strict, "{}", definition.name);
            let composite = definition.sql.contains("    PRIMARY KEY (");
            assert!(!composite || definition.sql.contains("WITHOUT ROWID"), "{}", definition.name);
        }
    }

    #[derive(QueryableByName)]
    struct Brought {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Text>)]
        text: Option<String>,
        #[diesel(sql_type = Binary)]
        raw: Vec<u8>,
    }

    /// A database as the first version left it, with one message.
    fn first_version(kind: &str, content: Option<&str>, payload: Option<&[u8]>) -> SqliteConnection {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        db.run_next_migration(MIGRATIONS).unwrap();
        db.run_next_migration(MIGRATIONS).unwrap();
        let message = "INSERT INTO messages VALUES (7, 1, x'', 'c', 'c', 's', 0, ?, ?, 'id', 0, NULL, 'caption', NULL, NULL,
                       'pending', '{\"timestamp\":1}', 5, 1, NULL)";
        let message = diesel::sql_query(message).bind::<Text, _>(kind).bind::<Nullable<Text>, _>(content);
        message.execute(&mut db).unwrap();
        if let Some(payload) = payload {
            let row = diesel::sql_query("INSERT INTO outbox VALUES (1, 7, ?)").bind::<Binary, _>(payload);
            row.execute(&mut db).unwrap();
        }
        db
    }

    fn brought(db: &mut SqliteConnection) -> Brought {
        bring_up_to_date(db);
        diesel::sql_query("SELECT kind, text, raw FROM messages").get_result(db).unwrap()
    }

    /// Texts of every length of the protobuf's length, with all that may stand in one.
    #[test]
    fn texts_of_the_first_version_get_their_protobuf_back() {
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_151, 2_097_152] {
            let text = "ü\0'x".repeat(length / 5) + &"y".repeat(length % 5);
            assert_eq!(text.len(), length);
            let new = brought(&mut first_version("text", Some(&text), None));
            let mut expected = vec![0x0a];
            let mut rest = length;
            while rest >= 0x80 {
                expected.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            expected.push(rest as u8);
            expected.extend_from_slice(text.as_bytes());
            assert!(new.raw == expected && new.text.as_ref() == Some(&text), "{length} bytes");
        }
    }

    #[test]
    fn other_messages_of_the_first_version_keep_what_they_have() {
        let pending = brought(&mut first_version("text", Some("hi"), Some(b"payload")));
        assert_eq!((pending.kind.as_str(), &pending.raw[..]), ("text", &b"payload"[..]));
        let image = brought(&mut first_version("image", None, None));
        assert_eq!((image.kind.as_str(), image.text.as_deref()), ("image", Some("caption")));
        assert!(image.raw.is_empty());
    }
}
