//! Names to addresses.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Asks for the addresses of a name.
pub type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Looks names up, a few at a time. Clones share the bound.
#[derive(Clone)]
pub struct Resolver {
    lookup: Arc<Lookup>,
    permits: Arc<Semaphore>,
}

/// Look-ups under way at once: the system's resolver takes a thread for each, and a name server that doesn't answer must not
/// take all of them.
const AT_ONCE: usize = 64;
/// How long one may take, the wait for its turn included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

impl Resolver {
    /// The system's resolver.
    pub fn system() -> Self {
        let system = |name: String| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        };
        Self::new(Arc::new(system))
    }

    /// Another one; the ports of what it answers don't matter.
    pub fn new(lookup: Arc<Lookup>) -> Self {
        Self { lookup, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The addresses of a name with this port; at least one.
    ///
    /// # Errors
    /// When the resolver fails, takes too long, or knows none.
    pub(crate) async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let looking = async {
            let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
            (self.lookup)(name.to_owned()).await
        };
        let found = timeout(LOOKUP_TIMEOUT, looking).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
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

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_never_answers_is_given_up() {
        let resolver = Resolver::new(Arc::new(|_| Box::pin(std::future::pending())));
        let error = resolver.resolve("slow.example", 80).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_looked_up_at_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let resolver = Resolver::new(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        }));
        let all = (0..2 * AT_ONCE).map(|_| resolver.resolve("slow.example", 80));
        let waiting = timeout(LOOKUP_TIMEOUT / 2, futures_util::future::join_all(all)).await;
        assert!(waiting.is_err() && asked.load(Ordering::SeqCst) == AT_ONCE);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error() {
        let resolver = Resolver::new(Arc::new(|_| Box::pin(async { Ok(Vec::new()) })));
        let error = resolver.resolve("none.example", 80).await.unwrap_err();
        assert_eq!(error.to_string(), "the name has no address");
    }
}
