use std::path::Path;
use std::time::Duration;

use diesel::ConnectionError;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;

use super::statement::{AutoVacuum, PageCount, PageSize};

/// How long a statement waits for a lock of another program, a backup tool for instance, in milliseconds.
const BUSY_TIMEOUT: u32 = 5_000;
/// Between two tries where SQLite itself doesn't wait, in milliseconds.
const BUSY_PAUSE: u32 = 5;
/// Pages in the log before they are moved into the database: hot pages are moved once for many commits.
const CHECKPOINT_PAGES: u32 = 4_000;
/// The log file is cut down to this many bytes when it is reset.
const LOG_LIMIT: u32 = 64 << 20;
/// A database of at most so many bytes is written anew in a moment, and fits in memory meanwhile.
const SOON_WRITTEN: i64 = 32 << 20;
/// Page cache of the writing connection, in KiB.
const WRITER_CACHE: u32 = 4 << 10;
/// Page cache of each reading connection, in KiB.
const READER_CACHE: u32 = 2 << 10;

/// Opens the writing connection; creates the database when it doesn't exist.
///
/// `synchronous=FULL`: a commit returns when its pages are on the disk, not just handed to the system.
/// `secure_delete=ON`: what is removed is overwritten, also in pages that nothing uses any more, so that it is in no copy
/// of the file.
pub(crate) fn open_writer(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut connection = establish(path)?;
    execute(
        &mut connection,
        &format!(
            "PRAGMA busy_timeout = {BUSY_TIMEOUT};
             PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{WRITER_CACHE};
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
             PRAGMA journal_size_limit = {LOG_LIMIT};
             PRAGMA secure_delete = ON;"
        ),
    )?;
    write_ahead(&mut connection)?;
    Ok(connection)
}

/// Turns the database to write-ahead logging; a new one gives pages back to the file system on request. Where that is done for the first time, SQLite doesn't wait for others who
/// are about to do the same.
fn write_ahead(connection: &mut SqliteConnection) -> Result<(), ConnectionError> {
    let mut waited = 0;
    loop {
        match execute(connection, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;") {
            Err(error) if waited < BUSY_TIMEOUT && is_locked(&error) => {
                std::thread::sleep(Duration::from_millis(BUSY_PAUSE.into()));
                waited += BUSY_PAUSE;
            }
            done => return done,
        }
    }
}

/// Lets a database of an earlier release give pages back, too, where that is done in a moment: it is written anew.
pub(crate) fn make_shrinkable(connection: &mut SqliteConnection) {
    if let Err(error) = write_anew(connection) {
        tracing::info!(%error, "the database file stays one that doesn't shrink");
    }
}

fn write_anew(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mode: i64 = AutoVacuum.get_result(connection)?;
    let (pages, page): (i64, i64) = (PageCount.get_result(connection)?, PageSize.get_result(connection)?);
    if mode != 0 || pages.saturating_mul(page) > SOON_WRITTEN {
        return Ok(());
    }
    connection.batch_execute("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
}

fn is_locked(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::CouldntSetupConfiguration(Error::DatabaseError(_, why)) if why.message().contains("locked"))
}

/// Opens a reading connection.
pub(crate) fn open_reader(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut connection = establish(path)?;
    execute(
        &mut connection,
        &format!(
            "PRAGMA busy_timeout = {BUSY_TIMEOUT};
             PRAGMA query_only = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{READER_CACHE};"
        ),
    )?;
    Ok(connection)
}

fn establish(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let path = path
        .to_str()
        .ok_or_else(|| ConnectionError::InvalidConnectionUrl("the path is not UTF-8".to_owned()))?;
    // SQLite takes `file:…` for a URI with parameters; a path that begins otherwise is a path.
    let path = if path.starts_with("file:") { format!("./{path}") } else { path.to_owned() };
    SqliteConnection::establish(&path)
}

fn execute(connection: &mut SqliteConnection, statements: &str) -> Result<(), ConnectionError> {
    connection.batch_execute(statements).map_err(ConnectionError::CouldntSetupConfiguration)
}
