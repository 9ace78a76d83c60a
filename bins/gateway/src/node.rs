//! Which node this process is, for the leases of instances.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use storage::NodeId;
use thiserror::Error;

/// The identity of this process among those that share a database, for the life of this value.
///
/// It is kept in the data folder, so that a process that comes back after a crash is the same node and has its instances
/// back at once. The file is locked, so that a second process on the same folder is another node; and it names itself (by
/// its inode), so that a copy of the folder is another node, too: two processes that are one node would push each other
/// out, whatever they call the database.
pub(crate) struct Node {
    id: NodeId,
    /// The locked file: the lock lasts as long as it is open.
    lock: Option<File>,
}

/// The node's file can't be used.
#[derive(Debug, Error)]
#[error("the id of this process can't be kept in {}", file.display())]
pub struct NodeError {
    file: PathBuf,
    #[source]
    source: io::Error,
}

impl Node {
    /// The node of this folder; or a passing one, if another process is that node already.
    ///
    /// # Errors
    /// [`NodeError`] when the file can't be read or written.
    pub(crate) fn of(data_dir: &Path) -> Result<Self, NodeError> {
        let path = data_dir.join(FILE);
        let node = Self::open(data_dir, &path);
        node.map_err(|source| NodeError { file: path, source })
    }

    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Whether no other process runs in the folder.
    pub(crate) fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    fn open(data_dir: &Path, path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { id: kept(&mut file)?, lock: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(
                    folder = %data_dir.display(),
                    "another process runs in this data folder; instances that it carries stay with it"
                );
                Ok(Self { id: NodeId::generate(), lock: None })
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

const FILE: &str = "node.id";

/// The id in the file, which gets a new one where it holds none, or that of another file.
fn kept(file: &mut File) -> io::Result<NodeId> {
    let own_name = name(file)?;
    let mut text = String::new();
    // What can't be read is no id of ours.
    let _ = file.read_to_string(&mut text);
    let mut words = text.split_whitespace();
    let (id, named) = (words.next().and_then(|id| id.parse().ok()), words.next());
    let id = match (id, named) {
        (Some(id), Some(named)) if named == own_name => return Ok(id),
        // Of an earlier release, which named none.
        (Some(id), None) => id,
        _ => NodeId::generate(),
    };
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{id} {own_name}")?;
    file.sync_all()?;
    Ok(id)
}

/// What tells the file from its copies.
#[cfg(unix)]
fn name(file: &File) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.ino().to_string())
}

#[cfg(not(unix))]
fn name(lock: &File) -> io::Result<String> {
    Ok("file".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_folder_is_the_same_node_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = Node::of(&data_dir).unwrap().id();
        assert_eq!(Node::of(&data_dir).unwrap().id(), first);
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(Node::of(elsewhere.path()).unwrap().id(), first);
    }

    #[test]
    fn a_second_process_in_the_folder_is_another_node() {
        let folder = tempfile::tempdir().unwrap();
        let first = Node::of(folder.path()).unwrap();
        let second = Node::of(folder.path()).unwrap();
        assert_ne!(second.id(), first.id());
        let id = first.id();
        drop(first);
        assert_eq!(Node::of(folder.path()).unwrap().id(), id, "the passing node left no trace");
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_is_another_node_and_alock_of_an_earlier_release_the_same() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = Node::of(first.path()).unwrap().id();
        std::fs::copy(first.path().join(FILE), second.path().join(FILE)).unwrap();
        assert_ne!(Node::of(second.path()).unwrap().id(), id);
        std::fs::write(second.path().join(FILE), format!("{id}\n")).unwrap();
        assert_eq!(Node::of(second.path()).unwrap().id(), id);
        assert_eq!(Node::of(second.path()).unwrap().id(), id);
    }

    #[test]
    fn a_damagedlock_gets_a_new_id() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in [&b"nonsense that is longer than any id could ever be, by far"[..], &[0xff, 0xfe], &[]]
        {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            let id = Node::of(folder.path()).unwrap().id();
            assert_eq!(Node::of(folder.path()).unwrap().id(), id);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = Node::of(&folder.path().join("file")).err().unwrap();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
