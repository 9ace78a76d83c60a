use futures_util::StreamExt;
use http::header::{CONTENT_RANGE, ORIGIN, RANGE, REFERER, RETRY_AFTER};
use http::{HeaderMap, Request, Response};
use tokio::time::timeout;
use wa_media::{DecryptError, Decryptor, DirectPath, DownloadVerdict, Verified, url};

use super::{
    DownloadError, LONGEST_PAUSE, MediaHost, PIECE, PartialFile, Pieces, RemoteFile, RequestBody, SILENCE,
};
use crate::transport::TransportError;
use std::time::Duration;

/// A download as far as it went, over hosts and breaks of connections.
pub(super) struct Fetch<'a> {
    file: &'a RemoteFile,
    partial: &'a mut dyn PartialFile,
    limit: u64,
    /// `None` once it has said its last word.
    decryptor: Option<Decryptor>,
    /// The byte of the blob that is needed next.
    next: u64,
}

/// How one try at one host ended.
pub(super) enum Tried {
    Done(Verified),
    /// Another try at this host may go on where this one ended.
    Again(DownloadError),
    /// This host is of no use now.
    NextHost(DownloadError),
    /// No host has the file any more.
    Gone(u16),
    /// The hosts are to be asked for anew.
    Renew,
    /// Nothing helps.
    Over(DownloadError),
}

impl<'a> Fetch<'a> {
    /// Takes up what there is of the file.
    pub(super) async fn resume(
        file: &'a RemoteFile,
        limit: u64,
        partial: &'a mut dyn PartialFile,
    ) -> Result<Self, DownloadError> {
        let mut replay = Decryptor::resume(&file.key, file.kind, file.expected(limit));
        let (mut buffer, mut offset) = (vec![0; PIECE], 0);
        loop {
            let read = partial.read_at(offset, &mut buffer).await?;
            if read == 0 {
                break;
            }
            replay.update(&buffer[..read]);
            offset += read as u64;
        }
        let decryptor = replay.finish();
        let next = decryptor.offset();
        partial.truncate(next).await?;
        Ok(Self { file, partial, limit, decryptor: Some(decryptor), next })
    }

    /// Forgets everything that came.
    async fn restart(&mut self) -> Result<(), DownloadError> {
        self.partial.truncate(0).await?;
        self.decryptor = Some(Decryptor::new(&self.file.key, self.file.kind, self.file.expected(self.limit)));
        self.next = 0;
        Ok(())
    }

    /// Gets what is missing from this host.
    pub(super) async fn get(&mut self, carrier: &dyn MediaHost, host: &str, path: &DirectPath) -> Tried {
        match self.try_host(carrier, host, path).await {
            Ok(tried) => tried,
            Err(error @ DownloadError::File(_)) => Tried::Over(error),
            Err(error) => Tried::Again(error),
        }
    }

    async fn try_host(
        &mut self,
        carrier: &dyn MediaHost,
        host: &str,
        path: &DirectPath,
    ) -> Result<Tried, DownloadError> {
        let address = url::download(host, path, self.file.kind, &self.file.encrypted_sha256);
        let request = request(&address, self.next)?;
        let answer = timeout(SILENCE, carrier.send(request)).await.map_err(|_| DownloadError::Silent)?;
        let response = answer?;
        let status = response.status().as_u16();
        match DownloadVerdict::of(status) {
            DownloadVerdict::Whole => {
                if self.next > 0 {
                    self.restart().await?;
                }
                self.take(response).await
            }
            DownloadVerdict::Range if starts_at(response.headers(), self.next) => self.take(response).await,
            DownloadVerdict::StartOver if self.next > 0 => {
                self.restart().await?;
                Ok(Tried::Again(DownloadError::Refused(status)))
            }
            DownloadVerdict::AskPhone => Ok(Tried::Gone(status)),
            DownloadVerdict::RefreshAuth => Ok(Tried::Renew),
            DownloadVerdict::Throttled => {
                tokio::time::sleep(pause(response.headers())).await;
                Ok(Tried::NextHost(DownloadError::Throttled))
            }
            DownloadVerdict::Range | DownloadVerdict::StartOver | DownloadVerdict::NextHost => {
                Ok(Tried::NextHost(DownloadError::Refused(status)))
            }
        }
    }

    async fn take(&mut self, response: Response<Pieces>) -> Result<Tried, DownloadError> {
        let mut pieces = response.into_body();
        loop {
            let piece = timeout(SILENCE, pieces.next()).await.map_err(|_| DownloadError::Silent)?;
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| TransportError::Io(error.to_string()))?;
            let Some(decryptor) = &mut self.decryptor else { break };
            match decryptor.update(&piece) {
                Ok(plain) => self.partial.append(plain.for_temporary_file()).await?,
                Err(error) => return Ok(Tried::Over(DownloadError::Content(error))),
            }
            self.next += piece.len() as u64;
        }
        self.finish().await
    }

    /// The blob has ended.
    async fn finish(&mut self) -> Result<Tried, DownloadError> {
        let verified = match self.decryptor.take().map(Decryptor::finish) {
            Some(Ok(verified)) => verified,
            Some(Err(error)) if error.is_of_transfer() => {
                self.restart().await?;
                return Ok(Tried::NextHost(DownloadError::Content(error)));
            }
            Some(Err(error)) => return Ok(Tried::Over(DownloadError::Content(error))),
            None => return Ok(Tried::Over(DownloadError::Content(DecryptError::Truncated))),
        };
        self.partial.append(verified.last_bytes()).await?;
        self.partial.complete().await?;
        Ok(Tried::Done(verified))
    }
}

fn request(address: &str, from: u64) -> Result<Request<RequestBody>, DownloadError> {
    let mut request =
        Request::get(address).header(ORIGIN, url::ORIGIN).header(REFERER, format!("{}/", url::ORIGIN));
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    request
        .body(RequestBody::default())
        .map_err(|error| TransportError::Configuration(error.to_string()).into())
}

/// Whether a partial answer is the one that was asked for.
fn starts_at(headers: &HeaderMap, offset: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    start == Some(offset)
}

/// As long as the host says, within reason.
pub(super) fn pause(headers: &HeaderMap) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(1);
    let seconds = headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    seconds.map_or(SHORTEST, Duration::from_secs).clamp(SHORTEST, LONGEST_PAUSE)
}
