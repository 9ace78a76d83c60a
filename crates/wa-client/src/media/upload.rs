use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, ORIGIN, REFERER};
use http::{Request, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use wa_media::{
    DirectPath, Encrypted, Encryptor, MediaConn, MediaKey, MediaKind, UploadVerdict, blob_length, url,
};

use super::fetch::pause;
use super::{Line, MediaSource, PIECE, Pieces, RequestBody, SILENCE, Transfers, UNAUTHORIZED};
use crate::request::RequestError;
use crate::transport::TransportError;

/// Longest answer of a host, in bytes: it names a path and a few words.
const MAX_ANSWER: usize = 64 << 10;
/// Bytes in a second that an upload must make on the average, beside the silence that it is granted: slower lines
/// could not send a picture either.
const SLOWEST: u64 = 8 << 10;

/// A file that lies on the media hosts: what a message says of it. `Debug` shows no key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Uploaded {
    /// What it was uploaded as; decides how it is encrypted.
    pub kind: MediaKind,
    /// What opens it.
    pub key: MediaKey,
    /// When the key was made: Unix seconds.
    pub key_timestamp: i64,
    /// Its path on the hosts.
    pub path: DirectPath,
    /// Its full address, where the host named one.
    pub url: Option<String>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// SHA-256 of the blob.
    pub encrypted_sha256: [u8; 32],
    /// Length of the file in bytes.
    pub size: u64,
    /// What lets receivers play it before it is whole.
    pub sidecar: Option<Bytes>,
}

/// Why a file isn't on the media hosts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The server wasn't asked or didn't answer where the media hosts are.
    #[error("the media hosts are not known: {0}")]
    Request(#[from] RequestError),
    /// The media hosts can't be reached, or break off; the last one's error.
    #[error("no media host can be reached: {0}")]
    Transport(#[from] TransportError),
    /// A media host takes too long.
    #[error("a media host takes too long")]
    Silent,
    /// The media hosts answer with this HTTP status.
    #[error("the media hosts answer with status {0}")]
    Refused(u16),
    /// A media host says that it has the file, but not where.
    #[error("a media host's answer can't be read")]
    Malformed,
    /// The account uploads too much.
    #[error("the media hosts are asked too often")]
    Throttled,
    /// The file is larger than the media hosts, or the configuration, take.
    #[error("the file is too large")]
    TooLarge,
    /// The embedder's file can't be read.
    #[error("the file can't be read: {0}")]
    Source(#[from] io::Error),
    /// The embedder's file was changed while it was uploaded.
    #[error("the file was changed while it was uploaded")]
    Changed,
}

/// How one try at one host ended.
enum Tried {
    Stored(Answer),
    NextHost(UploadError),
    Renew,
    Over(UploadError),
}

/// What a host says of a file that it has.
#[derive(Deserialize)]
struct Answer {
    url: Option<String>,
    direct_path: Option<String>,
}

/// A file on its way.
struct Blob<'a> {
    kind: MediaKind,
    key: MediaKey,
    source: &'a dyn MediaSource,
    encrypted: Encrypted,
    length: u64,
}

impl Transfers {
    /// Encrypts a file and brings it to a media host.
    pub(crate) async fn upload(
        &self,
        line: &dyn Line,
        kind: MediaKind,
        source: &dyn MediaSource,
    ) -> Result<Uploaded, UploadError> {
        let key = MediaKey::generate(&mut *self.random.lock());
        let key_timestamp = self.clock.unix_millis() / 1000;
        let encrypted = self.measured(&key, kind, source).await?;
        let length = blob_length(encrypted.file_length).ok_or(UploadError::TooLarge)?;
        let blob = Blob { kind, key, source, encrypted, length };
        let (path, url) = self.to_hosts(line, &blob).await?;
        let Blob { key, encrypted, .. } = blob;
        Ok(Uploaded {
            kind,
            key,
            key_timestamp,
            path,
            url,
            sha256: encrypted.file_sha256,
            encrypted_sha256: encrypted.file_enc_sha256,
            size: encrypted.file_length,
            sidecar: encrypted.sidecar.map(Bytes::from),
        })
    }

    /// Encrypts a file for its hashes alone.
    async fn measured(
        &self,
        key: &MediaKey,
        kind: MediaKind,
        source: &dyn MediaSource,
    ) -> Result<Encrypted, UploadError> {
        let (mut reader, mut encryptor) = (source.open().await?, Encryptor::new(key, kind));
        let (mut plain, mut blob, mut length) = (vec![0; PIECE], Vec::with_capacity(PIECE + 64), 0);
        loop {
            let read = reader.read(&mut plain).await?;
            if read == 0 {
                return Ok(encryptor.finish(&mut blob));
            }
            length += read as u64;
            if length > self.limit {
                return Err(UploadError::TooLarge);
            }
            blob.clear();
            encryptor.update(&plain[..read], &mut blob);
        }
    }

    /// Tries all hosts, and once more with those and with the `auth` that the server names then.
    async fn to_hosts(
        &self,
        line: &dyn Line,
        blob: &Blob<'_>,
    ) -> Result<(DirectPath, Option<String>), UploadError> {
        let conn = self.hosts.get(line).await?;
        match self.to_each(&conn, blob).await {
            Tried::Stored(answer) => return answer.read(),
            Tried::Over(error) => return Err(error),
            Tried::Renew | Tried::NextHost(_) => {}
        }
        let conn = self.hosts.renew(&conn, line).await?;
        match self.to_each(&conn, blob).await {
            Tried::Stored(answer) => answer.read(),
            Tried::Over(error) | Tried::NextHost(error) => Err(error),
            Tried::Renew => Err(UploadError::Refused(UNAUTHORIZED)),
        }
    }

    /// Tries one host after another. What the first of them said is why it failed: the others were only to help.
    async fn to_each(&self, conn: &MediaConn, blob: &Blob<'_>) -> Tried {
        let mut first = None;
        for host in conn.in_order() {
            let error = match self.to_host(host, &conn.auth, blob).await {
                Ok(Tried::NextHost(error)) => error,
                Ok(tried) => return tried,
                Err(error @ (UploadError::Source(_) | UploadError::Changed)) => return Tried::Over(error),
                Err(error) => error,
            };
            first.get_or_insert(error);
        }
        Tried::NextHost(first.unwrap_or(UploadError::Silent))
    }

    async fn to_host(&self, host: &str, auth: &str, blob: &Blob<'_>) -> Result<Tried, UploadError> {
        let sent = Arc::new(Mutex::new(None));
        let body = body(blob.source.open().await?, Encryptor::new(&blob.key, blob.kind), Arc::clone(&sent));
        let address = url::upload(host, blob.kind, &blob.encrypted.file_enc_sha256, auth);
        let request = Request::post(address)
            .header(CONTENT_LENGTH, blob.length)
            .header(ORIGIN, url::ORIGIN)
            .header(REFERER, format!("{}/", url::ORIGIN))
            .body(RequestBody(Some(body)))
            .map_err(|error| TransportError::Configuration(error.to_string()))?;
        let patience = SILENCE + Duration::from_secs(blob.length / SLOWEST);
        let answer = timeout(patience, self.host.send(request)).await.map_err(|_| UploadError::Silent)?;
        // The hash of what was really sent; what was cut off has none.
        if sent.lock().as_ref().is_some_and(|sent| *sent != blob.encrypted) {
            return Err(UploadError::Changed);
        }
        let response = answer?;
        let status = response.status().as_u16();
        Ok(match UploadVerdict::of(status) {
            UploadVerdict::Stored => match read(response).await {
                Some(answer) => Tried::Stored(answer),
                None => Tried::NextHost(UploadError::Malformed),
            },
            UploadVerdict::RefreshAuth => Tried::Renew,
            UploadVerdict::TooLarge => Tried::Over(UploadError::TooLarge),
            UploadVerdict::WrongHash => Tried::Over(UploadError::Changed),
            UploadVerdict::Throttled => {
                sleep(pause(response.headers())).await;
                Tried::NextHost(UploadError::Throttled)
            }
            UploadVerdict::NextHost => Tried::NextHost(UploadError::Refused(status)),
        })
    }
}

impl Answer {
    /// The path, which some hosts name only within the address.
    fn read(self) -> Result<(DirectPath, Option<String>), UploadError> {
        let within = || {
            let url = self.url.as_deref()?.strip_prefix("https://")?;
            Some(url[url.find('/')?..].to_owned())
        };
        let path = self.direct_path.clone().or_else(within).ok_or(UploadError::Malformed)?;
        Ok((path.parse().map_err(|_| UploadError::Malformed)?, self.url))
    }
}

async fn read(response: Response<Pieces>) -> Option<Answer> {
    let mut pieces = response.into_body();
    let mut bytes = Vec::new();
    while let Some(piece) = timeout(SILENCE, pieces.next()).await.ok()? {
        bytes.extend_from_slice(&piece.ok()?);
        if bytes.len() > MAX_ANSWER {
            return None;
        }
    }
    serde_json::from_slice(&bytes).ok()
}

/// A file that is encrypted as it is read.
struct Encrypting {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    /// `None` once it has ended.
    encryptor: Option<Encryptor>,
    plain: Vec<u8>,
    sent: Arc<Mutex<Option<Encrypted>>>,
}

/// The blob of a file. What it was is told once all of it has been handed out.
fn body(
    reader: Box<dyn AsyncRead + Send + Unpin>,
    encryptor: Encryptor,
    sent: Arc<Mutex<Option<Encrypted>>>,
) -> Pieces {
    let encrypting = Encrypting { reader, encryptor: Some(encryptor), plain: vec![0; PIECE], sent };
    Box::pin(stream::try_unfold(encrypting, Encrypting::next))
}

impl Encrypting {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some(mut encryptor) = self.encryptor.take() else { return Ok(None) };
        let read = self.reader.read(&mut self.plain).await?;
        let mut blob = Vec::with_capacity(read + 64);
        if read == 0 {
            *self.sent.lock() = Some(encryptor.finish(&mut blob));
        } else {
            encryptor.update(&self.plain[..read], &mut blob);
            self.encryptor = Some(encryptor);
        }
        Ok(Some((blob.into(), self)))
    }
}

impl std::fmt::Debug for Uploaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploaded").field("kind", &self.kind).field("size", &self.size).finish_non_exhaustive()
    }
}
