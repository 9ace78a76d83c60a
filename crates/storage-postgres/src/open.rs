use diesel::ConnectionError;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use storage_sql::rows::setting;
use storage_sql::schema::settings;
use storage_sql::{MasterKey, Sealer};

use crate::address::DatabaseAddress;
use crate::postgres::connect::Connector;
use crate::resolver::Resolver;

/// The steps of the schema, in their order, each with what takes it.
const STEPS: &[(&str, &str)] =
    &[("00000000000001", include_str!("../../../migrations/postgres/00000000000001_all/up.sql"))];

/// Whoever opens the database does so alone.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('trunkline/' || current_schema(), 0))";
/// As diesel's own tools call it and have it.
const TAKEN: &str = "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
                     run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file of `sslrootcert` can't be used.
    #[error("the certificates that sslrootcert names can't be used")]
    Certificates(#[source] std::io::Error),
    /// The server can't be reached, or lets nobody in.
    #[error("there is no connection to its server")]
    Connection(#[from] ConnectionError),
    /// Text would not be what it is here.
    #[error("the database's encoding is {encoding}; it must be UTF8")]
    Encoding {
        /// What it is instead.
        encoding: String,
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
    /// The system gave no randomness for the first sealed value.
    #[error("nothing can be sealed")]
    Sealing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused something: a step of the schema, mostly.
    #[error("the database's schema could not be brought up to date")]
    Database(#[from] diesel::result::Error),
}

/// What a look at a database found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Steps of the schema that opening it takes first: there is nothing in it yet, or an earlier release wrote it.
    pub steps: usize,
}

impl Examined {
    /// Whether nothing was ever stored in it.
    pub fn is_new(&self) -> bool {
        self.steps == STEPS.len()
    }
}

/// Looks at a database and changes nothing, also while a gateway uses it. What is sealed in it stays sealed.
///
/// # Errors
/// [`OpenError`], as opening it would fail.
pub async fn examine(address: &DatabaseAddress, resolver: Option<Resolver>) -> Result<Examined, OpenError> {
    let connector = Connector::new(address, resolver).map_err(OpenError::Certificates)?;
    let mut session = connector.connect().await?;
    let db = &mut session.db;
    check_encoding(db).await?;
    let there =
        diesel::sql_query("SELECT coalesce(to_regclass('__diesel_schema_migrations')::text, '') AS word");
    if there.get_result::<Word>(db).await?.word.is_empty() {
        return Ok(Examined { steps: STEPS.len() });
    }
    Ok(Examined { steps: steps_left(db).await?.len() })
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// Brings the schema up to date, unless the database belongs to a newer release or was sealed with another key. All of it
/// is one transaction, so that processes that open the database at the same time do it once, and a step that fails leaves
/// no half.
pub(crate) async fn prepare(
    connector: &Connector,
    sealer: &Sealer,
    master: &MasterKey,
) -> Result<(), OpenError> {
    // Its end undoes whatever wasn't committed.
    let mut session = connector.connect().await?;
    let db = &mut session.db;
    check_encoding(db).await?;
    db.batch_execute(&format!("BEGIN; {LOCK}; {TAKEN}")).await?;
    let steps = take_steps(db).await?;
    check_master_key(db, sealer, master).await?;
    db.batch_execute("COMMIT").await?;
    if steps > 0 {
        tracing::info!(steps, "the database's schema was brought up to date");
    }
    Ok(())
}

async fn check_encoding(db: &mut AsyncPgConnection) -> Result<(), OpenError> {
    let asked = diesel::sql_query("SELECT current_setting('server_encoding') AS word");
    let encoding = asked.get_result::<Word>(db).await?.word;
    if encoding == "UTF8" { Ok(()) } else { Err(OpenError::Encoding { encoding }) }
}

/// The steps that were not taken yet.
async fn steps_left(db: &mut AsyncPgConnection) -> Result<Vec<(&'static str, &'static str)>, OpenError> {
    let taken = diesel::sql_query("SELECT version AS word FROM __diesel_schema_migrations ORDER BY version");
    let taken: Vec<Word> = taken.load(db).await?;
    let is_known = |step: &str| STEPS.iter().any(|(version, _)| *version == step);
    if let Some(Word { word }) = taken.iter().find(|step| !is_known(&step.word)) {
        return Err(OpenError::NewerSchema { step: word.clone() });
    }
    let left = STEPS.iter().filter(|(version, _)| !taken.iter().any(|step| step.word == *version));
    Ok(left.copied().collect())
}

async fn take_steps(db: &mut AsyncPgConnection) -> Result<usize, OpenError> {
    let left = steps_left(db).await?;
    for (version, text) in &left {
        db.batch_execute(text).await?;
        let note = diesel::sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ($1)");
        note.bind::<Text, _>(*version).execute(db).await?;
    }
    Ok(left.len())
}

/// Checks that this master key opens what is stored, by a value that is stored with the first opening.
async fn check_master_key(
    db: &mut AsyncPgConnection,
    sealer: &Sealer,
    master: &MasterKey,
) -> Result<(), OpenError> {
    const NAME: &str = "master key check";
    let ours = setting::at(NAME, |place| sealer.seal(place, b""));
    let ours = ours.map_err(|fault| OpenError::Sealing(fault.into()))?;
    let row = (settings::name.eq(NAME), settings::value.eq(ours));
    diesel::insert_into(settings::table).values(row).on_conflict_do_nothing().execute(db).await?;
    let stored: Vec<u8> = settings::table.find(NAME).select(settings::value).first(db).await?;
    match setting::at(NAME, |place| sealer.open(place, &stored)) {
        Ok(_) => Ok(()),
        Err(_) => Err(OpenError::WrongMasterKey { given: hex::encode(master.id()) }),
    }
}
