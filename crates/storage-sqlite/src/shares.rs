//! Nobody's questions keep others from the reading connections.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use storage::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Reads of one user that run, or wait for a connection, at once. With fewer than there are connections, what one user asks
/// for never occupies all of them, and it waits in no line before what others ask for.
const READS: usize = 2;
/// Users whose share is remembered although nothing of theirs is under way.
const SPARE: usize = 1_024;

/// The shares of all users that ask for something.
#[derive(Default)]
pub(crate) struct Shares {
    by_owner: Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

/// What a read holds while it runs.
pub(crate) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
    _all: Arc<Semaphore>,
}

impl Shares {
    /// Waits for the user's own reads.
    pub(crate) async fn of(&self, owner: UserId) -> Share {
        let all = self.find(owner);
        // It is never closed; if it were, the read would go ahead.
        let permit = Arc::clone(&all).acquire_owned().await.ok();
        Share { _permit: permit, _all: all }
    }

    fn find(&self, owner: UserId) -> Arc<Semaphore> {
        let mut by_owner = self.by_owner.lock();
        if let Some(known) = by_owner.get(&owner).and_then(Weak::upgrade) {
            return known;
        }
        if by_owner.len() >= SPARE {
            by_owner.retain(|_, share| share.strong_count() > 0);
        }
        let all = Arc::new(Semaphore::new(READS));
        by_owner.insert(owner, Arc::downgrade(&all));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_users_reads_wait_for_each_other_and_for_nobody_else() {
        let (shares, zoe, max) = (Shares::default(), UserId::generate(), UserId::generate());
        let is_free = async |owner| timeout(Duration::ZERO, shares.of(owner)).await.is_ok();
        let mut held = Vec::new();
        for _ in 0..READS {
            held.push(shares.of(zoe).await);
        }
        assert!(!is_free(zoe).await);
        assert!(is_free(max).await);
        drop(held);
        assert!(is_free(zoe).await);
    }
}
