use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bucket::{Bucket, BucketError};
use ring::digest::{Context, SHA256};
use storage::InstanceId;
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{LocalObjects, MediaObjects, Opened, Usage};

/// The first wait after the bucket could not be reached, and the longest one; each is double the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How often is looked for files that wait, where nothing tells of new ones.
const LOOK: Duration = Duration::from_secs(3600);
/// Bytes of a file that are in hand at a time.
const PIECE: usize = 64 << 10;

/// Files in a bucket. Each is in a local folder first, so that no message waits for the bucket: what that holds is what is still to
/// be brought there, over restarts and for as long as it takes.
#[derive(Debug)]
pub struct BucketObjects {
    local: LocalObjects,
    bucket: Bucket,
    arrived: Notify,
}

impl BucketObjects {
    /// Files of a bucket, that wait below this folder until they are there.
    pub fn new(bucket: Bucket, waiting: impl Into<PathBuf>) -> Self {
        Self { local: LocalObjects::new(waiting), bucket, arrived: Notify::new() }
    }

    /// Brings all that waits to the bucket, file by file.
    async fn bring_all(&self) -> io::Result<()> {
        for instance in self.local.instances().await? {
            for (name, _) in self.local.names(instance).await? {
                self.bring(instance, &name).await?;
            }
        }
        Ok(())
    }

    async fn bring(&self, instance: InstanceId, name: &str) -> io::Result<()> {
        let path = self.local.path(instance, name)?;
        let (length, sha256) = match hashed(&path).await {
            // It was deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            hashed => hashed?,
        };
        let key = key(instance, name);
        self.bucket.put(&key, File::open(&path).await?, length, &sha256).await.map_err(failed)?;
        match fs::remove_file(&path).await {
            // It was deleted while it was on its way.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.bucket.delete(&key).await.map_err(failed)
            }
            outcome => outcome,
        }
    }
}

#[async_trait]
impl MediaObjects for BucketObjects {
    async fn put(&self, instance: InstanceId, name: &str, file: &Path) -> io::Result<()> {
        self.local.put(instance, name, file).await?;
        self.arrived.notify_one();
        Ok(())
    }

    async fn open(&self, instance: InstanceId, name: &str, offset: u64) -> io::Result<Opened> {
        match self.local.open(instance, name, offset).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        let object = self.bucket.get(&key(instance, name), offset).await.map_err(failed)?;
        Ok(Opened { reader: object.reader, length: object.length })
    }

    async fn delete(&self, instance: InstanceId, name: &str) -> io::Result<()> {
        self.local.delete(instance, name).await?;
        self.bucket.delete(&key(instance, name)).await.map_err(failed)
    }

    async fn delete_all(&self, instance: InstanceId) -> io::Result<()> {
        self.local.delete_all(instance).await?;
        for file in self.bucket.list(&key(instance, "")).await.map_err(failed)? {
            self.bucket.delete(&file.key).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn instances(&self) -> io::Result<Vec<InstanceId>> {
        let mut instances = self.local.instances().await?;
        let folders = self.bucket.folders().await.map_err(failed)?;
        instances.extend(folders.into_iter().filter_map(|folder| folder.parse::<InstanceId>().ok()));
        instances.sort_unstable();
        instances.dedup();
        Ok(instances)
    }

    async fn usage(&self, instance: InstanceId) -> io::Result<Usage> {
        let mut usage = self.local.usage(instance).await?;
        // Whoever asks how an instance is doing is told, also while the bucket can't be reached: then of what is here.
        let listed = self.bucket.list(&key(instance, "")).await;
        let listed =
            listed.inspect_err(|error| tracing::debug!(%instance, %error, "the bucket can't be listed"));
        for file in listed.unwrap_or_default() {
            usage.files += 1;
            usage.bytes += file.size;
        }
        Ok(usage)
    }

    async fn names(&self, instance: InstanceId) -> io::Result<Vec<(String, SystemTime)>> {
        let mut names = self.local.names(instance).await?;
        let folder = key(instance, "");
        for file in self.bucket.list(&folder).await.map_err(failed)? {
            names.extend(file.key.strip_prefix(&folder).map(|name| (name.to_owned(), file.since)));
        }
        Ok(names)
    }

    async fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.bring_all().await {
                Ok(()) => {
                    if pause > FIRST_PAUSE {
                        tracing::info!("the bucket can be reached again: files that waited are there");
                    }
                    pause = FIRST_PAUSE;
                    let _ = timeout(LOOK, self.arrived.notified()).await;
                }
                Err(error) => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(%error, "files can't be brought to the bucket; they wait here until they can");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

fn key(instance: InstanceId, name: &str) -> String {
    format!("{instance}/{name}")
}

/// The length of a file, and its hash in hexadecimal.
async fn hashed(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path).await?;
    let (mut hash, mut length, mut piece) = (Context::new(&SHA256), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        length += read as u64;
        hash.update(&piece[..read]);
    }
    let hash = hash.finish();
    Ok((length, hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn failed(error: BucketError) -> io::Error {
    let kind = match error {
        BucketError::Missing => ErrorKind::NotFound,
        // Whoever operates the store has to see to it, and callers come back.
        BucketError::Http(_) | BucketError::Status(_) => ErrorKind::NotConnected,
        BucketError::Answer => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
