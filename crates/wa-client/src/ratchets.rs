use std::hash::Hash;

use bytes::Bytes;
use wa_signal::sender_key::SenderKeyRecord;
use wa_signal::{RecordError, Session};
use wa_store::{DeviceAddress, SenderKeyName, Store, StoreError};

use crate::cache::Cache;

/// How many send counters one stored record reserves: so many messages leave without a write
/// (PROTOCOL.md 10).
const LEASE: u32 = 64;

/// The Signal sessions in use.
pub(crate) type Sessions = Ratchets<DeviceAddress, Session>;

/// The sender keys of groups in use, own ones and others'.
pub(crate) type SenderKeys = Ratchets<SenderKeyName, SenderKeyRecord>;

/// Ratchets in memory, and which of them differ from what is stored.
///
/// While a ratchet is in here, this copy is the truth. It is dropped without a trace when a batch that changed
/// it could not be recorded: what is stored skips every counter that may have been used.
#[derive(Debug)]
pub(crate) struct Ratchets<N: Hash + Eq, R> {
    entries: Cache<N, Entry<R>>,
    changed: Vec<N>,
}

#[derive(Debug)]
struct Entry<R> {
    /// `None`: deleted, though the store may not know it yet.
    ratchet: Option<R>,
    changed: bool,
    /// Whether the stored record reserves counters that are not used yet.
    leased: bool,
}

/// What is kept as one record.
pub(crate) trait Ratchet: Sized {
    /// The record, with so many send counters reserved.
    fn to_record(&mut self, lease: u32) -> Vec<u8>;
    fn from_record(record: &[u8]) -> Result<Self, RecordError>;
}

impl Ratchet for Session {
    fn to_record(&mut self, lease: u32) -> Vec<u8> {
        self.to_record(lease)
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        Self::from_record(record)
    }
}

impl Ratchet for SenderKeyRecord {
    fn to_record(&mut self, lease: u32) -> Vec<u8> {
        self.to_record(lease)
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        Self::from_record(record)
    }
}

impl Sessions {
    /// Brings those of these sessions that exist into memory, with one read.
    pub(crate) async fn load(
        &mut self,
        store: &Store,
        addresses: &[DeviceAddress],
    ) -> Result<(), StoreError> {
        self.trim();
        let missing: Vec<_> =
            addresses.iter().filter(|address| !self.entries.contains(address)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let records = store.sessions(&missing).await?;
        missing.into_iter().zip(records).for_each(|(address, record)| self.take_in(address, record));
        Ok(())
    }

    /// The addresses of this Signal name with a session in memory, which the store may not know yet.
    pub(crate) fn addresses(&self, name: &str) -> impl Iterator<Item = DeviceAddress> {
        let in_memory = self.entries.iter().filter(|(_, entry)| entry.ratchet.is_some());
        in_memory.map(|(address, _)| address).filter(move |address| address.name == name).cloned()
    }
}

impl SenderKeys {
    /// Brings this key into memory, if it exists.
    pub(crate) async fn load(&mut self, store: &Store, name: &SenderKeyName) -> Result<(), StoreError> {
        self.trim();
        if !self.entries.contains(name) {
            let record = store.sender_key(name).await?;
            self.take_in(name.clone(), record);
        }
        Ok(())
    }
}

impl<N: Hash + Eq + Clone, R: Ratchet> Ratchets<N, R> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Cache::new(capacity), changed: Vec::new() }
    }

    fn take_in(&mut self, name: N, record: Option<Bytes>) {
        let Some(record) = record else { return };
        match R::from_record(&record) {
            Ok(ratchet) => {
                let entry = Entry { ratchet: Some(ratchet), changed: false, leased: false };
                self.entries.put_for_now(name, entry);
            }
            // A new one replaces it: the peer is asked to send again.
            Err(error) => tracing::error!(%error, "a stored ratchet is unreadable"),
        }
    }

    /// The ratchet with this name, if it has been loaded and there is one.
    pub(crate) fn get_mut(&mut self, name: &N) -> Option<&mut R> {
        self.entries.get_mut(name)?.ratchet.as_mut()
    }

    /// Whether there is such a ratchet in memory.
    pub(crate) fn contains(&self, name: &N) -> bool {
        self.entries.peek(name).is_some_and(|entry| entry.ratchet.is_some())
    }

    /// Replaces a ratchet; the change is part of the next [`Self::records`].
    pub(crate) fn put(&mut self, name: &N, ratchet: R) {
        let leased = self.entries.peek(name).is_some_and(|entry| entry.leased);
        self.entries.put_for_now(name.clone(), Entry { ratchet: Some(ratchet), changed: false, leased });
        self.changed.retain(|changed| changed != name);
        self.mark(name);
    }

    /// Marks a ratchet as changed.
    pub(crate) fn mark(&mut self, name: &N) {
        if let Some(entry) = self.entries.peek_mut(name)
            && !entry.changed
        {
            entry.changed = true;
            self.changed.push(name.clone());
        }
    }

    /// Deletes a ratchet, here and with the next [`Self::records`] in the store.
    pub(crate) fn delete(&mut self, name: &N) -> Option<R> {
        let known = self.entries.remove(name).and_then(|entry| entry.ratchet);
        self.entries.put_for_now(name.clone(), Entry { ratchet: None, changed: false, leased: false });
        self.changed.retain(|changed| changed != name);
        self.mark(name);
        known
    }

    /// Whether anything differs from what is stored.
    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The records of all changed ratchets, which count as stored from now on.
    pub(crate) fn records(&mut self) -> Vec<(N, Option<Bytes>)> {
        let changed = std::mem::take(&mut self.changed);
        let mut records = Vec::with_capacity(changed.len());
        for name in changed {
            if let Some(entry) = self.entries.peek_mut(&name) {
                entry.changed = false;
                entry.leased = true;
                records.push((name, entry.ratchet.as_mut().map(|ratchet| ratchet.to_record(LEASE).into())));
            }
        }
        self.trim();
        records
    }

    /// Empties the memory; the records returned give back the counters that were reserved and not used.
    pub(crate) fn release(&mut self) -> Vec<(N, Option<Bytes>)> {
        self.changed.clear();
        let mut records = Vec::new();
        for (name, mut entry) in self.entries.take() {
            if entry.leased || entry.changed {
                records.push((name, entry.ratchet.as_mut().map(|ratchet| ratchet.to_record(0).into())));
            }
        }
        records
    }

    /// Keeps to the capacity. A stored lease of a ratchet that leaves only costs the skip of its unused rest;
    /// changed ones stay.
    fn trim(&mut self) {
        self.entries.trim(|entry| !entry.changed);
    }
}
