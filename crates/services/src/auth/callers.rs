//! Who called lately, so that not each request asks the database.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use storage::UserId;
use tokio::time::Instant;

use super::Caller;

/// A change that another process makes to a user, as `trunkline user` does, is noticed after this long; our own at once.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// Most credentials that are remembered; when there are more, all are asked again.
const CAPACITY: usize = 10_000;

/// What a credential is remembered by. API keys only as hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// A token of this user, issued under this version of the credentials.
    Token(UserId, u32),
    ApiKey([u8; 32]),
}

/// Callers whose credentials were found good.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    known: Mutex<HashMap<Credential, (Caller, Instant)>>,
}

impl Callers {
    pub(crate) fn find(&self, credential: Credential) -> Option<Caller> {
        let (caller, since) = *self.known.lock().get(&credential)?;
        (since.elapsed() < FRESH).then_some(caller)
    }

    pub(crate) fn remember(&self, credential: Credential, caller: Caller) {
        let mut known = self.known.lock();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(credential, (caller, Instant::now()));
    }

    /// The user changed: no credential is taken on trust any more.
    pub(crate) fn forget(&self, user: UserId) {
        self.known.lock().retain(|_, (caller, _)| caller.user != user);
    }
}
