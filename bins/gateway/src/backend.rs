//! The database, whichever it is.

use std::sync::Arc;

use storage::{Epoch, InstanceId, Storage};
use storage_sqlite::{MasterKey, MasterKeyError, OpenError, SqliteDatabase};
use thiserror::Error;
use tokio::task::JoinError;
use wa_client::Store;

use crate::config::{Config, ConfigError, DatabaseConfig};

/// An open database.
#[derive(Clone)]
pub(crate) enum Backend {
    Sqlite(SqliteDatabase),
}

/// Why the database can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The configuration lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The master key can't be read or made.
    #[error("MASTER_KEY isn't set, and DATA_DIR/master.key can't be used")]
    MasterKey(#[from] MasterKeyError),
    /// It can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Opening it failed in an unexpected way.
    #[error("the database could not be opened")]
    Panicked(#[from] JoinError),
}

impl Backend {
    /// Opens the database that is configured and brings its schema up to date.
    ///
    /// # Errors
    /// When the master key can't be used, or the database can't be opened.
    pub(crate) async fn open(config: &Config) -> Result<Self, BackendError> {
        let config = config.clone();
        // Opening reads and writes files.
        let opening = tokio::task::spawn_blocking(move || {
            let key = master_key(&config)?;
            match &config.database {
                DatabaseConfig::Sqlite { file } => {
                    let url = format!("file:{}", file.display());
                    Ok(Self::Sqlite(SqliteDatabase::open(&url, key)?))
                }
            }
        });
        opening.await?
    }

    /// What the services store.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        match self {
            Self::Sqlite(database) => Arc::new(database.clone()),
        }
    }

    /// What the companion of an instance stores.
    pub(crate) fn companion_store(&self, instance: InstanceId, epoch: Epoch) -> Store {
        match self {
            Self::Sqlite(database) => database.companion_store(instance, epoch),
        }
    }

    /// As `DATABASE_PROVIDER` names it.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// Finishes what is queued, then closes.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
        }
    }
}

fn master_key(config: &Config) -> Result<MasterKey, BackendError> {
    if let Some(key) = &config.master_key {
        return Ok(key.clone());
    }
    let file = config.data_dir.join("master.key");
    let DatabaseConfig::Sqlite { file: database } = &config.database;
    if database.exists() && !file.exists() {
        // A new key would open nothing of it.
        let problem = format!(
            "isn't set and {} is missing, but {} was sealed with a key.",
            file.display(),
            database.display()
        );
        return Err(ConfigError::new("MASTER_KEY", problem).into());
    }
    Ok(MasterKey::from_file(file)?)
}
