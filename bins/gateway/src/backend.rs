//! The database, whichever it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use storage::{Epoch, InstanceId, Storage};
use storage_sqlite::{CommitFigures, MasterKey, MasterKeyError, OpenError, SqliteDatabase, WriteFailure};
use thiserror::Error;
use tokio::task::JoinError;
use wa_client::Store;

use crate::config::{Config, ConfigError, DatabaseConfig};
use crate::data_dir;

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
    /// The data folder can't be made or written to.
    #[error("DATA_DIR {} can't be used", folder.display())]
    DataDir {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
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
            let unusable = |source| BackendError::DataDir { folder: config.data_dir.clone(), source };
            data_dir::prepare(&config).map_err(unusable)?;
            let key = master_key(&config)?;
            let database = match &config.database {
                DatabaseConfig::Sqlite { file } => {
                    let url = format!("file:{}", file.display());
                    Self::Sqlite(SqliteDatabase::open(&url, key)?)
                }
            };
            data_dir::complete(&config).map_err(unusable)?;
            Ok(database)
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

    /// Where it is, without credentials.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(database) => format!("file:{}", database.path().display()),
        }
    }

    /// Since when and why nothing can be written, if that is so.
    pub(crate) fn write_failure(&self) -> Option<WriteFailure> {
        match self {
            Self::Sqlite(database) => database.write_failure(),
        }
    }

    /// How commits have gone since it was opened.
    pub(crate) fn commit_figures(&self) -> CommitFigures {
        match self {
            Self::Sqlite(database) => database.commit_figures(),
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
        let previous = config.previous_master_key.clone();
        return Ok(previous.into_iter().fold(key.clone(), MasterKey::in_place_of));
    }
    let file = data_dir::master_key(config)?;
    if !file.exists() {
        let unusable = |source| BackendError::DataDir { folder: config.data_dir.clone(), source };
        data_dir::begin(config).map_err(unusable)?;
    }
    let key = MasterKey::from_file(file)?;
    // While a rotation isn't through.
    let previous = data_dir::previous_key(config);
    if previous.exists() { Ok(key.in_place_of(MasterKey::from_file(previous)?)) } else { Ok(key) }
}
