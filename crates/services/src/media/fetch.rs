use std::time::Duration;

use outbound::{AddressGuard, HttpClient, HttpError, Url};
use storage::UserId;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{Spool, SpoolError, SpooledFile};
use crate::shares::{Full, Shares};

/// Redirects that are followed; each is judged like the first address.
const REDIRECTS: usize = 5;
/// Longest wait for the head of an answer.
const HEAD: Duration = Duration::from_secs(30);
/// Longest silence within a body.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a fetch may take, whatever comes.
const AT_LEAST: Duration = Duration::from_secs(120);
/// A body that comes more slowly than this, in bytes a second, is given up after that: the longest file has a quarter of an hour,
/// like one that a caller brings.
const SLOWEST: u64 = 128 << 10;
/// Files that are fetched at once, whoever asks: each holds a socket and a file.
const AT_ONCE: usize = 32;
/// Files of one owner among them.
const AT_ONCE_EACH: usize = 4;

/// Fetches the files that callers name.
#[derive(Clone, Debug)]
pub(crate) struct FetchUrl {
    client: HttpClient,
    guard: AddressGuard,
    places: Shares,
}

/// A file as it was fetched.
pub(crate) struct Fetched {
    pub(crate) file: SpooledFile,
    /// Its type, as its host says.
    pub(crate) said: Option<String>,
    /// The last part of its address.
    pub(crate) name: Option<String>,
}

/// Why a file can't be fetched. Repeats neither addresses nor credentials.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// The caller's fault, or the host's that they named.
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("its host answers with HTTP {0}")]
    Status(u16),
    #[error("its host leads on and on")]
    TooManyRedirects,
    #[error("its host leads to no address")]
    Redirect,
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// As many are being fetched as may be.
    #[error("too many files are being fetched")]
    Busy(Full),
}

impl FetchUrl {
    pub(crate) fn new(client: HttpClient, guard: AddressGuard) -> Self {
        Self { client, guard, places: Shares::new(AT_ONCE, AT_ONCE_EACH) }
    }

    /// Brings the file at this address into the spool, for this owner.
    pub(crate) async fn fetch(&self, owner: UserId, url: &str, spool: &Spool) -> Result<Fetched, FetchError> {
        let mut destination = self.guard.check(url).map_err(HttpError::from)?;
        let _place = self.places.take(owner).map_err(FetchError::Busy)?;
        let began = Instant::now();
        for _ in 0..=REDIRECTS {
            let mut response = self.client.open(&destination, HEAD).await?;
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get("location").and_then(|location| location.to_str().ok());
                let base: Url = destination.as_str().parse().map_err(|_| FetchError::Redirect)?;
                let next =
                    location.and_then(|location| base.join(location).ok()).ok_or(FetchError::Redirect)?;
                destination = self.guard.check(next.as_str()).map_err(HttpError::from)?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status.as_u16()));
            }
            let said =
                response.headers().get("content-type").and_then(|said| Some(said.to_str().ok()?.to_owned()));
            let name = destination.as_str().parse().ok().and_then(|url| last_part(&url));
            let mut file = spool.create().await.map_err(SpoolError::from)?;
            loop {
                let until = (Instant::now() + SILENCE).min(deadline(began, file.length()));
                let piece = timeout_at(until, response.next()).await.map_err(|_| HttpError::TimedOut)??;
                let Some(piece) = piece else { break };
                file.write(&piece).await?;
            }
            return Ok(Fetched { file, said, name });
        }
        Err(FetchError::TooManyRedirects)
    }
}

/// Until when a fetch may take that has brought so many bytes.
fn deadline(began: Instant, received: u64) -> Instant {
    began + AT_LEAST + Duration::from_secs(received / SLOWEST)
}

/// The name at the end of an address, if it is one.
fn last_part(url: &Url) -> Option<String> {
    let part = url.path_segments()?.next_back()?;
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::LONGEST_SENT;

    #[tokio::test(start_paused = true)]
    async fn a_fetch_ends_however_it_trickles() {
        let began = Instant::now();
        // A byte each time that silence would end it.
        let mut received = 0;
        while Instant::now() < deadline(began, received) {
            tokio::time::advance(SILENCE - Duration::from_secs(1)).await;
            received += 1;
        }
        assert!(began.elapsed() < AT_LEAST + SILENCE, "{:?}", began.elapsed());
        let longest = deadline(began, LONGEST_SENT) - began;
        assert!((800..=1_000).contains(&longest.as_secs()), "{longest:?}");
    }

    #[test]
    fn an_address_ends_with_a_name() {
        let named = |url: &str| last_part(&url.parse().unwrap());
        assert_eq!(named("https://a.example/b/c%20d.jpg?x=1").as_deref(), Some("c d.jpg"));
        for url in
            ["https://a.example", "https://a.example/b/", "https://a.example/%zz", "https://a.example/%f"]
        {
            assert_eq!(named(url), None, "{url}");
        }
    }
}
