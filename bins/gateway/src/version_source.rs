//! Where the newest version of WhatsApp Web is named: its service worker, and its page (PROTOCOL.md 3).

use std::error::Error;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use actix_web::web::Bytes;
use async_trait::async_trait;
use outbound::{AddressGuard, HttpClient, Url};
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, DATE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use services::VersionSource;
use wa_client::Version;

/// Reads `/sw.js`, and `/` where that says nothing, beside WhatsApp's socket.
pub(crate) struct WebPage {
    client: HttpClient,
    guard: AddressGuard,
    origin: Url,
}

/// What the service worker says, and the answer that brought it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// The newest version, where it names one.
    pub(crate) version: Option<Version>,
    /// The time by WhatsApp's clock.
    pub(crate) date: Option<SystemTime>,
    /// When it was asked for, by ours.
    pub(crate) asked_at: SystemTime,
}

/// The page has about half of it.
const MOST: usize = 8 << 20;
const WITHIN: Duration = Duration::from_secs(20);
const BROWSER: HeaderValue = HeaderValue::from_static(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
);

impl WebPage {
    /// The files beside the socket at this URL.
    pub(crate) fn beside(socket: &Url, client: HttpClient, guard: AddressGuard) -> Self {
        let mut origin = socket.clone();
        // `ws` and `wss` may become `http` and `https`: all four are web schemes.
        let _ = origin.set_scheme(if socket.scheme() == "wss" { "https" } else { "http" });
        origin.set_path("/");
        Self { client, guard, origin }
    }

    /// Looks at the service worker, whatever it says.
    ///
    /// # Errors
    /// When there is no answer, or it isn't a success.
    pub(crate) async fn look(&self) -> Result<Page, Box<dyn Error + Send + Sync>> {
        let destination = self.guard.check(self.origin.join("/sw.js")?.as_str())?;
        let asked_at = SystemTime::now();
        let answer = self.client.send(Method::GET, &destination, script(), Bytes::new(), WITHIN).await?;
        if !answer.status().is_success() {
            return Err(format!("HTTP {}", answer.status().as_u16()).into());
        }
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()?.parse::<HttpDate>().ok());
        let body = answer.bytes(MOST).await?;
        let version = revision(&String::from_utf8_lossy(&body)).map(Version::of_revision);
        Ok(Page { version, date: date.map(SystemTime::from), asked_at })
    }

    async fn read(&self, path: &str, headers: HeaderMap) -> Result<Version, Box<dyn Error + Send + Sync>> {
        let url = self.origin.join(path)?;
        let destination = self.guard.check(url.as_str())?;
        let body = self.client.get(&destination, headers, MOST, WITHIN).await?;
        let revision = revision(&String::from_utf8_lossy(&body));
        Ok(Version::of_revision(revision.ok_or_else(|| format!("{path} names no version"))?))
    }
}

#[async_trait]
impl VersionSource for WebPage {
    async fn newest(&self) -> Result<Version, Box<dyn Error + Send + Sync>> {
        match self.read("/sw.js", script()).await {
            Ok(version) => Ok(version),
            Err(error) => {
                tracing::debug!(%error, "the service worker names no version; reading the page");
                let navigation = [
                    ("sec-fetch-dest", "document"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-site", "none"),
                    ("sec-fetch-user", "?1"),
                ];
                self.read("/", browser(navigation)).await
            }
        }
    }
}

fn script() -> HeaderMap {
    browser([("sec-fetch-dest", "script"), ("sec-fetch-mode", "no-cors")])
}

/// Headers without which WhatsApp answers with a page for browsers that are too old.
fn browser<const N: usize>(fetch: [(&'static str, &'static str); N]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, BROWSER);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("en-US,en;q=0.9"));
    for (name, value) in fetch {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

/// The number behind `client_revision`, whether its quotes are escaped or not.
fn revision(text: &str) -> Option<u32> {
    const NAME: &str = "client_revision";
    let found = text.match_indices(NAME).filter_map(|(at, _)| {
        let rest = text[at + NAME.len()..].trim_start_matches(['\\', '"', '\'', ':', ' ']);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    });
    found.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_found_in_either_file() {
        for text in [
            r#"self.x=JSON.parse("{\"server_revision\":7,\"client_revision\":1045649367,\"push\":1}");"#,
            r#"["SiteData",[],{"server_revision":7,"client_revision":1045649367,"tier":""}]"#,
            "client_revision: 1045649367",
        ] {
            assert_eq!(revision(text), Some(1_045_649_367), "{text}");
        }
        for text in ["", "client_revision", "client_revision\":null", "\"client_revision\":99999999999"] {
            assert_eq!(revision(text), None, "{text}");
        }
    }
}
