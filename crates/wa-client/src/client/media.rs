//! Files: to the media hosts and back.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use wa_binary::Node;
use wa_media::{MediaKind, ReuploadAnswer, ReuploadRequest};

use super::Client;
use crate::command::Command;
use crate::media::{
    DownloadError, Downloaded, Line, MediaOrigin, MediaSource, PartialFile, PhoneAnswer, RemoteFile,
    ReuploadCall, UploadError, Uploaded,
};
use crate::request::RequestError;

/// How long the own phone may take to upload a file again. It may be switched off; then a later call asks again.
const PHONE_PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// Encrypts a file as it is read, and brings it to a media host: what comes back belongs into a message
    /// ([`crate::Attachment`]). It takes the same little memory however large the file is. All hosts are tried.
    ///
    /// # Errors
    /// [`UploadError`]: nobody can fetch anything.
    pub async fn upload(&self, kind: MediaKind, source: &dyn MediaSource) -> Result<Uploaded, UploadError> {
        self.transfers.upload(self, kind, source).await
    }

    /// Downloads a message's file ([`RemoteFile::of`]) into `partial`, going on with what is there of an earlier try. It is
    /// the announced file once this returns: MAC and both hashes are verified. Where no media host has it any more, the own
    /// phone is asked by `origin` to upload it again, and waited for.
    ///
    /// # Errors
    /// [`DownloadError`]: what is in `partial` must not be taken for the file. It may be kept for another try if that
    /// [may succeed](DownloadError::is_temporary).
    pub async fn download(
        &self,
        file: &RemoteFile,
        origin: Option<&MediaOrigin>,
        partial: &mut dyn PartialFile,
    ) -> Result<Downloaded, DownloadError> {
        let ask: Option<futures_util::future::BoxFuture<'_, PhoneAnswer>> = match origin {
            Some(origin) => Some(Box::pin(self.ask_phone(file, origin))),
            None => None,
        };
        self.transfers.download(self, file, ask, partial).await
    }

    /// Asks the own phone to upload a file again.
    async fn ask_phone(&self, file: &RemoteFile, origin: &MediaOrigin) -> PhoneAnswer {
        let request = ReuploadRequest::new(&file.key, origin.id.as_str(), &mut rand::rng());
        let call = ReuploadCall { request, origin: origin.clone() };
        let answer = self.request(|reply| Command::Reupload(Box::new(call), reply));
        match timeout(PHONE_PATIENCE, answer).await.unwrap_or(Err(RequestError::TimedOut))? {
            ReuploadAnswer::Refused { refusal, .. } => Ok(wa_media::Reupload::Refused(refusal)),
            ReuploadAnswer::Sealed(sealed) => Ok(sealed.open(&file.key)?),
        }
    }
}

#[async_trait]
impl Line for Client {
    async fn ask(&self, request: Node<'static>) -> Result<Node<'static>, RequestError> {
        self.request(|reply| Command::Ask(Box::new(request), reply)).await
    }
}
