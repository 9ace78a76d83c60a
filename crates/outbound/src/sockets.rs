//! How many sockets HTTP clients have open, kept connections included: each holds a descriptor that others need.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a connection waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A number of sockets that several clients share. Clones are the same.
#[derive(Clone, Debug)]
pub struct Sockets {
    places: Arc<Semaphore>,
}

/// The place of a socket, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Sockets {
    /// So many at once.
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))) }
    }

    /// A place for a socket that is about to be opened.
    ///
    /// # Errors
    /// `ResourceBusy`, which says nothing about where it leads.
    pub(crate) async fn take(&self) -> io::Result<Place> {
        match timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _ => Err(io::Error::new(io::ErrorKind::ResourceBusy, "too many sockets are open")),
        }
    }
}

/// As many as the system gives.
impl Default for Sockets {
    fn default() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_place_waits_for_one_and_then_not_any_more() {
        let sockets = Sockets::new(1);
        let first = sockets.take().await.unwrap();
        let refused = sockets.take().await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        let waiting = tokio::spawn({
            let sockets = sockets.clone();
            async move { sockets.take().await }
        });
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
        assert!(waiting.await.unwrap().is_ok());
    }
}
