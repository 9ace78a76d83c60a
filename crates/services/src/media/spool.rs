use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use storage::StoredMessageId;
use thiserror::Error;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

/// Bytes of the disk that files leave to others: without them the database, and with it everybody, could store nothing more.
const LEFT_TO_OTHERS: u64 = 256 << 20;

/// Where files are while they come.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    longest: u64,
    /// Bytes of the disk that are left to others.
    left: u64,
}

/// Why a file can't be taken.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// It is longer than files may be.
    #[error("the file has more than {longest} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        longest: u64,
    },
    /// This machine can't keep it.
    #[error("the file can't be kept: {0}")]
    Io(#[from] io::Error),
}

/// A file that a caller has given, on its way. It is deleted when nobody wants it any more.
pub struct SpooledFile {
    path: PathBuf,
    /// `None` once it is whole.
    file: Option<File>,
    seen: SeenFile,
}

/// What is known of a file that is looked at as it comes, and kept nowhere.
pub struct SeenFile {
    hash: Context,
    length: u64,
    longest: u64,
}

/// A file that a caller brings.
pub enum GivenFile {
    /// It is to be sent.
    New(SpooledFile),
    /// It comes again under an idempotency key: all that matters is whether it is the same.
    Again(SeenFile),
}

impl Spool {
    pub(crate) fn new(folder: PathBuf, longest: u64) -> Self {
        Self { folder, longest, left: LEFT_TO_OTHERS }
    }

    /// The file of a message that is being downloaded: kept over a failure, and over restarts.
    pub(super) async fn partial(&self, name: &str) -> io::Result<(PathBuf, File)> {
        self.prepare().await?;
        let path = self.folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).await?;
        Ok((path, file))
    }

    /// The folder, on a disk that has room for a file.
    async fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder).await?;
        if free(&self.folder)? < self.left {
            let why = "the disk has too little room left for files";
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        Ok(())
    }

    /// A new file for what a caller gives. `StorageFull` where the disk has no room for files any more.
    pub(crate) async fn create(&self) -> io::Result<SpooledFile> {
        self.prepare().await?;
        let path = self.folder.join(format!("given-{}", StoredMessageId::generate()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path).await?;
        Ok(SpooledFile { path, file: Some(file), seen: self.look() })
    }

    /// Looks at what a caller gives, without keeping it.
    pub(crate) fn look(&self) -> SeenFile {
        SeenFile { hash: Context::new(&SHA256), length: 0, longest: self.longest }
    }

    /// Deletes what callers of an earlier process have left, and downloads that nobody has gone on with for days.
    pub(super) async fn clean(
        &self,
        is_abandoned: impl Fn(&str, std::time::SystemTime) -> bool,
    ) -> io::Result<()> {
        let mut entries = match fs::read_dir(&self.folder).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        while let Some(entry) = entries.next_entry().await? {
            let changed = entry.metadata().await?.modified()?;
            if is_abandoned(&entry.file_name().to_string_lossy(), changed) {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

/// Bytes that may still be written to the disk of this folder. The system knows that without asking the disk.
#[cfg(target_os = "linux")]
fn free(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(target_os = "linux"))]
fn free(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

impl SpooledFile {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing more can be added then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.seen.see(bytes)?;
        if let Some(file) = &mut self.file {
            file.write_all(bytes).await?;
        }
        Ok(())
    }

    /// Everything is there.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(mut file) => file.flush().await,
            None => Ok(()),
        }
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.seen.length
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl SeenFile {
    fn see(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.length += bytes.len() as u64;
        if self.length > self.longest {
            return Err(SpoolError::TooLarge { longest: self.longest });
        }
        self.hash.update(bytes);
        Ok(())
    }

    fn sha256(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.hash.clone().finish().as_ref());
        hash
    }
}

impl GivenFile {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing more can be added then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        match self {
            Self::New(file) => file.write(bytes).await,
            Self::Again(file) => file.see(bytes),
        }
    }

    /// Of all that has come so far.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::New(file) => file.seen.sha256(),
            Self::Again(file) => file.sha256(),
        }
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        // It has been taken over, or nobody wants it: unlinking doesn't wait for the disk.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl std::fmt::Debug for SpooledFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpooledFile").field("length", &self.length()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for GivenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Again(_) => "Again",
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::error::ServiceError;

    #[tokio::test]
    async fn files_leave_room_on_the_disk() {
        let folder = std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate()));
        let spool = Spool::new(folder.clone(), 10);
        let mut file = spool.create().await.unwrap();
        file.write(b"there is").await.unwrap();
        let full = Spool { left: u64::MAX, ..spool };
        let refused = full.create().await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(full.partial("some").await.is_err());
        let told = ServiceError::from(SpoolError::from(refused));
        assert!(matches!(told, ServiceError::Unavailable { .. }), "{told}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        drop(file);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
