//! Test calls under way: each holds a connection to wherever a user likes, for as long as the receiver does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::UserId;

use crate::error::ServiceError;

/// Test calls of all users at once.
const ALL: usize = 32;
/// Test calls of one user at once.
const PER_USER: usize = 4;
/// When another one makes sense.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts them.
#[derive(Default)]
pub(super) struct Trials {
    by_user: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// One of them; it ends when this is dropped.
pub(super) struct Trial {
    by_user: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl Trials {
    /// Begins one.
    ///
    /// # Errors
    /// `RateLimited` when there are as many as may be.
    pub(super) fn begin(&self, user: UserId) -> Result<Trial, ServiceError> {
        let mut by_user = self.by_user.lock();
        let all: usize = by_user.values().sum();
        let own = by_user.entry(user).or_default();
        if all >= ALL || *own >= PER_USER {
            return Err(ServiceError::RateLimited { retry_after: PAUSE });
        }
        *own += 1;
        Ok(Trial { by_user: Arc::clone(&self.by_user), user })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut by_user = self.by_user.lock();
        match by_user.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_user.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_few_and_others_have_theirs() {
        let (trials, zoe) = (Trials::default(), UserId::generate());
        let held: Vec<_> = (0..PER_USER).map(|_| trials.begin(zoe).ok().unwrap()).collect();
        assert!(trials.begin(zoe).is_err() && trials.begin(UserId::generate()).is_ok());
        drop(held);
        assert!(trials.begin(zoe).is_ok());
        assert!(trials.by_user.lock().is_empty());
    }
}
