//! Files of messages: fetched, kept and given to their owners. No message ever waits for its file.

mod content;
mod fetch;
mod fetcher;
mod link;
mod objects;
mod preview;
mod programs;
mod queue;
mod remote;
mod room;
mod service;
mod spool;
mod sweep;
mod voice_note;

use std::path::PathBuf;
use std::sync::Arc;

use storage::MediaDownload;

pub use link::MediaLink;
pub use objects::{LocalObjects, MediaObjects, Opened, Usage};
pub use programs::Programs;
pub use remote::BucketObjects;
pub use service::{FileOf, MediaService, OpenFile};
pub use spool::{GivenFile, SeenFile, SpoolError, SpooledFile};

pub(crate) use content::{Described, described, kind_of};
pub(crate) use fetch::{FetchError, FetchUrl};
pub(crate) use fetcher::MediaFetcher;
pub(crate) use preview::{Preview, preview, preview_by};
pub(crate) use programs::Pictured;
pub(crate) use room::MediaRoom;
pub(crate) use spool::Spool;
pub(crate) use sweep::keep_clean;
pub(crate) use voice_note::{voice_note, voice_of};

/// What becomes of files.
#[derive(Clone)]
pub struct MediaOptions {
    /// Where they are kept.
    pub objects: Arc<dyn MediaObjects>,
    /// Where they are while they come: a folder on the same file system as local objects.
    pub spool: PathBuf,
    /// When they are fetched, where an instance doesn't say otherwise.
    pub download: MediaDownload,
    /// Longest file that callers may send, in bytes.
    pub longest_sent: u64,
    /// Bytes of files that are kept of one user; `None` without a bound.
    pub most_per_user: Option<u64>,
    /// What makes pictures of videos and documents.
    pub programs: Programs,
}

/// Longest file that callers may send where nothing else is said, in bytes.
pub const LONGEST_SENT: u64 = 100 << 20;

impl MediaOptions {
    /// Files below this folder, fetched as they come; no programs are asked.
    pub fn local(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            objects: Arc::new(LocalObjects::new(folder.join("files"))),
            spool: folder.join("partial"),
            download: MediaDownload::Arrival,
            longest_sent: LONGEST_SENT,
            most_per_user: None,
            programs: Programs::default(),
        }
    }
}

impl std::fmt::Debug for MediaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaOptions").field("download", &self.download).finish_non_exhaustive()
    }
}
