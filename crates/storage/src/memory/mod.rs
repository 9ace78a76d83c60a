use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::{
    AmendTarget, Change, Clock, Delivery, Epoch, Event, Instance, InstanceId, Message, Missing, NodeId,
    SecretText, StorageError, StoredClaim, Timestamp, User, UserId, Webhook, Write,
};

mod claims;
mod deliveries;
mod events;
mod instances;
mod leases;
mod messages;
mod prune;
mod record;
mod users;
mod webhooks;

/// The reference store: everything in memory, lost with the process. For tests and experiments. Clones share their
/// tables, as two handles on one database do.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    tables: Arc<Mutex<Tables>>,
    clock: Clock,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store in which it is as late as the clock says.
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock()
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
    instances: BTreeMap<InstanceId, InstanceTables>,
    /// Until when each node's lease is good.
    nodes: HashMap<NodeId, Timestamp>,
    /// By scope and key; removed together with the instance.
    claims: HashMap<(String, String), (InstanceId, StoredClaim)>,
    settings: HashMap<String, SecretText>,
}

/// An instance and everything that belongs to it.
struct InstanceTables {
    instance: Instance,
    epoch: Epoch,
    /// The node that holds it, if one does.
    node: Option<NodeId>,
    /// Who held it, and was not told yet that another node has taken it.
    lost_by: Option<NodeId>,
    /// Since when only its companion's credentials are left.
    buried_at: Option<Timestamp>,
    /// By name.
    webhooks: BTreeMap<String, Webhook>,
    /// In the order they were stored in.
    messages: BTreeMap<u64, Message>,
    /// Keys of `messages` by WhatsApp's message id, ascending.
    by_message_id: HashMap<String, Vec<u64>>,
    /// Changes that wait for their message, in the order they came in.
    early: Vec<EarlyChange>,
    /// Ascending by `seq`.
    events: Vec<Event>,
    /// By the consumer's name.
    cursors: HashMap<String, i64>,
    /// By the consumer's name and `seq`.
    deliveries: BTreeMap<(String, i64), Delivery>,
}

/// A change that came before the message that it is about.
struct EarlyChange {
    target: AmendTarget,
    change: Change,
    at: Timestamp,
}

impl Tables {
    fn instance(&self, id: InstanceId) -> Result<&InstanceTables, StorageError> {
        self.instances.get(&id).ok_or(NO_INSTANCE)
    }

    fn instance_mut(&mut self, id: InstanceId) -> Result<&mut InstanceTables, StorageError> {
        self.instances.get_mut(&id).ok_or(NO_INSTANCE)
    }

    fn owned(&self, owner: UserId, id: InstanceId) -> Result<&InstanceTables, StorageError> {
        self.instance(id).ok().filter(|tables| tables.instance.owner == owner).ok_or(NO_INSTANCE)
    }

    fn owned_mut(&mut self, owner: UserId, id: InstanceId) -> Result<&mut InstanceTables, StorageError> {
        self.owned(owner, id)?;
        self.instance_mut(id)
    }
}

impl InstanceTables {
    fn last_seq(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    /// The instance as queries show it.
    fn view(&self) -> Instance {
        let last_activity = self.events.last().map(|event| event.timestamp);
        Instance { last_activity, ..self.instance.clone() }
    }
}

const NO_INSTANCE: StorageError = StorageError::NotFound { what: Missing::Instance };

#[cfg(test)]
mod tests {
    use crate::conformance::MemoryBackend;

    crate::conformance_tests!(MemoryBackend::default());
}
