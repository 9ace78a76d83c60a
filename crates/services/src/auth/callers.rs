//! Who called lately, so that not each request asks the database.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{ScopedKey, User, UserId};
use tokio::time::Instant;

use super::{Caller, Identity};

/// A change that another process makes to a user, as `trunkline user` does, is noticed after this long; our own at once.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// Most credentials that are remembered; when there are more, all are asked again.
const CAPACITY: usize = 10_000;

/// What a credential is remembered by. Keys only as hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// A token of this user, issued under this version of the credentials.
    Token(UserId, u32),
    /// A user's own API key.
    ApiKey([u8; 32]),
    /// A scoped key.
    ScopedKey([u8; 32]),
}

/// Whom a good credential belongs to, as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    user: Arc<User>,
}

impl Known {
    pub(crate) fn new(user: User, key: Option<ScopedKey>) -> Self {
        let caller = Caller::new(user.id, user.role);
        Self { identity: Identity { caller, key: key.map(Arc::new) }, user: Arc::new(user) }
    }

    /// Whether the credential is good at this address, which is canonical.
    pub(crate) fn may_come_from(&self, address: IpAddr) -> bool {
        self.user.may_come_from(address)
    }
}

/// Callers whose credentials were found good.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    known: Mutex<HashMap<Credential, (Known, Instant)>>,
}

impl Callers {
    pub(crate) fn find(&self, credential: Credential) -> Option<Known> {
        let known = self.known.lock();
        let (found, since) = known.get(&credential)?;
        (since.elapsed() < FRESH).then(|| found.clone())
    }

    pub(crate) fn remember(&self, credential: Credential, found: Known) {
        let mut known = self.known.lock();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(credential, (found, Instant::now()));
    }

    /// The user changed: no credential is taken on trust any more.
    pub(crate) fn forget(&self, user: UserId) {
        self.known.lock().retain(|_, (known, _)| known.identity.caller.user != user);
    }
}
