//! Large answers that are under way: each holds a page in memory until it is read.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::http::StatusCode;
use parking_lot::Mutex;
use storage::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Large answers to one user at once: enough for every client that reads, and no more than a few pages of memory for one
/// that doesn't.
const PER_USER: usize = 6;
/// When a client that reads its answers may ask again.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts the large answers of each user.
#[derive(Default)]
pub(crate) struct Answers {
    by_user: Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

/// One of them; it ends when this is dropped.
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
    _all: Arc<Semaphore>,
}

impl Answers {
    /// Begins one.
    ///
    /// # Errors
    /// 429 when as many are under way as may be.
    pub(crate) fn begin(&self, user: UserId) -> Result<Share, ApiError> {
        let all = self.of(user);
        let permit = Arc::clone(&all).try_acquire_owned().map_err(|_| too_many())?;
        Ok(Share { _permit: permit, _all: all })
    }

    fn of(&self, user: UserId) -> Arc<Semaphore> {
        let mut by_user = self.by_user.lock();
        if let Some(known) = by_user.get(&user).and_then(Weak::upgrade) {
            return known;
        }
        by_user.retain(|_, all| all.strong_count() > 0);
        let all = Arc::new(Semaphore::new(PER_USER));
        by_user.insert(user, Arc::downgrade(&all));
        all
    }
}

fn too_many() -> ApiError {
    let message = "Too many large answers are under way to you: read them first, or ask for less at a time.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).with_retry_after(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_few_and_others_have_theirs() {
        let (answers, zoe, max) = (Answers::default(), UserId::generate(), UserId::generate());
        let held: Vec<_> = (0..PER_USER).map(|_| answers.begin(zoe).unwrap()).collect();
        assert!(answers.begin(zoe).is_err());
        assert!(answers.begin(max).is_ok());
        drop(held);
        assert!(answers.begin(zoe).is_ok());
    }
}
