use std::io::{self, SeekFrom};

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// A file that is being downloaded: where nobody takes it for one before [`Downloaded`](super::Downloaded) says that it is
/// whole and verified. Kept over a failure, it is where the next try goes on; nothing has to be kept beside it.
#[async_trait]
pub trait PartialFile: Send {
    /// Reads some bytes from this offset on; 0 at the end.
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Forgets what is behind this length.
    async fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Adds bytes at the end.
    async fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Everything is there: makes it durable.
    async fn complete(&mut self) -> io::Result<()>;
}

/// A file of the system, open for reading and writing.
#[async_trait]
impl PartialFile for File {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.seek(SeekFrom::Start(offset)).await?;
        self.read(buffer).await
    }

    async fn truncate(&mut self, length: u64) -> io::Result<()> {
        // What is still on its way to the file would come behind its new end.
        self.flush().await?;
        self.set_len(length).await?;
        self.seek(SeekFrom::Start(length)).await.map(drop)
    }

    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }

    async fn complete(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.sync_all().await
    }
}

/// In memory: for small files.
#[async_trait]
impl PartialFile for Vec<u8> {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        let taken = buffer.len().min(self.len() - start);
        buffer[..taken].copy_from_slice(&self[start..start + taken]);
        Ok(taken)
    }

    async fn truncate(&mut self, length: u64) -> io::Result<()> {
        Vec::truncate(self, usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    async fn complete(&mut self) -> io::Result<()> {
        Ok(())
    }
}
