//! Files on WhatsApp's media hosts (PROTOCOL.md 19): how they get there and back, in constant memory. What is in their
//! blobs is `wa-media`'s; HTTP is a [`MediaHost`]'s.

mod attachment;
mod blob;
mod download;
mod fetch;
mod host;
mod hosts;
mod http;
mod partial;
mod remote;
mod reupload;
mod source;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand_chacha::ChaCha20Rng;
use wa_binary::Node;

use crate::clock::Clock;
use crate::request::RequestError;

pub use attachment::Attachment;
pub(crate) use download::PhoneAnswer;
pub use download::{DownloadError, Downloaded, Unanswered};
pub use host::{MediaHost, Pieces, RequestBody};
pub use http::{MediaHttp, exchange};
pub use partial::PartialFile;
pub use remote::{NoFile, RemoteFile};
pub use reupload::MediaOrigin;
pub(crate) use reupload::{ReuploadCall, Reuploads};
pub use source::MediaSource;
pub use upload::{UploadError, Uploaded};

use hosts::Hosts;

/// Bytes of a file that are in hand at a time.
const PIECE: usize = 64 << 10;
/// How long a host may say nothing, be it before its answer or within it.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest wait that a host's `Retry-After` is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What hosts answer that want another `auth`.
const UNAUTHORIZED: u16 = 401;

/// The way to the server, for what is asked beside the pump.
#[async_trait]
pub(crate) trait Line: Send + Sync {
    /// The positive answer to a request.
    async fn ask(&self, request: Node<'static>) -> Result<Node<'static>, RequestError>;
}

/// Uploads and downloads of one companion, whoever asks for them.
pub(crate) struct Transfers {
    host: Arc<dyn MediaHost>,
    hosts: Hosts,
    clock: Arc<dyn Clock>,
    /// Where media keys come from.
    random: Mutex<ChaCha20Rng>,
    /// Longest file that is taken, in bytes.
    limit: u64,
}

impl Transfers {
    pub(crate) fn new(
        host: Arc<dyn MediaHost>,
        clock: Arc<dyn Clock>,
        random: ChaCha20Rng,
        limit: u64,
    ) -> Self {
        let hosts = Hosts::new(Arc::clone(&clock));
        Self { host, hosts, clock, random: Mutex::new(random), limit }
    }
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfers").finish_non_exhaustive()
    }
}
