//! Names to addresses.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::dns;

/// Asks for the addresses of a name.
pub type Lookup = dyn Fn(String) -> BoxFuture<'static, Result<Vec<SocketAddr>, ResolveError>> + Send + Sync;

/// Looks names up, a few at a time. Clones share the bounds.
#[derive(Clone)]
pub struct Resolver {
    lookup: Arc<Lookup>,
    configured: Arc<Semaphore>,
    /// For names of users that were answered when they were looked up last.
    answered: Arc<Semaphore>,
    /// For all others.
    foreign: Arc<Semaphore>,
    names: Arc<Answered>,
}

/// Why a name led nowhere.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    /// Its name servers say that it doesn't exist, or has no address.
    #[error("the name has no address")]
    Unknown,
    /// Nobody could say: no answer in time, a failure of a name server, no way to one. It says nothing about whoever the
    /// name belongs to.
    #[error("the name could not be looked up: {0}")]
    Failed(String),
}

/// Who has named a host. Each has look-ups of its own, so that names of users which nobody answers for don't keep the gateway
/// from what its configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    Configuration,
    User,
}

/// Look-ups of each kind under way at once: each may have a few sockets open.
const AT_ONCE: usize = 128;
/// Names that are remembered as answered: more than receivers are called at.
const REMEMBERED: usize = 16_384;
/// How long one may wait for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

impl Resolver {
    /// Asks those name servers that the system's configuration names, after its file of hosts. Neither takes a thread.
    pub fn system() -> Self {
        Self::new(dns::system())
    }

    /// Asks these name servers only, after the system's file of hosts.
    pub fn of_servers(servers: &[SocketAddr]) -> Self {
        Self::new(dns::of_servers(servers))
    }

    /// Another one; the ports of what it answers don't matter.
    pub fn new(lookup: Arc<Lookup>) -> Self {
        let bound = || Arc::new(Semaphore::new(AT_ONCE));
        let names = Arc::default();
        Self { lookup, configured: bound(), answered: bound(), foreign: bound(), names }
    }

    /// The addresses of a name that the configuration has, for connections that are none of [`Dialer`](crate::Dialer)'s: at
    /// least one.
    ///
    /// # Errors
    /// [`ResolveError`], after a few seconds at the latest.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = self.resolve(name, 0, NamedBy::Configuration).await?;
        Ok(found.into_iter().map(|address| address.ip()).collect())
    }

    /// The addresses of a name with this port; at least one.
    ///
    /// # Errors
    /// [`ResolveError`], after a few seconds at the latest.
    pub(crate) async fn resolve(
        &self,
        name: &str,
        port: u16,
        by: NamedBy,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let permits = match by {
            NamedBy::Configuration => &self.configured,
            // Names that nobody answers for hold up new ones at most.
            NamedBy::User if self.names.has(name) => &self.answered,
            NamedBy::User => &self.foreign,
        };
        let turn = timeout(TURN_TIMEOUT, permits.acquire()).await;
        let Ok(Ok(_permit)) = turn else {
            return Err(ResolveError::Failed("too many other names are being looked up".to_owned()));
        };
        let found = timeout(LOOKUP_TIMEOUT, (self.lookup)(name.to_owned())).await;
        let found =
            found.unwrap_or_else(|_| Err(ResolveError::Failed("no name server answered in time".to_owned())));
        self.names.note(name, !matches!(found, Err(ResolveError::Failed(_))));
        let found = found?;
        if found.is_empty() {
            return Err(ResolveError::Unknown);
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }
}

/// Names that were answered when they were looked up last, whatever the answer; those noted first are forgotten first. It
/// keeps their keyed hashes: two that share one share no more than their turns.
#[derive(Default)]
struct Answered {
    key: RandomState,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    known: HashSet<u64>,
    /// Some of them may be known no more.
    order: VecDeque<u64>,
}

impl Answered {
    fn has(&self, name: &str) -> bool {
        self.names.lock().known.contains(&self.key.hash_one(name))
    }

    fn note(&self, name: &str, is_answered: bool) {
        let name = self.key.hash_one(name);
        let mut names = self.names.lock();
        if !is_answered {
            names.known.remove(&name);
            return;
        }
        if !names.known.insert(name) {
            return;
        }
        names.order.push_back(name);
        if names.order.len() > REMEMBERED
            && let Some(first) = names.order.pop_front()
        {
            names.known.remove(&first);
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn silent() -> (Resolver, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let resolver = Resolver::new(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        }));
        (resolver, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_never_answers_is_given_up() {
        let (resolver, _) = silent();
        let error = resolver.resolve("slow.example", 80, NamedBy::User).await.unwrap_err();
        assert!(matches!(error, ResolveError::Failed(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_looked_up_at_once_and_configuration_has_its_own() {
        let (resolver, asked) = silent();
        let all = (0..2 * AT_ONCE).map(|_| resolver.resolve("slow.example", 80, NamedBy::User));
        let waiting = timeout(LOOKUP_TIMEOUT / 2, futures_util::future::join_all(all)).await;
        assert!(waiting.is_err() && asked.load(Ordering::SeqCst) == AT_ONCE);

        let _all = resolver.foreign.acquire_many(AT_ONCE.try_into().unwrap()).await.unwrap();
        let refused = resolver.resolve("slow.example", 80, NamedBy::User).await;
        assert!(matches!(refused, Err(ResolveError::Failed(_))), "{refused:?}");
        assert_eq!(asked.load(Ordering::SeqCst), AT_ONCE, "its turn never came");
        let _ = resolver.resolve("whatsapp.example", 80, NamedBy::Configuration).await;
        assert_eq!(asked.load(Ordering::SeqCst), AT_ONCE + 1);
    }

    /// Whoever names ever new hosts that nobody answers for keeps nobody from those that were reached before.
    #[tokio::test(start_paused = true)]
    async fn a_name_that_was_answered_waits_for_none_that_is_not() {
        let resolver = Resolver::new(Arc::new(|name| {
            Box::pin(async move {
                match name.as_str() {
                    "good.example" => Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))]),
                    "none.example" => Err(ResolveError::Unknown),
                    _ => std::future::pending().await,
                }
            })
        }));
        let ask = |name: &'static str| {
            let resolver = resolver.clone();
            async move { resolver.resolve(name, 80, NamedBy::User).await }
        };
        ask("good.example").await.unwrap();
        let dead: Vec<_> = (0..4 * AT_ONCE).map(|_| tokio::spawn(ask("dead.example"))).collect();
        while resolver.foreign.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let began = tokio::time::Instant::now();
        ask("good.example").await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(matches!(ask("none.example").await, Err(ResolveError::Failed(_) | ResolveError::Unknown)));
        assert!(began.elapsed() > Duration::ZERO, "a new one waits for its turn");
        for dead in dead {
            assert!(dead.await.unwrap().is_err());
        }
        assert!(!resolver.names.has("dead.example"));
    }

    #[test]
    fn names_are_remembered_until_they_fail_or_are_too_many() {
        let names = Answered::default();
        for n in 0..REMEMBERED + 10 {
            names.note(&format!("{n}.example"), true);
        }
        assert!(!names.has("0.example") && names.has("10.example"));
        names.note("10.example", false);
        assert!(!names.has("10.example"));
        for _ in 0..3 * REMEMBERED {
            names.note("flapping.example", true);
            names.note("flapping.example", false);
        }
        let held = names.names.lock();
        assert!(held.known.len() <= REMEMBERED && held.order.len() <= REMEMBERED);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error() {
        let resolver = Resolver::new(Arc::new(|_| Box::pin(async { Ok(Vec::new()) })));
        let error = resolver.resolve("none.example", 80, NamedBy::User).await.unwrap_err();
        assert_eq!(error, ResolveError::Unknown);
    }
}
