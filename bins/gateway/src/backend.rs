//! The database, whichever it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use storage::{Epoch, InstanceId, Storage, StorageError};
use storage_postgres::{Options, PostgresDatabase};
use storage_sql::{CommitFigures, MasterKey, MasterKeyError, Resealed, WriteFailure};
use storage_sqlite::SqliteDatabase;
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use wa_client::Store;

use crate::config::{Config, ConfigError, DatabaseConfig};
use crate::data_dir::{self, Before, Found};
use crate::names;

/// An open database.
#[derive(Clone)]
pub(crate) enum Backend {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
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
    /// The file can't be opened.
    #[error(transparent)]
    Sqlite(#[from] storage_sqlite::OpenError),
    /// The database on a server can't be opened.
    #[error("the database {at} can't be used")]
    Postgres {
        /// Where it is, without the password.
        at: String,
        /// Why not.
        #[source]
        source: storage_postgres::OpenError,
    },
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
        // A key that is configured opens what there is, or begins it.
        let found = match config.master_key {
            Some(_) => Found::Something,
            None => found(config).await?,
        };
        let unusable =
            |config: &Config, source| BackendError::DataDir { folder: config.data_dir.clone(), source };
        let key = on_files(config, move |config| {
            data_dir::prepare(config).map_err(|source| unusable(config, source))?;
            master_key(config, found)
        });
        let key = key.await?;
        let database = match &config.database {
            DatabaseConfig::Sqlite { file } => {
                let url = format!("file:{}", file.display());
                Self::Sqlite(on_files(config, move |_| Ok(SqliteDatabase::open(&url, key)?)).await?)
            }
            DatabaseConfig::Postgres { address } => {
                let refused = |source| BackendError::Postgres { at: address.to_string(), source };
                let mut options = Options::default();
                options.resolver = Some(names::of_database(config));
                let opened = PostgresDatabase::open_with(address, key, options).await;
                Self::Postgres(opened.map_err(refused)?)
            }
        };
        on_files(config, move |config| data_dir::complete(config).map_err(|source| unusable(config, source)))
            .await?;
        Ok(database)
    }

    /// What the services store.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        match self {
            Self::Sqlite(database) => Arc::new(database.clone()),
            Self::Postgres(database) => Arc::new(database.clone()),
        }
    }

    /// What the companion of an instance stores.
    pub(crate) fn companion_store(&self, instance: InstanceId, epoch: Epoch) -> Store {
        match self {
            Self::Sqlite(database) => database.companion_store(instance, epoch),
            Self::Postgres(database) => database.companion_store(instance, epoch),
        }
    }

    /// As `DATABASE_PROVIDER` names it.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Where it is, without credentials.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(database) => format!("file:{}", database.path().display()),
            Self::Postgres(database) => database.address().place().to_owned(),
        }
    }

    /// Since when and why nothing can be written, if that is so.
    pub(crate) fn write_failure(&self) -> Option<WriteFailure> {
        match self {
            Self::Sqlite(database) => database.write_failure(),
            Self::Postgres(database) => database.write_failure(),
        }
    }

    /// How commits have gone since it was opened.
    pub(crate) fn commit_figures(&self) -> CommitFigures {
        match self {
            Self::Sqlite(database) => database.commit_figures(),
            Self::Postgres(database) => database.commit_figures(),
        }
    }

    /// Seals with the present master key what another one has sealed.
    pub(crate) async fn reseal(&self) -> Result<Resealed, StorageError> {
        match self {
            Self::Sqlite(database) => database.reseal().await,
            Self::Postgres(database) => database.reseal().await,
        }
    }

    /// Finishes what is queued, then closes.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => database.close().await,
        }
    }
}

/// Looks whether anything is stored, and changes nothing.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn found(config: &Config) -> Result<Found, BackendError> {
    let before = Before::of(config);
    let is_filled = match &config.database {
        DatabaseConfig::Sqlite { file } => file.metadata().is_ok_and(|found| found.len() > 0),
        DatabaseConfig::Postgres { address } => {
            let refused = |source| BackendError::Postgres { at: address.to_string(), source };
            !storage_postgres::examine(address, Some(names::of_database(config)))
                .await
                .map_err(refused)?
                .is_new()
        }
    };
    Ok(before.then(is_filled))
}

/// What reads and writes files keeps no task waiting.
async fn on_files<T: Send + 'static>(
    config: &Config,
    work: impl FnOnce(&Config) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    let config = config.clone();
    spawn_blocking(move || work(&config)).await?
}

fn master_key(config: &Config, found: Found) -> Result<MasterKey, BackendError> {
    if let Some(key) = &config.master_key {
        let previous = config.previous_master_key.clone();
        return Ok(previous.into_iter().fold(key.clone(), MasterKey::in_place_of));
    }
    let file = data_dir::master_key(config, found)?;
    if !file.exists() {
        let unusable = |source| BackendError::DataDir { folder: config.data_dir.clone(), source };
        data_dir::begin(config).map_err(unusable)?;
    }
    let key = MasterKey::from_file(file)?;
    // While a rotation isn't through.
    let previous = data_dir::previous_key(config);
    if previous.exists() { Ok(key.in_place_of(MasterKey::from_file(previous)?)) } else { Ok(key) }
}
