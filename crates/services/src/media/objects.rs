use std::io::{self, ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use storage::InstanceId;
use tokio::fs;
use tokio::io::{AsyncRead, AsyncSeekExt as _};

/// Where the files of messages are kept: each instance has a place of its own. Names are the gateway's, of letters, digits
/// and dashes.
#[async_trait]
pub trait MediaObjects: Send + Sync + 'static {
    /// Takes over a finished file of this machine, whatever was there before. Where this fails the file stays.
    async fn put(&self, instance: InstanceId, name: &str, file: &Path) -> io::Result<()>;

    /// Opens a file.
    async fn open(&self, instance: InstanceId, name: &str, offset: u64) -> io::Result<Opened>;

    /// Deletes a file; one that isn't there is deleted already.
    async fn delete(&self, instance: InstanceId, name: &str) -> io::Result<()>;

    /// Deletes all files of an instance.
    async fn delete_all(&self, instance: InstanceId) -> io::Result<()>;

    /// The instances that have a place.
    async fn instances(&self) -> io::Result<Vec<InstanceId>>;

    /// How many files of an instance there are, and how many bytes they have.
    async fn usage(&self, instance: InstanceId) -> io::Result<Usage>;

    /// The names of an instance's files, and since when each is there.
    async fn names(&self, instance: InstanceId) -> io::Result<Vec<(String, SystemTime)>>;

    /// Does what is to be done beside all this. Never ends.
    async fn keep(&self) {
        std::future::pending().await
    }
}

/// How much is kept of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many files there are.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A file that is open at some offset.
pub struct Opened {
    /// The file, from the offset on.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Length of the whole file in bytes.
    pub length: u64,
}

/// Files of this machine, in a folder for each instance.
#[derive(Clone, Debug)]
pub struct LocalObjects {
    root: PathBuf,
}

impl LocalObjects {
    /// Files below this folder, which is made when it is needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn folder(&self, instance: InstanceId) -> PathBuf {
        self.root.join(instance.to_string())
    }

    pub(super) fn path(&self, instance: InstanceId, name: &str) -> io::Result<PathBuf> {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name {
            return Err(io::Error::new(ErrorKind::InvalidInput, "no name of a file"));
        }
        Ok(self.folder(instance).join(name))
    }
}

#[async_trait]
impl MediaObjects for LocalObjects {
    async fn put(&self, instance: InstanceId, name: &str, file: &Path) -> io::Result<()> {
        let path = self.path(instance, name)?;
        fs::create_dir_all(self.folder(instance)).await?;
        // The record that it is ready is durable; its bytes have to be before that.
        fs::File::open(file).await?.sync_all().await?;
        fs::rename(file, path).await
    }

    async fn open(&self, instance: InstanceId, name: &str, offset: u64) -> io::Result<Opened> {
        let mut file = fs::File::open(self.path(instance, name)?).await?;
        let length = file.metadata().await?.len();
        file.seek(SeekFrom::Start(offset)).await?;
        Ok(Opened { reader: Box::new(file), length })
    }

    async fn delete(&self, instance: InstanceId, name: &str) -> io::Result<()> {
        missing_is_fine(fs::remove_file(self.path(instance, name)?).await)
    }

    async fn delete_all(&self, instance: InstanceId) -> io::Result<()> {
        missing_is_fine(fs::remove_dir_all(self.folder(instance)).await)
    }

    async fn instances(&self) -> io::Result<Vec<InstanceId>> {
        let names = entries(&self.root).await?;
        Ok(names.into_iter().filter_map(|(name, _)| name.parse().ok()).collect())
    }

    async fn usage(&self, instance: InstanceId) -> io::Result<Usage> {
        let mut usage = Usage::default();
        let mut entries = match fs::read_dir(self.folder(instance)).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(usage),
            Err(error) => return Err(error),
        };
        while let Some(entry) = entries.next_entry().await? {
            usage.files += 1;
            usage.bytes += entry.metadata().await?.len();
        }
        Ok(usage)
    }

    async fn names(&self, instance: InstanceId) -> io::Result<Vec<(String, SystemTime)>> {
        entries(&self.folder(instance)).await
    }
}

async fn entries(folder: &Path) -> io::Result<Vec<(String, SystemTime)>> {
    let mut entries = match fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.metadata().await?.modified()?));
        }
    }
    Ok(names)
}

fn missing_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
