//! The stores of other gateways, as they lie on this machine, and what becomes of them while no gateway runs here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use services::{ServiceError, WhatsApp, import_offline};
use storage::InstanceId;
use storage_sqlite::{WhatsmeowError, read_whatsmeow};
use thiserror::Error;
use tokio::sync::oneshot;
use wa_import::{Baileys, Import, ImportError, MAX_TOTAL, MAX_VALUE};

use crate::backend::{self, Backend, BackendError};
use crate::config::Config;
use crate::data_dir::Found;
use crate::node::{Node, NodeError};

/// Why a store can't be read.
#[derive(Debug, Error)]
pub(crate) enum MovingError {
    /// It can't be found or read.
    #[error("{} can't be read", path.display())]
    File {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is a database that can't be used.
    #[error(transparent)]
    Whatsmeow(#[from] WhatsmeowError),
    /// What is in it can't be used.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Why a device can't be taken over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum TakeOverError {
    /// There is no database yet: the first start makes it, and the first user with it.
    #[error("there is no database at {0} yet; start the gateway once")]
    NoDatabase(String),
    /// A gateway runs in the data folder.
    #[error("a gateway runs in this data folder; stop it first, or have it take the device over by its API")]
    Running,
    /// The database can't be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The id of this process can't be kept.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is no such user, or the database can't be written.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Makes an instance of the user with this e-mail that goes on with a device of another gateway, while none runs here.
///
/// # Errors
/// [`TakeOverError`].
pub(crate) async fn take_over(
    config: &Config,
    email: &str,
    name: &str,
    import: Import,
) -> Result<InstanceId, TakeOverError> {
    if backend::found(config).await? != Found::Something {
        return Err(TakeOverError::NoDatabase(config.database.to_string()));
    }
    let node = Node::of(&config.data_dir)?;
    if !node.is_alone() {
        return Err(TakeOverError::Running);
    }
    let backend = Backend::open(config).await?;
    let stores = backend.clone();
    let companions = WhatsApp::new(move |id, epoch| stores.companion_store(id, epoch), |_, client| client);
    let made = import_offline(backend.storage(), &companions, node.id(), (email, name), import).await;
    drop(companions);
    backend.close().await;
    Ok(made?)
}

/// What a database of SQLite begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Reads a store of Baileys (a folder of its files, or one document) or of whatsmeow (a database of SQLite), whichever there is at
/// this path. Of several devices in a database, `device` says which. `now`: Unix seconds.
///
/// # Errors
/// [`MovingError`], which names the file or row.
pub(crate) fn read(path: &Path, device: Option<&str>, now: i64) -> Result<Import, MovingError> {
    let failed = |source| MovingError::File { path: path.to_owned(), source };
    if path.is_dir() {
        return Ok(folder(path)?.finish(now)?.without_app_state());
    }
    let mut begin = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut begin))
        .map_err(failed)?;
    if begin == SQLITE {
        return Ok(read_whatsmeow(path, device)?.finish(now)?);
    }
    let mut store = Baileys::default();
    store.document(&bounded(path, MAX_TOTAL).map_err(failed)?)?;
    // Baileys keeps no names and marks of chats: they come with the app state, once more.
    Ok(store.finish(now)?.without_app_state())
}

/// Reads a store of Baileys that is one document, on a thread of its own: the public half of each key is computed. `None` where
/// that thread has ended badly.
pub(crate) async fn read_document(document: Value, now: i64) -> Option<Result<Import, ImportError>> {
    let reading = move || {
        let mut store = Baileys::default();
        store.value(document)?;
        Ok(store.finish(now)?.without_app_state())
    };
    let (tell, told) = oneshot::channel();
    // Nobody may wait any more.
    std::thread::spawn(move || drop(tell.send(reading())));
    told.await.ok()
}

fn folder(path: &Path) -> Result<Baileys, MovingError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MovingError::File { path, source }
    };
    let mut store = Baileys::default();
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let file = entry.map_err(failed(path))?.path();
        let Some(name) = file.file_name().and_then(|name| name.to_str()).filter(|_| file.is_file()) else {
            continue;
        };
        if store.is_full() {
            break;
        }
        // One byte more than is taken, so that the store says that it is too much.
        store.file(name, &bounded(&file, MAX_VALUE).map_err(failed(&file))?);
    }
    Ok(store)
}

/// A file's content, up to one byte more than this.
fn bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}
