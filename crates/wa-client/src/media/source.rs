use std::io::{self, Cursor};
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::fs::File;
use tokio::io::AsyncRead;

/// A file to upload. It is read twice, and once more for every further host: first for the hash that the address of an
/// upload needs, then as its body.
#[async_trait]
pub trait MediaSource: Send + Sync {
    /// The file, from its first byte.
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>>;
}

/// In memory: for small files.
#[async_trait]
impl MediaSource for Bytes {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        Ok(Box::new(Cursor::new(self.clone())))
    }
}

/// A file of the system, which may not change meanwhile.
#[async_trait]
impl MediaSource for PathBuf {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        Ok(Box::new(File::open(self).await?))
    }
}
