//! Work that is heavy for everybody: one at a time for each user, and for a few users at once, in their order.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use storage::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gives turns. Clones give the same ones.
#[derive(Clone)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    by_user: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

/// A turn, which ends when it is dropped. The first field is dropped first: another user is next before this one is.
pub(crate) struct Turn {
    _among_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Turns {
    /// For so many users at once.
    pub(crate) fn of(users: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(users)), by_user: Arc::default() }
    }

    /// Waits for a turn of this user. `None` can't happen: nobody closes them.
    pub(crate) async fn wait(&self, user: UserId) -> Option<Turn> {
        // Of each user one waits among all, so that who asks a hundred times stands in nobody's way.
        let own = self.of_user(user).acquire_owned().await.ok()?;
        let among_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _among_all: among_all, _own: own })
    }

    fn of_user(&self, user: UserId) -> Arc<Semaphore> {
        let mut by_user = self.by_user.lock();
        if let Some(known) = by_user.get(&user).and_then(Weak::upgrade) {
            return known;
        }
        // Those whom nobody holds any more; permits and those who wait hold theirs.
        by_user.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(1));
        by_user.insert(user, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_user_has_one_at_a_time_and_others_come_between() {
        let (turns, zoe, max, eve) =
            (Turns::of(2), UserId::generate(), UserId::generate(), UserId::generate());
        let first = turns.wait(zoe).await.unwrap();
        let mut again: Vec<_> = (0..10).map(|_| Box::pin(turns.wait(zoe))).collect();
        assert!(again.iter_mut().all(|wait| wait.now_or_never().is_none()), "there is one");
        let maxs = turns.wait(max).now_or_never().expect("a turn beside it").unwrap();
        let mut late = Box::pin(turns.wait(eve));
        assert!((&mut late).now_or_never().is_none(), "two have theirs");
        drop(first);
        let eves = late.now_or_never().expect("before the one who has had a turn").unwrap();
        assert!(again[0].as_mut().now_or_never().is_none());
        drop((maxs, eves));
        assert!(again.remove(0).await.is_some());
        drop(again);
        drop(turns.wait(max).await);
        assert_eq!(turns.by_user.lock().len(), 1);
    }
}
