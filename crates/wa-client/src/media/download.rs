use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;
use wa_media::{DecryptError, DirectPath, MediaConn, Refusal, ReuploadError, Verified};

use super::fetch::{Fetch, Tried};
use super::{Line, PartialFile, RemoteFile, Transfers, UNAUTHORIZED};
use crate::request::RequestError;
use crate::transport::TransportError;

/// Tries at one host before the next; other clients make as many (PROTOCOL.md 19.4).
const TRIES: u32 = 5;

/// A file that is whole and verified: its MAC and both hashes are right. Only this makes it known to others.
#[derive(Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// The proof, with length and hash.
    pub verified: Verified,
    /// Where the file lies now, if the phone has uploaded it again; the path in the message leads nowhere any more.
    pub new_path: Option<DirectPath>,
}

/// Why a file isn't there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The server wasn't asked or didn't answer where the media hosts are.
    #[error("the media hosts are not known: {0}")]
    Request(#[from] RequestError),
    /// The media hosts can't be reached, or break off; the last one's error.
    #[error("no media host can be reached: {0}")]
    Transport(#[from] TransportError),
    /// A media host says nothing for half a minute.
    #[error("a media host says nothing")]
    Silent,
    /// The media hosts answer with this HTTP status.
    #[error("the media hosts answer with status {0}")]
    Refused(u16),
    /// The account downloads too much.
    #[error("the media hosts are asked too often")]
    Throttled,
    /// No host has it any more, and nobody was asked to upload it again, or nobody answered.
    #[error("no media host has the file any more (status {status})")]
    Gone {
        /// What the host answered.
        status: u16,
        /// Why there was no answer of the phone, where it was asked.
        #[source]
        unanswered: Option<Unanswered>,
    },
    /// No host has it any more, and the phone doesn't upload it again.
    #[error("the phone doesn't upload the file again: {0:?}")]
    NotUploaded(Refusal),
    /// What came isn't the announced file.
    #[error("the file is not the announced one: {0}")]
    Content(DecryptError),
    /// The embedder's own file can't be read or written.
    #[error("the partial file: {0}")]
    File(#[from] io::Error),
}

impl DownloadError {
    /// Whether another try, later, may succeed; otherwise its sender, or time, has made it impossible.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Content(error) => error.is_of_transfer(),
            Self::NotUploaded(refusal) => matches!(refusal, Refusal::General | Refusal::Other(_)),
            Self::Request(RequestError::Invalid(_)) => false,
            _ => true,
        }
    }
}

/// Why the own phone, which was asked for a file, has said nothing of use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// It couldn't be asked, or did not answer in time.
    #[error("the phone could not be asked: {0}")]
    Request(#[from] RequestError),
    /// Its answer isn't one.
    #[error(transparent)]
    Answer(#[from] ReuploadError),
}

/// What the own phone says when it is asked for a file.
pub(crate) type PhoneAnswer = Result<wa_media::Reupload, Unanswered>;

impl Transfers {
    /// Downloads a file into `partial`, going on with what is there. Where no host has it any more, `ask_phone` is waited
    /// for once.
    pub(crate) async fn download(
        &self,
        line: &dyn Line,
        file: &RemoteFile,
        ask_phone: Option<BoxFuture<'_, PhoneAnswer>>,
        partial: &mut dyn PartialFile,
    ) -> Result<Downloaded, DownloadError> {
        let mut fetch = Fetch::resume(file, self.limit, partial).await?;
        let status = match self.try_hosts(line, &mut fetch, &file.path).await {
            Ok(verified) => return Ok(Downloaded { verified, new_path: None }),
            Err(DownloadError::Gone { status, .. }) => status,
            Err(error) => return Err(error),
        };
        let Some(ask_phone) = ask_phone else {
            return Err(DownloadError::Gone { status, unanswered: None });
        };
        let path = match ask_phone.await {
            Ok(wa_media::Reupload::Uploaded(path)) => path,
            Ok(wa_media::Reupload::Refused(refusal)) => return Err(DownloadError::NotUploaded(refusal)),
            Err(error) => return Err(DownloadError::Gone { status, unanswered: Some(error) }),
        };
        let verified = self.try_hosts(line, &mut fetch, &path).await?;
        Ok(Downloaded { verified, new_path: Some(path) })
    }

    /// Tries all hosts, and once more with those that the server names then.
    async fn try_hosts(
        &self,
        line: &dyn Line,
        fetch: &mut Fetch<'_>,
        path: &DirectPath,
    ) -> Result<Verified, DownloadError> {
        let mut conn = self.hosts.get(line).await?;
        if let Some(verified) = self.try_each(&conn, fetch, path).await? {
            return Ok(verified);
        }
        conn = self.hosts.renew(&conn, line).await?;
        let again = self.try_each(&conn, fetch, path).await?;
        again.ok_or(DownloadError::Refused(UNAUTHORIZED))
    }

    /// `None` if the hosts are to be asked for anew.
    async fn try_each(
        &self,
        conn: &MediaConn,
        fetch: &mut Fetch<'_>,
        path: &DirectPath,
    ) -> Result<Option<Verified>, DownloadError> {
        let mut last = None;
        for host in conn.in_order() {
            for attempt in 1..=TRIES {
                match fetch.get(&*self.host, host, path).await {
                    Tried::Done(verified) => return Ok(Some(verified)),
                    Tried::Again(error) => {
                        last = Some(error);
                        if attempt < TRIES {
                            sleep(Duration::from_secs(u64::from(attempt))).await;
                        }
                    }
                    Tried::NextHost(error) => {
                        last = Some(error);
                        break;
                    }
                    Tried::Gone(status) => return Err(DownloadError::Gone { status, unanswered: None }),
                    Tried::Renew => return Ok(None),
                    Tried::Over(error) => return Err(error),
                }
            }
        }
        Err(last.unwrap_or(DownloadError::Silent))
    }
}
