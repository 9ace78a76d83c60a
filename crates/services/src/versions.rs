//! Which version of WhatsApp Web the companions announce: one for the whole process, looked up once a day.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use storage::{SecretText, Storage, StorageError, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio::time::sleep;
use wa_client::{Version, Versions};

use crate::clock::now;

/// How often the newest version is looked up.
const REFRESH_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// No sleep until a time of day is longer: the clock may jump meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Pause after a look-up that failed.
const RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// A refused version has the newest one looked up at most so often: thousands of companions are refused at once.
const LOOK_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Under this name the store keeps what was found: the version, a semicolon, and when (Unix milliseconds).
const SETTING: &str = "whatsapp_version";

/// Finds out which version of WhatsApp Web is the newest.
#[async_trait]
pub trait VersionSource: Send + Sync + 'static {
    /// The newest version that WhatsApp's page serves.
    async fn newest(&self) -> Result<Version, Box<dyn std::error::Error + Send + Sync>>;
}

/// Knows the version for all companions of this process. It is never older than the one that was compiled in. Clones are
/// the same keeper.
#[derive(Clone)]
pub struct VersionKeeper {
    inner: Arc<Inner>,
    /// By which way whoever has this clone wants newer ones to be looked up.
    source: Option<Arc<dyn VersionSource>>,
}

struct Inner {
    state: watch::Sender<VersionStatus>,
    /// The newest that WhatsApp has refused.
    refused: Mutex<Option<Version>>,
    /// `None`: configuration says which one it is.
    news: Option<News>,
}

/// What there is to looking newer ones up.
struct News {
    storage: Arc<dyn Storage>,
    /// Only one looks at a time; when somebody last did.
    looking: AsyncMutex<Option<tokio::time::Instant>>,
    /// Somebody wants to know: before that, nobody is asked.
    wanted: Notify,
    /// By which way whoever last wanted to know.
    way: Mutex<Option<Arc<dyn VersionSource>>>,
}

/// The version that is announced, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionStatus {
    /// What is announced at the next login.
    pub version: Version,
    /// Where it comes from.
    pub origin: VersionOrigin,
    /// When the newest one was last looked up.
    pub checked_at: Option<Timestamp>,
    /// When WhatsApp will begin to refuse it, where it said so.
    pub expires_at: Option<Timestamp>,
}

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOrigin {
    /// It was current when this program was made.
    Compiled,
    /// WhatsApp's page names it.
    Fetched,
    /// `WHATSAPP_VERSION` says so, whatever is newer.
    Configured,
}

impl VersionOrigin {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compiled => "compiled",
            Self::Fetched => "fetched",
            Self::Configured => "configured",
        }
    }
}

impl VersionKeeper {
    /// Announces this version for ever, and never asks for a newer one.
    pub fn fixed(version: Version) -> Self {
        Self { inner: Inner::with(version, VersionOrigin::Configured, None), source: None }
    }

    /// The newest version that the source tells, kept in the store over restarts.
    pub fn new(storage: Arc<dyn Storage>, source: Arc<dyn VersionSource>) -> Self {
        let (looking, way) = (AsyncMutex::new(None), Mutex::new(None));
        let news = News { storage, looking, wanted: Notify::new(), way };
        let inner = Inner::with(Version::COMPILED, VersionOrigin::Compiled, Some(news));
        Self { inner, source: Some(source) }
    }

    /// The same keeper for somebody who goes another way to WhatsApp: what they want to know is looked up there, and
    /// never elsewhere.
    #[must_use]
    pub fn through(&self, source: Arc<dyn VersionSource>) -> Self {
        Self { inner: Arc::clone(&self.inner), source: Some(source) }
    }

    /// Has the next refusal looked into, however short a while ago that was done: a person wants it.
    pub(crate) async fn look_again(&self) {
        if let Some(news) = &self.inner.news {
            *news.looking.lock().await = None;
        }
    }

    /// The version, and what is known of it.
    pub fn status(&self) -> VersionStatus {
        self.inner.state.borrow().clone()
    }

    /// Hears of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<VersionStatus> {
        self.inner.state.subscribe()
    }

    /// Reads what an earlier life of the process found.
    pub(crate) async fn load(&self) -> Result<(), StorageError> {
        let Some(news) = &self.inner.news else { return Ok(()) };
        let Some(stored) = news.storage.setting(SETTING).await? else { return Ok(()) };
        if let Some((version, checked_at)) = read(stored.expose()) {
            self.inner.learn(version, checked_at);
        }
        Ok(())
    }

    /// Looks the newest version up once a day: while companions connect, from the first one on, and while the version that
    /// is known is refused, since they don't connect then. Never ends.
    pub(crate) async fn keep(self) {
        let Some(news) = &self.inner.news else { return std::future::pending().await };
        loop {
            news.wanted.notified().await;
            loop {
                let due = self.inner.until_due();
                if due.is_zero() {
                    break;
                }
                sleep(due.min(LOOK_AGAIN)).await;
            }
            let way = news.way.lock().clone();
            if let Some(way) = way
                && self.inner.look(news, &*way).await.is_err()
            {
                sleep(RETRY_AFTER).await;
            }
            if self.inner.is_refused() {
                news.wanted.notify_one();
            }
        }
    }
}

impl Inner {
    fn with(version: Version, origin: VersionOrigin, news: Option<News>) -> Arc<Self> {
        let status = VersionStatus { version, origin, checked_at: None, expires_at: None };
        Arc::new(Self { state: watch::Sender::new(status), refused: Mutex::default(), news })
    }

    fn current(&self) -> Version {
        self.state.borrow().version
    }

    /// Whether WhatsApp refuses what is known.
    fn is_refused(&self) -> bool {
        self.refused.lock().is_some_and(|refused| refused >= self.current())
    }

    /// How long what is known is fresh enough.
    fn until_due(&self) -> Duration {
        let Some(checked_at) = self.state.borrow().checked_at else { return Duration::ZERO };
        let age = now().millis().saturating_sub(checked_at.millis());
        // A time in the future is a clock that was wrong.
        u64::try_from(age)
            .map_or(Duration::ZERO, |age| REFRESH_EVERY.saturating_sub(Duration::from_millis(age)))
    }

    /// Asks the source, and keeps what it says.
    async fn look(&self, news: &News, source: &dyn VersionSource) -> Result<(), ()> {
        let found = source.newest().await;
        let version = match found {
            Ok(version) => version,
            Err(error) => {
                tracing::warn!(%error, current = %self.current(), "the newest version of WhatsApp Web could not be looked up");
                return Err(());
            }
        };
        let checked_at = now();
        self.learn(version, checked_at);
        let text = format!("{version};{}", checked_at.millis());
        if let Err(error) = news.storage.put_setting(SETTING.to_owned(), SecretText::new(text)).await {
            tracing::warn!(%error, "the version that was looked up is forgotten at the next start");
        }
        Ok(())
    }

    /// Takes a version over, unless it is older than the one that is known.
    fn learn(&self, version: Version, checked_at: Timestamp) {
        self.state.send_if_modified(|state| {
            state.checked_at = Some(checked_at);
            let is_newer = version > state.version;
            if is_newer {
                tracing::info!(%version, before = %state.version, "a newer version of WhatsApp Web is announced");
                *state = VersionStatus {
                    version,
                    origin: VersionOrigin::Fetched,
                    checked_at: Some(checked_at),
                    expires_at: None,
                };
            }
            is_newer
        });
    }
}

#[async_trait]
impl Versions for VersionKeeper {
    fn current(&self) -> Version {
        if let Some(news) = &self.inner.news {
            news.way.lock().clone_from(&self.source);
            news.wanted.notify_one();
        }
        self.inner.current()
    }

    async fn newer_than(&self, refused: Version) -> Option<Version> {
        let (news, source) = (self.inner.news.as_ref()?, self.source.as_ref()?);
        let mut looked = news.looking.lock().await;
        let known = || Some(self.inner.current()).filter(|version| *version > refused);
        if let Some(newer) = known() {
            return Some(newer);
        }
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_PAUSE) {
            *looked = Some(tokio::time::Instant::now());
            let _ = self.inner.look(news, &**source).await;
        }
        if known().is_none() {
            let mut newest = self.inner.refused.lock();
            *newest = (*newest).max(Some(refused));
            news.wanted.notify_one();
        }
        known()
    }

    fn expires(&self, version: Version, at: i64) {
        let at = Timestamp::from_millis(at);
        self.inner.state.send_if_modified(|state| {
            if state.version == version {
                // Accounts are told different ends: the earliest counts.
                state.expires_at = Some(state.expires_at.map_or(at, |known| known.min(at)));
            }
            false
        });
    }
}

fn read(stored: &str) -> Option<(Version, Timestamp)> {
    let (version, millis) = stored.split_once(';')?;
    Some((version.parse().ok()?, Timestamp::from_millis(millis.parse().ok()?)))
}

impl std::fmt::Debug for VersionKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VersionKeeper").field(&self.status()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use storage::MemoryStorage;
    use test_support::until;

    use super::*;

    const NEWER: Version = Version::of_revision(1_060_000_000);

    struct Page {
        newest: Mutex<Option<Version>>,
        asked: AtomicUsize,
    }

    impl Page {
        fn saying(newest: Option<Version>) -> Arc<Self> {
            Arc::new(Self { newest: Mutex::new(newest), asked: AtomicUsize::new(0) })
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl VersionSource for Page {
        async fn newest(&self) -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.newest.lock().ok_or_else(|| "nobody is there".into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked_before_somebody_connects_and_then_once_a_day() {
        let page = Page::saying(Some(NEWER));
        let keeper = VersionKeeper::new(Arc::new(MemoryStorage::new()), page.clone());
        tokio::spawn(keeper.clone().keep());
        sleep(REFRESH_EVERY * 3).await;
        assert_eq!(page.asked(), 0);
        assert_eq!(keeper.current(), Version::COMPILED);
        until("the newer one is known", || async { (keeper.status().version == NEWER).then_some(()) }).await;
        assert_eq!((page.asked(), keeper.status().origin), (1, VersionOrigin::Fetched));
        keeper.current();
        sleep(REFRESH_EVERY / 2).await;
        assert_eq!(page.asked(), 1);
    }

    #[tokio::test]
    async fn what_was_found_is_known_after_a_restart() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let page = Page::saying(Some(NEWER));
        let keeper = VersionKeeper::new(storage.clone(), page.clone());
        assert_eq!(keeper.newer_than(Version::COMPILED).await, Some(NEWER));
        let keeper = VersionKeeper::new(storage.clone(), page.clone());
        keeper.load().await.unwrap();
        assert_eq!((keeper.current(), page.asked()), (NEWER, 1));
        assert!(keeper.inner.until_due() > REFRESH_EVERY / 2);
        storage.put_setting(SETTING.to_owned(), SecretText::new("nonsense")).await.unwrap();
        let keeper = VersionKeeper::new(storage, page);
        keeper.load().await.unwrap();
        assert_eq!(keeper.current(), Version::COMPILED);
    }

    #[tokio::test(start_paused = true)]
    async fn many_refused_companions_are_one_look() {
        let page = Page::saying(None);
        let keeper = VersionKeeper::new(Arc::new(MemoryStorage::new()), page.clone());
        for _ in 0..50 {
            assert_eq!(keeper.newer_than(Version::COMPILED).await, None);
        }
        assert_eq!(page.asked(), 1);
        *page.newest.lock() = Some(NEWER);
        sleep(LOOK_PAUSE).await;
        assert_eq!(keeper.newer_than(Version::COMPILED).await, Some(NEWER));
        assert_eq!(keeper.newer_than(Version::COMPILED).await, Some(NEWER));
        assert_eq!((page.asked(), keeper.newer_than(NEWER).await), (2, None));
    }

    #[tokio::test(start_paused = true)]
    async fn while_none_is_taken_the_page_is_looked_at_every_day_and_whenever_a_person_wants_it() {
        let page = Page::saying(Some(Version::COMPILED));
        let keeper = VersionKeeper::new(Arc::new(MemoryStorage::new()), page.clone());
        tokio::spawn(keeper.clone().keep());
        keeper.current();
        until("it was looked at", || async { (page.asked() == 1).then_some(()) }).await;
        for _ in 0..2 {
            assert_eq!(keeper.newer_than(Version::COMPILED).await, None);
            assert_eq!(page.asked(), 2);
        }
        keeper.look_again().await;
        assert_eq!((keeper.newer_than(Version::COMPILED).await, page.asked()), (None, 3));
        // All companions have stopped: nobody connects who would want to know.
        let a_day_passes = async || {
            let day = i64::try_from(REFRESH_EVERY.as_millis()).unwrap();
            keeper.inner.learn(Version::COMPILED, Timestamp::from_millis(now().millis() - day));
            sleep(LOOK_AGAIN * 2).await;
            page.asked()
        };
        assert_eq!((a_day_passes().await, a_day_passes().await), (4, 5));
        *page.newest.lock() = Some(NEWER);
        assert_eq!((a_day_passes().await, keeper.status().version), (6, NEWER));
        assert_eq!(a_day_passes().await, 6, "it is taken, as far as anybody knows");
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_it_looked_up_by_their_own_way() {
        let (open, proxied) = (Page::saying(Some(NEWER)), Page::saying(None));
        let keeper = VersionKeeper::new(Arc::new(MemoryStorage::new()), open.clone());
        let through = keeper.through(proxied.clone());
        tokio::spawn(keeper.clone().keep());
        assert_eq!(through.current(), Version::COMPILED);
        until("it was tried", || async { (proxied.asked() == 1).then_some(()) }).await;
        assert_eq!(through.newer_than(Version::COMPILED).await, None);
        sleep(RETRY_AFTER * 3).await;
        assert_eq!((proxied.asked() > 3, open.asked()), (true, 0));
        keeper.current();
        sleep(RETRY_AFTER * 2).await;
        assert_eq!((open.asked(), through.current()), (1, NEWER));
        let fixed = VersionKeeper::fixed(NEWER).through(open.clone());
        assert_eq!((fixed.newer_than(NEWER).await, open.asked()), (None, 1));
    }

    #[tokio::test]
    async fn an_older_page_changes_nothing() {
        let page = Page::saying(Some(Version::of_revision(1)));
        let keeper = VersionKeeper::new(Arc::new(MemoryStorage::new()), page.clone());
        assert_eq!(keeper.newer_than(Version::COMPILED).await, None);
        assert_eq!((keeper.current(), keeper.status().origin), (Version::COMPILED, VersionOrigin::Compiled));
    }

    #[tokio::test]
    async fn configuration_has_the_last_word() {
        let keeper = VersionKeeper::fixed(Version::of_revision(1));
        assert_eq!(keeper.newer_than(Version::of_revision(1)).await, None);
        assert_eq!(keeper.current(), Version::of_revision(1));
    }

    #[test]
    fn the_earliest_end_of_the_announced_version_counts() {
        let keeper = VersionKeeper::fixed(NEWER);
        keeper.expires(Version::COMPILED, 1);
        assert_eq!(keeper.status().expires_at, None);
        keeper.expires(NEWER, 9_000);
        keeper.expires(NEWER, 5_000);
        keeper.expires(NEWER, 7_000);
        assert_eq!(keeper.status().expires_at, Some(Timestamp::from_millis(5_000)));
    }
}
