use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use wa_media::{MediaKey, MediaKind};

use super::{DownloadError, Line, NoFile, PartialFile, RemoteFile, Transfers};

impl RemoteFile {
    /// A blob that is named by its parts: a piece of the history, a snapshot of the app state.
    pub(crate) fn named(
        kind: MediaKind,
        path: Option<&str>,
        key: Option<&[u8]>,
        sha256: Option<&[u8]>,
        encrypted_sha256: Option<&[u8]>,
    ) -> Result<Self, NoFile> {
        let bytes = |bytes: Option<&[u8]>, name| -> Result<[u8; 32], NoFile> {
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(NoFile::Incomplete(name))
        };
        let path = path.ok_or(NoFile::Incomplete("path"))?.parse()?;
        let (sha256, encrypted) = (bytes(sha256, "hash")?, bytes(encrypted_sha256, "blob's hash")?);
        Ok(Self::new(kind, path, MediaKey::new(bytes(key, "key")?), sha256, encrypted))
    }
}

impl Transfers {
    /// The content of a blob of at most so many bytes, in memory.
    pub(crate) async fn fetch(
        &self,
        line: &dyn Line,
        file: &RemoteFile,
        most: usize,
    ) -> Result<Bytes, DownloadError> {
        let mut blob = Capped { bytes: Vec::new(), most };
        self.download(line, file, None, &mut blob).await?;
        Ok(blob.bytes.into())
    }
}

/// A file in memory that doesn't grow beyond a size.
struct Capped {
    bytes: Vec<u8>,
    most: usize,
}

#[async_trait]
impl PartialFile for Capped {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read_at(offset, buffer).await
    }

    async fn truncate(&mut self, length: u64) -> io::Result<()> {
        PartialFile::truncate(&mut self.bytes, length).await
    }

    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the blob is too large to be kept in memory",
            ));
        }
        PartialFile::append(&mut self.bytes, bytes).await
    }

    async fn complete(&mut self) -> io::Result<()> {
        Ok(())
    }
}
