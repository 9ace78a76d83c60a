//! A look at a database that changes nothing.

use std::path::Path;

use crate::open::{OpenError, steps_to_take};
use crate::sqlite::connection::open_reader;

/// What a look at a database found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Steps of the schema that opening it takes first: an earlier release wrote it.
    pub steps: usize,
    /// Bytes of its file.
    pub bytes: u64,
}

/// Looks at an existing database file, also while a gateway uses it. What is sealed in it stays sealed.
///
/// # Errors
/// [`OpenError`], as opening it would fail.
pub fn examine(file: &Path) -> Result<Examined, OpenError> {
    let found = file.metadata().map_err(|source| OpenError::File { path: file.to_owned(), source })?;
    let mut db = open_reader(file).map_err(OpenError::database)?;
    Ok(Examined { steps: steps_to_take(&mut db)?, bytes: found.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, SqliteDatabase};

    #[tokio::test]
    async fn a_database_is_looked_at_while_it_is_open_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trunkline.db");
        assert!(matches!(examine(&file), Err(OpenError::File { .. })));
        let url = format!("file:{}", file.display());
        let database = SqliteDatabase::open(&url, MasterKey::from_bytes([1; 32])).unwrap();
        let found = examine(&file).unwrap();
        assert!(found.steps == 0 && found.bytes > 0, "{found:?}");
        database.close().await;
        std::fs::write(&file, "these are no pages of a database, and never were any").unwrap();
        assert!(matches!(examine(&file), Err(OpenError::Database(_) | OpenError::Migration(_))));
    }
}
