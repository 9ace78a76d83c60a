use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use wa_binary::Jid;

use crate::{
    AddressBook, Changes, Commit, Device, DeviceAddress, DeviceList, SenderKeyName, SentMessage, SignalStore,
    Store, StoreError,
};

/// The reference store: everything in memory, lost with the process. For tests and experiments.
#[derive(Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

impl MemoryStore {
    /// How many sent messages are kept.
    pub const SENT_MESSAGES: usize = 1_000;

    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes are applied after all checks and can't fail half-way, so a poisoned lock still guards sound records.
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SignalStore for MemoryStore {
    async fn sessions(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let records = self.lock();
        Ok(addresses.iter().map(|address| records.sessions.get(address).cloned()).collect())
    }

    async fn identities(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        let records = self.lock();
        Ok(addresses.iter().map(|address| records.identities.get(address).copied()).collect())
    }

    async fn addresses(&self, name: &str) -> Result<Vec<DeviceAddress>, StoreError> {
        let records = self.lock();
        let all = records.sessions.keys().chain(records.identities.keys());
        let mut found: Vec<_> = all.filter(|address| address.name == name).cloned().collect();
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn prekey(&self, id: u32) -> Result<Option<[u8; 32]>, StoreError> {
        Ok(self.lock().prekeys.get(&id).copied())
    }

    async fn prekeys(&self, from_id: u32, limit: usize) -> Result<Vec<(u32, [u8; 32])>, StoreError> {
        Ok(self.lock().prekeys.range(from_id..).take(limit).map(|(id, key)| (*id, *key)).collect())
    }

    async fn prekey_count(&self) -> Result<usize, StoreError> {
        Ok(self.lock().prekeys.len())
    }

    async fn sender_key(&self, name: &SenderKeyName) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock().sender_keys.get(name).cloned())
    }
}

#[async_trait]
impl AddressBook for MemoryStore {
    async fn lid_of(&self, pn_user: &str) -> Result<Option<String>, StoreError> {
        Ok(self.lock().lids.get(pn_user).map(ToString::to_string))
    }

    async fn pn_of(&self, lid_user: &str) -> Result<Option<String>, StoreError> {
        Ok(self.lock().pns.get(lid_user).map(ToString::to_string))
    }

    async fn device_lists(&self, users: &[Jid]) -> Result<Vec<Option<DeviceList>>, StoreError> {
        let records = self.lock();
        Ok(users.iter().map(|user| records.device_lists.get(user).cloned()).collect())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn device(&self) -> Result<Option<Device>, StoreError> {
        Ok(self.lock().device.clone())
    }

    async fn sent_message(&self, chat: &Jid, id: &str) -> Result<Option<SentMessage>, StoreError> {
        let records = self.lock();
        Ok(records.sent_messages.iter().find(|sent| sent.chat == *chat && sent.id == id).cloned())
    }

    fn commit(&self, changes: Changes) -> Commit {
        self.lock().apply(changes);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[derive(Default)]
struct Records {
    device: Option<Device>,
    sessions: HashMap<DeviceAddress, Bytes>,
    identities: HashMap<DeviceAddress, [u8; 32]>,
    prekeys: BTreeMap<u32, [u8; 32]>,
    sender_keys: HashMap<SenderKeyName, Bytes>,
    /// LID user by phone number user.
    lids: HashMap<CompactString, CompactString>,
    /// The same pairs the other way round.
    pns: HashMap<CompactString, CompactString>,
    device_lists: HashMap<Jid, DeviceList>,
    /// Oldest first.
    sent_messages: VecDeque<SentMessage>,
}

impl Records {
    fn apply(&mut self, changes: Changes) {
        if changes.wipe {
            *self = Self::default();
        }
        if let Some(device) = changes.device {
            self.device = Some(device);
        }
        put_all(&mut self.sessions, changes.sessions);
        put_all(&mut self.identities, changes.identities);
        self.prekeys.extend(changes.prekeys_added);
        for id in changes.prekeys_removed {
            self.prekeys.remove(&id);
        }
        put_all(&mut self.sender_keys, changes.sender_keys);
        for (pn, lid) in changes.lid_mappings {
            self.pair(pn, lid);
        }
        put_all(&mut self.device_lists, changes.device_lists);
        for sent in changes.sent_messages {
            self.keep_sent(sent);
        }
    }

    fn pair(&mut self, pn: CompactString, lid: CompactString) {
        if let Some(old_lid) = self.lids.get(&pn) {
            self.pns.remove(old_lid);
        }
        if let Some(old_pn) = self.pns.get(&lid) {
            self.lids.remove(old_pn);
        }
        self.lids.insert(pn.clone(), lid.clone());
        self.pns.insert(lid, pn);
    }

    fn keep_sent(&mut self, sent: SentMessage) {
        self.sent_messages.retain(|known| known.chat != sent.chat || known.id != sent.id);
        if self.sent_messages.len() >= MemoryStore::SENT_MESSAGES {
            self.sent_messages.pop_front();
        }
        self.sent_messages.push_back(sent);
    }
}

fn put_all<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, entries: Vec<(K, Option<V>)>) {
    for (key, value) in entries {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::MemoryBackend;

    crate::conformance_tests!(MemoryBackend::default());

    #[tokio::test]
    async fn a_commit_is_applied_without_being_polled() {
        let store = MemoryStore::new();
        drop(store.commit(Changes { prekeys_added: vec![(1, [1; 32])], ..Changes::default() }));
        assert_eq!(store.prekey(1).await.unwrap(), Some([1; 32]));
    }
}
