use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::{
    AmendTarget, Attempt, AuditEntry, Change, Clock, Contact, Day, Delivery, DialectAccess, Epoch, Event,
    Instance, InstanceId, KeyId, MAX_EVENT_LEAD, Message, Missing, NamedConsumer, NodeId, Receipt, Scheduled,
    ScopedKey, SecretText, StorageError, StoredClaim, Timestamp, Usage, User, UserId, Webhook, Write,
};

mod attempts;
mod audit;
mod claims;
mod consumers;
mod contacts;
mod deliveries;
mod dialects;
mod events;
mod instances;
mod keys;
mod leases;
mod messages;
mod prune;
mod record;
mod scheduled;
mod search;
mod usage;
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
    /// With the hash of each.
    keys: BTreeMap<KeyId, (ScopedKey, [u8; 32])>,
    /// Ascending by place.
    audit: Vec<(i64, AuditEntry)>,
    /// The place of the newest entry that ever was.
    audit_end: i64,
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
    /// By name.
    consumers: BTreeMap<String, NamedConsumer>,
    /// In the order they were stored in.
    messages: BTreeMap<u64, Message>,
    /// Keys of `messages` by WhatsApp's message id, ascending.
    by_message_id: HashMap<String, Vec<u64>>,
    /// By their JIDs.
    contacts: BTreeMap<String, Contact>,
    /// By the dialect's name.
    dialects: BTreeMap<String, DialectAccess>,
    /// What members of groups have told of messages, by their keys.
    receipts: HashMap<u64, BTreeMap<String, Receipt>>,
    /// Messages that are to be sent later, in the order they were added in.
    scheduled: BTreeMap<i64, Scheduled>,
    /// Changes that wait for their message, in the order they came in.
    early: Vec<EarlyChange>,
    /// Ascending by `seq`.
    events: Vec<Event>,
    usage: BTreeMap<Day, Usage>,
    /// By the consumer's name.
    cursors: HashMap<String, i64>,
    /// By the consumer's name and `seq`.
    deliveries: BTreeMap<(String, i64), Delivery>,
    /// By the consumer's name, each with its number, oldest first.
    attempts: HashMap<String, Vec<(i64, Attempt)>>,
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

    /// Gives events whose time lies further in the future than [`MAX_EVENT_LEAD`], and all others in the future with them,
    /// times up to now, in their order.
    fn pull_back(&mut self, now: Timestamp) {
        if self.events.last().is_none_or(|last| last.timestamp <= now.after(MAX_EVENT_LEAD)) {
            return;
        }
        let good = self.events.partition_point(|event| event.timestamp <= now);
        let floor = good.checked_sub(1).map(|last| self.events[last].timestamp.plus_millis(1));
        let end = self.last_seq();
        for event in &mut self.events[good..] {
            let time = now.plus_millis(event.seq - end);
            event.timestamp = floor.map_or(time, |floor| floor.max(time));
        }
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
    use super::*;
    use crate::conformance::{MemoryBackend, clocks};

    crate::conformance_tests!(MemoryBackend::default());

    fn with_hand_set_clock() -> (MemoryStorage, impl Fn(Timestamp)) {
        let time = Arc::new(Mutex::new(Timestamp::default()));
        let shown = Arc::clone(&time);
        (MemoryStorage::with_clock(Clock::new(move || *shown.lock())), move |now| *time.lock() = now)
    }

    #[tokio::test]
    async fn clocks_jump() {
        let (store, set) = with_hand_set_clock();
        clocks::event_times_come_back_from_the_future(&store, set).await;
        let (store, set) = with_hand_set_clock();
        clocks::event_times_never_fall(&store, set).await;
        let (store, set) = with_hand_set_clock();
        clocks::a_lease_from_the_future_ends(&store, set).await;
    }
}
