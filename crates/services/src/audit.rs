//! Who did what, from where.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use storage::{Actor, AuditAction, AuditEntry, InstanceId, Storage, UserId};
use tokio::time::Instant;

use crate::clock::now;

/// Failed logins that are kept in [`PERIOD`]: whoever guesses from many addresses fills the log no faster. Those beyond are
/// counted in the next one that is kept.
const FAILURES: u32 = 60;
const PERIOD: Duration = Duration::from_secs(60);

/// Keeps the audit log. Clones are the same service.
#[derive(Clone)]
pub(crate) struct AuditService {
    storage: Arc<dyn Storage>,
    failures: Arc<Mutex<Failures>>,
}

/// Failed logins of late.
struct Failures {
    since: Instant,
    kept: u32,
    left_out: u64,
}

impl AuditService {
    /// A log in this store.
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        let failures = Failures { since: Instant::now(), kept: 0, left_out: 0 };
        Self { storage, failures: Arc::new(Mutex::new(failures)) }
    }

    /// Keeps what was done: `target` is the id of what it was done to, `details` an object or `null`, without secrets. What
    /// was done stands, also where the log can't be written; then the gateway's own log says so.
    pub(crate) async fn tell(
        &self,
        actor: Actor,
        action: AuditAction,
        target: Option<String>,
        details: Value,
    ) {
        if let Err(error) = self.storage.audit(entry(actor, action, target, details)).await {
            tracing::warn!(%error, %action, "the audit log can't be written");
        }
    }

    /// Keeps what somebody has done to an instance.
    pub(crate) async fn did(&self, actor: Actor, action: AuditAction, id: InstanceId, details: Value) {
        self.tell(actor, action, Some(id.to_string()), details).await;
    }

    /// Keeps that a login failed, unless too many did lately.
    pub(crate) async fn tell_failure(&self, actor: Actor, target: Option<String>, cause: &str) {
        let Some(left_out) = self.failures.lock().admit(Instant::now()) else { return };
        let mut details = serde_json::json!({ "cause": cause });
        if left_out > 0 {
            details["leftOut"] = left_out.into();
        }
        self.tell(actor, AuditAction::LoginFailed, target, details).await;
    }
}

impl std::fmt::Debug for AuditService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditService").finish_non_exhaustive()
    }
}

/// A user with their own credential, who comes from this address.
pub(crate) fn actor(user: UserId, from: IpAddr) -> Actor {
    Actor { user: Some(user), key: None, address: Some(from.to_canonical()) }
}

/// What is to be kept of something that is done now.
pub(crate) fn entry(actor: Actor, action: AuditAction, target: Option<String>, details: Value) -> AuditEntry {
    AuditEntry { at: now(), actor, action, target, details: details.into() }
}

impl Failures {
    /// How many were left out before this one, if it is kept.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if now - self.since >= PERIOD {
            (self.since, self.kept) = (now, 0);
        }
        if self.kept >= FAILURES {
            self.left_out += 1;
            return None;
        }
        self.kept += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guesser_fills_the_log_no_faster_than_is_allowed() {
        let now = Instant::now();
        let mut failures = Failures { since: now, kept: 0, left_out: 0 };
        for _ in 0..FAILURES {
            assert_eq!(failures.admit(now), Some(0));
        }
        assert_eq!((failures.admit(now), failures.admit(now)), (None, None));
        assert_eq!(failures.admit(now + PERIOD), Some(2));
        assert_eq!(failures.admit(now + PERIOD), Some(0));
    }
}
