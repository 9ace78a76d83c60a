//! Another master key: everything that the present one has sealed is sealed anew.
//!
//! Where the key is a file, it is kept as `master.key.previous` before another one takes its place, and goes when nothing is
//! left that it has sealed. Whoever opens the database meanwhile knows both, so a rotation that is cut off anywhere loses
//! nothing, and the next one goes on.

use std::io;
use std::path::Path;

use storage_sql::{MasterKey, Resealed};
use thiserror::Error;

use crate::backend::{self, Backend, BackendError};
use crate::config::Config;
use crate::data_dir::{self, Found};
use crate::node::{Node, NodeError};
use crate::private_file;

/// Why the master key can't be rotated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateError {
    /// There is nothing to seal anew.
    #[error("there is no database at {0} yet")]
    NoDatabase(String),
    /// A gateway that runs knows one key, and would go on to seal with it.
    #[error("a gateway runs on this database; stop it first")]
    Running,
    /// The configuration names one key.
    #[error(
        "MASTER_KEY is set: put the present key into MASTER_KEY_PREVIOUS and another one into MASTER_KEY, then run this again"
    )]
    OneKey,
    /// The database can't be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The node can't be told.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The keys' files can't be read or put in place.
    #[error("the files of the master key can't be changed in {folder}")]
    Files {
        /// The data folder.
        folder: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database failed; what is sealed anew stays so, and the next run does the rest.
    #[error("the database can't be used")]
    Storage(#[from] storage::StorageError),
}

/// Seals everything anew, with a new key in `DATA_DIR/master.key`, or with `MASTER_KEY` what `MASTER_KEY_PREVIOUS` has
/// sealed. No gateway may run meanwhile.
///
/// # Errors
/// [`RotateError`]; run it again, and it goes on where it ended.
pub async fn rotate_key(config: &Config) -> Result<Resealed, RotateError> {
    if backend::found(config).await? != Found::Something {
        return Err(RotateError::NoDatabase(config.database.to_string()));
    }
    let node = Node::of(&config.data_dir)?;
    if !node.is_alone() {
        return Err(RotateError::Running);
    }
    let files = |source| RotateError::Files { folder: config.data_dir.display().to_string(), source };
    let keeps_file = config.master_key.is_none();
    match &config.previous_master_key {
        _ if keeps_file => replace_key(config).map_err(files)?,
        Some(_) => {}
        None => return Err(RotateError::OneKey),
    }
    let backend = Backend::open(config).await?;
    let resealed = reseal(&backend, &node).await;
    backend.close().await;
    let resealed = resealed?;
    if keeps_file {
        std::fs::remove_file(data_dir::previous_key(config)).map_err(files)?;
        sync(&config.data_dir).map_err(files)?;
    }
    Ok(resealed)
}

async fn reseal(backend: &Backend, node: &Node) -> Result<Resealed, RotateError> {
    let (held, _) = backend.storage().held_by_others(node.id()).await?;
    if held > 0 {
        return Err(RotateError::Running);
    }
    Ok(backend.reseal().await?)
}

/// Keeps the present key as the previous one, and puts a new one in its place; unless that was done already.
fn replace_key(config: &Config) -> io::Result<()> {
    let (key, previous) = (data_dir::present_key(config), data_dir::previous_key(config));
    let present = std::fs::read_to_string(&key)?;
    if !previous.exists() {
        put(&previous, &present)?;
    }
    if std::fs::read_to_string(&previous)? == present {
        let new = MasterKey::generate().map_err(io::Error::other)?;
        put(&key, &new.to_hex())?;
    }
    Ok(())
}

/// Writes aside and renames, so that the file is the old one or the new one, and its owner's alone.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("new");
    private_file::write(&aside, text)?;
    std::fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes the names of files durable.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
