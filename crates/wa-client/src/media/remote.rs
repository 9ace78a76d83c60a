use wa_media::{DirectPath, DirectPathError, Expected, MediaKey, MediaKind};

use crate::content::Media;

/// A file of a message as it lies on the media hosts: where, and what opens and proves it.
#[derive(Clone)]
#[non_exhaustive]
pub struct RemoteFile {
    /// What it was uploaded as.
    pub kind: MediaKind,
    /// Its path on the hosts.
    pub path: DirectPath,
    /// What opens it.
    pub key: MediaKey,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// SHA-256 of the blob.
    pub encrypted_sha256: [u8; 32],
}

/// Why a message's file can't be fetched. Its sender is at fault, or an older version of this client that stored it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoFile {
    /// The message has none, or one of a kind that this version doesn't fetch.
    #[error("the message has no file")]
    None,
    /// It doesn't say enough to fetch and verify it.
    #[error("the message doesn't name the file's {0}")]
    Incomplete(&'static str),
    /// Its path is none on a media host.
    #[error(transparent)]
    Path(#[from] DirectPathError),
}

impl RemoteFile {
    /// The file that a message names.
    ///
    /// # Errors
    /// [`NoFile`]; it will stay so.
    pub fn of(media: &Media<'_>) -> Result<Self, NoFile> {
        let kind = media.kind.ok_or(NoFile::None)?;
        let path = media.direct_path.ok_or(NoFile::Incomplete("path"))?;
        Ok(Self {
            kind,
            path: path.parse()?,
            key: MediaKey::new(bytes(media.key, "key")?),
            sha256: bytes(media.sha256, "hash")?,
            encrypted_sha256: bytes(media.encrypted_sha256, "blob's hash")?,
        })
    }

    /// A file that is named by a message of another kind: a part of the history, a snapshot of the app state.
    pub fn new(
        kind: MediaKind,
        path: DirectPath,
        key: MediaKey,
        sha256: [u8; 32],
        encrypted_sha256: [u8; 32],
    ) -> Self {
        Self { kind, path, key, sha256, encrypted_sha256 }
    }

    /// The length that is said isn't proved, and messages have been seen where only it was wrong.
    pub(super) fn expected(&self, limit: u64) -> Expected {
        Expected { file_sha256: self.sha256, file_enc_sha256: self.encrypted_sha256, length: None, limit }
    }
}

fn bytes<const N: usize>(bytes: Option<&[u8]>, name: &'static str) -> Result<[u8; N], NoFile> {
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(NoFile::Incomplete(name))
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile").field("kind", &self.kind).finish_non_exhaustive()
    }
}
