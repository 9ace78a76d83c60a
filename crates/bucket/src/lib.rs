#![doc = include_str!("../README.md")]

mod listing;
mod reader;
mod sign;

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use outbound::{AddressGuard, Dialer, HttpClient, HttpError, Resolver, SetupError, Sockets, Url};
use thiserror::Error;
use tokio::io::AsyncRead;

pub use listing::Listed;
pub use outbound::Authorities;

use listing::Page;
use reader::PieceReader;
use sign::{Signed, Signer, encoded, sha256_hex, time};

/// Longest wait for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time for a file to be put: 100 MB over a slow line.
const LONGEST_PUT: Duration = Duration::from_secs(15 * 60);
/// Longest answer that isn't a file, in bytes: a page of a list.
const LONGEST_ANSWER: usize = 4 << 20;
/// Pages of one list: a million files.
const MOST_PAGES: usize = 1_000;

/// Where a bucket is, and who may use it.
#[derive(Clone)]
pub struct Settings {
    /// The store's address, without a path.
    pub endpoint: Url,
    /// The bucket: 3 to 63 lower-case letters, digits, dots and dashes.
    pub bucket: String,
    /// What all keys begin with: parts of letters, digits, dots, dashes and underscores with slashes between them, or nothing.
    pub prefix: String,
    /// What the store calls the place; stores that have only one take any.
    pub region: String,
    /// Who may use it.
    pub access_key: String,
    /// What they sign with.
    pub secret_key: String,
}

/// Why settings can't be those of a bucket. Each text is the end of a sentence that begins with what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSettings {
    /// The endpoint.
    #[error("must be an http:// or https:// address without a path")]
    Endpoint,
    /// The bucket.
    #[error("must name a bucket: 3 to 63 lower-case letters, digits, dots and dashes")]
    Bucket,
    /// The prefix.
    #[error("may have letters, digits, dots, dashes, underscores and slashes behind the bucket")]
    Prefix,
}

/// A bucket. Clones are the same.
#[derive(Clone)]
pub struct Bucket {
    client: HttpClient,
    guard: AddressGuard,
    endpoint: String,
    host: String,
    /// The path of the bucket.
    root: String,
    /// Empty, or ends with a slash.
    prefix: String,
    signer: Signer,
}

/// A file of a bucket that is open at some offset.
pub struct Object {
    /// The file, from the offset on.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Length of the whole file in bytes.
    pub length: u64,
}

/// Why the store hasn't done what it was asked for. Repeats neither addresses nor credentials.
#[derive(Debug, Error)]
pub enum BucketError {
    /// There is no answer.
    #[error("the store can't be reached: {0}")]
    Http(#[from] HttpError),
    /// There is no such file.
    #[error("the store has no such file")]
    Missing,
    /// It refuses.
    #[error("the store answers with HTTP {0}")]
    Status(u16),
    /// It says something that no store says.
    #[error("the store's answer can't be read")]
    Answer,
}

impl Settings {
    /// Takes what is behind `s3://`: a bucket, and behind a slash a prefix.
    pub fn place(text: &str) -> (String, String) {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        (bucket.to_owned(), prefix.trim_matches('/').to_owned())
    }

    /// Whether they can be those of a bucket.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn check(&self) -> Result<(), InvalidSettings> {
        let is_root = matches!(self.endpoint.path(), "" | "/") && self.endpoint.query().is_none();
        if !matches!(self.endpoint.scheme(), "http" | "https")
            || !is_root
            || self.endpoint.host_str().is_none()
        {
            return Err(InvalidSettings::Endpoint);
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(is_name) {
            return Err(InvalidSettings::Bucket);
        }
        let is_part = |part: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !matches!(part, "" | "." | "..") && part.bytes().all(fits)
        };
        if !self.prefix.is_empty() && !self.prefix.split('/').all(is_part) {
            return Err(InvalidSettings::Prefix);
        }
        Ok(())
    }
}

impl Bucket {
    /// A bucket with these settings, whose names are looked up by this resolver and whose certificates these authorities have
    /// signed, reached by these sockets.
    ///
    /// # Errors
    /// [`SetupError`] when TLS can't be set up; what is wrong with the settings [`Settings::check`] says before.
    pub fn new(
        settings: Settings,
        resolver: Resolver,
        authorities: &Authorities,
        sockets: Sockets,
    ) -> Result<Self, SetupError> {
        let Settings { endpoint, bucket, prefix, region, access_key, secret_key } = settings;
        let name = endpoint.host_str().unwrap_or_default();
        // Whoever runs the gateway names it, so that it may be anywhere.
        let guard = AddressGuard::default().opening(&endpoint);
        let host = match endpoint.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self {
            client: HttpClient::new(Dialer::new(guard.clone(), resolver).among(sockets), authorities)?,
            guard,
            endpoint: format!("{}://{host}", endpoint.scheme()),
            host,
            root: format!("/{bucket}"),
            prefix: if prefix.is_empty() { prefix } else { format!("{prefix}/") },
            signer: Signer { region, access_key, secret_key },
        })
    }

    /// Puts a file of this length and SHA-256 (in hexadecimal), whatever was there before. Keys have letters, digits,
    /// dashes and slashes.
    ///
    /// # Errors
    /// [`BucketError`]; then nothing is there, or what was there before, or the file.
    pub async fn put(
        &self,
        key: &str,
        file: impl AsyncRead + Send + 'static,
        length: u64,
        sha256: &str,
    ) -> Result<(), BucketError> {
        let mut asked = Asked::of(Method::PUT, self.path(key));
        asked.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let (destination, headers) = self.signed(asked, sha256)?;
        let putting = self.client.upload(Method::PUT, &destination, headers, file, LONGEST_PUT);
        settled(putting.await?).await
    }

    /// Opens a file at an offset.
    ///
    /// # Errors
    /// [`BucketError`]; `Missing` also when it isn't longer than the offset.
    pub async fn get(&self, key: &str, offset: u64) -> Result<Object, BucketError> {
        let mut asked = Asked::of(Method::GET, self.path(key));
        if offset > 0 {
            asked.range = Some(format!("bytes={offset}-"));
        }
        let (destination, headers) = self.signed(asked, &sha256_hex(b""))?;
        let answer = self.client.send(Method::GET, &destination, headers, Bytes::new(), PATIENCE).await?;
        let number = |name: HeaderName| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let length = match answer.status() {
            StatusCode::OK if offset == 0 => number(CONTENT_LENGTH),
            StatusCode::PARTIAL_CONTENT => {
                number(CONTENT_RANGE).and_then(|range| Some(range.rsplit_once('/')?.1.to_owned()))
            }
            _ => return Err(refusal(answer.status())),
        };
        let length = length.and_then(|length| length.parse().ok()).ok_or(BucketError::Answer)?;
        Ok(Object { reader: Box::new(PieceReader::new(answer)), length })
    }

    /// Deletes a file; one that isn't there is deleted already.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let (destination, headers) =
            self.signed(Asked::of(Method::DELETE, self.path(key)), &sha256_hex(b""))?;
        let deleting = self.client.send(Method::DELETE, &destination, headers, Bytes::new(), PATIENCE);
        match settled(deleting.await?).await {
            Err(BucketError::Missing) => Ok(()),
            outcome => outcome,
        }
    }

    /// All files whose keys begin like this.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn list(&self, beginning: &str) -> Result<Vec<Listed>, BucketError> {
        let pages = self.pages(beginning, None).await?;
        let behind = |file: Listed| Some(Listed { key: self.behind(&file.key)?, ..file });
        Ok(pages.into_iter().flat_map(|page| page.files).filter_map(behind).collect())
    }

    /// The first parts of all keys, up to their slashes.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn folders(&self) -> Result<Vec<String>, BucketError> {
        let pages = self.pages("", Some("/")).await?;
        let behind = |folder: String| Some(self.behind(&folder)?.trim_end_matches('/').to_owned());
        Ok(pages.into_iter().flat_map(|page| page.folders).filter_map(behind).collect())
    }

    /// Whether the store is there, and lets this bucket be read.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn probe(&self) -> Result<(), BucketError> {
        self.page(&format!("list-type=2&max-keys=1&prefix={}", encoded(&self.prefix))).await.map(drop)
    }

    async fn pages(&self, beginning: &str, delimiter: Option<&str>) -> Result<Vec<Page>, BucketError> {
        let prefix = encoded(&format!("{}{beginning}", self.prefix));
        let (mut pages, mut next) = (Vec::new(), None::<String>);
        while pages.len() < MOST_PAGES {
            // In the order of their names.
            let token = next.map(|token| format!("continuation-token={}&", encoded(&token)));
            let delimiter = delimiter.map(|delimiter| format!("delimiter={}&", encoded(delimiter)));
            let (token, delimiter) = (token.unwrap_or_default(), delimiter.unwrap_or_default());
            let mut page = self.page(&format!("{token}{delimiter}list-type=2&prefix={prefix}")).await?;
            next = page.next.take();
            pages.push(page);
            if next.is_none() {
                break;
            }
        }
        Ok(pages)
    }

    async fn page(&self, query: &str) -> Result<Page, BucketError> {
        let asked = Asked { query: query.to_owned(), ..Asked::of(Method::GET, self.root.clone()) };
        let (destination, headers) = self.signed(asked, &sha256_hex(b""))?;
        let answer = self.client.send(Method::GET, &destination, headers, Bytes::new(), PATIENCE).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status()));
        }
        let text = answer.bytes(LONGEST_ANSWER).await?;
        std::str::from_utf8(&text).ok().and_then(Page::read).ok_or(BucketError::Answer)
    }

    fn path(&self, key: &str) -> String {
        format!("{}/{}{key}", self.root, self.prefix)
    }

    /// A key without the prefix.
    fn behind(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }

    fn signed(&self, asked: Asked, content: &str) -> Result<(outbound::Destination, HeaderMap), BucketError> {
        let Asked { method, path, query, range, mut headers } = asked;
        let now = Utc::now();
        let date = time(now);
        let mut signed = vec![("host", &*self.host)];
        signed.extend(range.as_deref().map(|range| ("range", range)));
        signed.extend([("x-amz-content-sha256", content), ("x-amz-date", &*date)]);
        let request =
            Signed { method: method.as_str(), path: &path, query: &query, headers: &signed, content };
        let authorization = self.signer.authorization(&request, now);
        let all = signed.iter().copied().chain([("authorization", &*authorization)]);
        for (name, value) in all {
            let value = HeaderValue::from_str(value).map_err(|_| BucketError::Answer)?;
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| BucketError::Answer)?, value);
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{mark}{query}", self.endpoint);
        Ok((self.guard.check(&url).map_err(HttpError::from)?, headers))
    }
}

/// A request, before it is signed.
struct Asked {
    method: Method,
    path: String,
    query: String,
    range: Option<String>,
    headers: HeaderMap,
}

impl Asked {
    fn of(method: Method, path: String) -> Self {
        Self { method, path, query: String::new(), range: None, headers: HeaderMap::new() }
    }
}

/// The end of a request whose answer says no more than that it is done.
async fn settled(answer: outbound::Response) -> Result<(), BucketError> {
    let status = answer.status();
    // The connection can be used again once this is read.
    let _ = answer.bytes(LONGEST_ANSWER).await;
    if status.is_success() { Ok(()) } else { Err(refusal(status)) }
}

fn refusal(status: StatusCode) -> BucketError {
    match status {
        StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => BucketError::Missing,
        status => BucketError::Status(status.as_u16()),
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("root", &self.root).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, place: &str) -> Result<(), InvalidSettings> {
        let (bucket, prefix) = Settings::place(place);
        let endpoint = endpoint.parse().unwrap();
        let text = String::new;
        Settings { endpoint, bucket, prefix, region: text(), access_key: text(), secret_key: text() }.check()
    }

    #[test]
    fn settings_are_checked_before_anything_is_signed() {
        for place in ["files", "my.files-1/", "files/a/b_c.d"] {
            assert_eq!(settings("https://s3.example", place), Ok(()), "{place}");
        }
        for place in ["", "ab", "Files", "fi les", "-\u{e9}--"] {
            assert_eq!(settings("https://s3.example", place), Err(InvalidSettings::Bucket), "{place}");
        }
        for place in ["files/a b", "files/../c", "files/a//b", "files/%2e"] {
            assert_eq!(settings("https://s3.example", place), Err(InvalidSettings::Prefix), "{place}");
        }
        for endpoint in ["ftp://s3.example", "https://s3.example/path", "https://s3.example/?a=b"] {
            assert_eq!(settings(endpoint, "files"), Err(InvalidSettings::Endpoint), "{endpoint}");
        }
    }
}
