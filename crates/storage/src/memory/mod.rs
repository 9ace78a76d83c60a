use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    Delivery, Event, Instance, InstanceId, Message, SecretText, StorageError, StoredClaim, User, UserId,
    Write,
};

mod claims;
mod deliveries;
mod events;
mod instances;
mod messages;
mod record;
mod users;

/// The reference store: everything in memory, lost with the process. For tests and experiments.
#[derive(Default)]
pub struct MemoryStorage {
    tables: Mutex<Tables>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every write checks first and then changes without failing, so a poisoned lock still guards sound tables.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a write at once and answers with its result.
    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Tables) -> Result<T, StorageError>,
    ) -> Write<T> {
        let result = write(&mut self.lock());
        Box::pin(std::future::ready(result))
    }
}

#[derive(Default)]
struct Tables {
    users: BTreeMap<UserId, User>,
    accounts: BTreeMap<InstanceId, Account>,
    /// By scope and key; removed together with the instance.
    claims: HashMap<(String, String), (InstanceId, StoredClaim)>,
    settings: HashMap<String, SecretText>,
}

/// An instance and everything that belongs to it.
struct Account {
    instance: Instance,
    messages: Vec<StoredMessage>,
    /// Positions in `messages` by WhatsApp's message id.
    by_message_id: HashMap<String, Vec<usize>>,
    /// Ascending by `seq`.
    events: Vec<Event>,
    cursors: HashMap<String, i64>,
    /// By consumer name and `seq`.
    deliveries: BTreeMap<(String, i64), Delivery>,
}

struct StoredMessage {
    message: Message,
    payload: Option<bytes::Bytes>,
}

impl Tables {
    fn account(&self, id: InstanceId) -> Result<&Account, StorageError> {
        self.accounts.get(&id).ok_or(NO_INSTANCE)
    }

    fn account_mut(&mut self, id: InstanceId) -> Result<&mut Account, StorageError> {
        self.accounts.get_mut(&id).ok_or(NO_INSTANCE)
    }

    fn owned(&self, owner: UserId, id: InstanceId) -> Result<&Account, StorageError> {
        self.account(id).ok().filter(|account| account.instance.owner == owner).ok_or(NO_INSTANCE)
    }

    fn owned_mut(&mut self, owner: UserId, id: InstanceId) -> Result<&mut Account, StorageError> {
        self.owned(owner, id)?;
        self.account_mut(id)
    }
}

impl Account {
    fn last_seq(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    /// The instance as queries show it.
    fn view(&self) -> Instance {
        let last_activity = self.events.last().map(|event| event.timestamp);
        Instance { last_activity, ..self.instance.clone() }
    }
}

const NO_INSTANCE: StorageError = StorageError::NotFound { what: "instance" };

#[cfg(test)]
mod tests {
    use crate::conformance::MemoryBackend;

    crate::conformance_tests!(MemoryBackend::default());
}
