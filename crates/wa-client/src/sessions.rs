use bytes::Bytes;
use wa_signal::Session;
use wa_store::{DeviceAddress, Store, StoreError};

use crate::cache::Cache;

/// How many send counters one stored record reserves: so many messages leave without a write
/// (PROTOCOL.md 10).
const LEASE: u32 = 64;

/// The Signal sessions in use, and which of them differ from what is stored.
///
/// While a session is in here, this copy is the truth. It is dropped without a trace when a batch that changed
/// it could not be recorded: what is stored skips every counter that may have been used.
#[derive(Debug)]
pub(crate) struct Sessions {
    entries: Cache<DeviceAddress, Entry>,
    changed: Vec<DeviceAddress>,
}

#[derive(Debug)]
struct Entry {
    /// `None`: deleted, though the store may not know it yet.
    session: Option<Session>,
    changed: bool,
    /// Whether the stored record reserves counters that are not used yet.
    leased: bool,
}

impl Sessions {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Cache::new(capacity), changed: Vec::new() }
    }

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
        for (address, record) in missing.into_iter().zip(records) {
            let Some(record) = record else { continue };
            match Session::from_record(&record) {
                Ok(session) => {
                    let session = Some(session);
                    self.entries.put_for_now(address, Entry { session, changed: false, leased: false });
                }
                // A new session replaces it: the peer is asked to send again.
                Err(error) => tracing::error!(%error, "a stored session is unreadable"),
            }
        }
        Ok(())
    }

    /// The session with this device, if it has been loaded and there is one.
    pub(crate) fn get_mut(&mut self, address: &DeviceAddress) -> Option<&mut Session> {
        self.entries.get_mut(address)?.session.as_mut()
    }

    /// Whether there is such a session in memory.
    pub(crate) fn contains(&self, address: &DeviceAddress) -> bool {
        self.entries.peek(address).is_some_and(|entry| entry.session.is_some())
    }

    /// The addresses of this Signal name with a session in memory, which the store may not know yet.
    pub(crate) fn addresses(&self, name: &str) -> impl Iterator<Item = DeviceAddress> {
        let in_memory = self.entries.iter().filter(|(_, entry)| entry.session.is_some());
        in_memory.map(|(address, _)| address).filter(move |address| address.name == name).cloned()
    }

    /// Replaces a session; the change is part of the next [`Self::records`].
    pub(crate) fn put(&mut self, address: &DeviceAddress, session: Session) {
        let leased = self.entries.peek(address).is_some_and(|entry| entry.leased);
        self.entries.put_for_now(address.clone(), Entry { session: Some(session), changed: false, leased });
        self.changed.retain(|changed| changed != address);
        self.mark(address);
    }

    /// Marks a session as changed.
    pub(crate) fn mark(&mut self, address: &DeviceAddress) {
        if let Some(entry) = self.entries.peek_mut(address)
            && !entry.changed
        {
            entry.changed = true;
            self.changed.push(address.clone());
        }
    }

    /// Deletes a session, here and with the next [`Self::records`] in the store.
    pub(crate) fn delete(&mut self, address: &DeviceAddress) -> Option<Session> {
        let known = self.entries.remove(address).and_then(|entry| entry.session);
        self.entries.put_for_now(address.clone(), Entry { session: None, changed: false, leased: false });
        self.changed.retain(|changed| changed != address);
        self.mark(address);
        known
    }

    /// Whether anything differs from what is stored.
    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The records of all changed sessions, which count as stored from now on.
    pub(crate) fn records(&mut self) -> Vec<(DeviceAddress, Option<Bytes>)> {
        let changed = std::mem::take(&mut self.changed);
        let mut records = Vec::with_capacity(changed.len());
        for address in changed {
            if let Some(entry) = self.entries.peek_mut(&address) {
                entry.changed = false;
                entry.leased = true;
                records
                    .push((address, entry.session.as_mut().map(|session| session.to_record(LEASE).into())));
            }
        }
        self.trim();
        records
    }

    /// Empties the memory; the records returned give back the counters that were reserved and not used.
    pub(crate) fn release(&mut self) -> Vec<(DeviceAddress, Option<Bytes>)> {
        self.changed.clear();
        let mut records = Vec::new();
        for (address, mut entry) in self.entries.take() {
            if entry.leased || entry.changed {
                records.push((address, entry.session.as_mut().map(|session| session.to_record(0).into())));
            }
        }
        records
    }

    /// Keeps to the capacity. A stored lease of a session that leaves only costs the skip of its unused rest;
    /// changed ones stay.
    fn trim(&mut self) {
        self.entries.trim(|entry| !entry.changed);
    }
}
