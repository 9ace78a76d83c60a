//! The store of one companion: `wa_store::Store` on the shared database.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use diesel::SqliteConnection;
use storage::InstanceId;
use wa_binary::Jid;
use wa_store::{
    AddressBook, Changes, Commit, Device, DeviceAddress, DeviceList, SenderKeyName, SentMessage, SignalStore,
    Store, StoreError,
};

use crate::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::instances;
use crate::seal::{Place, Sealer};

mod changes;
mod load;
mod sent;

pub(crate) use changes::wipe;
pub(crate) use sent::prune as prune_sent;

/// Reads and writes the records of one instance's companion.
#[derive(Clone)]
pub(crate) struct CompanionStore {
    database: SqliteDatabase,
    companion: Arc<Companion>,
}

/// What reads on other threads need.
struct Companion {
    instance: InstanceId,
    sealer: Sealer,
    /// `instances.key`, once looked up. It stays right: keys are never used again.
    key: OnceLock<i64>,
}

impl CompanionStore {
    pub(crate) fn new(database: SqliteDatabase, instance: InstanceId, sealer: Sealer) -> Self {
        Self { database, companion: Arc::new(Companion { instance, sealer, key: OnceLock::new() }) }
    }

    /// Runs a read with the instance's key.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, i64, &Sealer) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let companion = Arc::clone(&self.companion);
        let read = self.database.read(move |db| {
            let key = companion.key(db)?;
            work(db, key, &companion.sealer)
        });
        Ok(read.await?)
    }
}

impl Companion {
    fn key(&self, db: &mut SqliteConnection) -> Result<i64, Fault> {
        use diesel::prelude::*;
        if let Some(key) = self.key.get() {
            return Ok(*key);
        }
        let row =
            instances::table.filter(instances::id.eq(&self.instance.as_bytes()[..])).select(instances::key);
        let key = row.first(db).optional()?.ok_or(Fault::NotFound("instance"))?;
        Ok(*self.key.get_or_init(|| key))
    }
}

#[async_trait]
impl SignalStore for CompanionStore {
    async fn sessions(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = addresses.to_vec();
        self.read(move |db, key, sealer| load::sessions(db, key, sealer, &addresses)).await
    }

    async fn identities(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = addresses.to_vec();
        self.read(move |db, key, _| load::identities(db, key, &addresses)).await
    }

    async fn addresses(&self, name: &str) -> Result<Vec<DeviceAddress>, StoreError> {
        let name = name.to_owned();
        self.read(move |db, key, _| load::addresses(db, key, &name)).await
    }

    async fn prekey(&self, id: u32) -> Result<Option<[u8; 32]>, StoreError> {
        self.read(move |db, key, sealer| load::prekey(db, key, sealer, id)).await
    }

    async fn prekeys(&self, from_id: u32, limit: usize) -> Result<Vec<(u32, [u8; 32])>, StoreError> {
        self.read(move |db, key, sealer| load::prekeys(db, key, sealer, from_id, limit)).await
    }

    async fn prekey_count(&self) -> Result<usize, StoreError> {
        self.read(|db, key, _| load::prekey_count(db, key)).await
    }

    async fn sender_key(&self, name: &SenderKeyName) -> Result<Option<Bytes>, StoreError> {
        let name = name.clone();
        self.read(move |db, key, sealer| load::sender_key(db, key, sealer, &name)).await
    }
}

#[async_trait]
impl AddressBook for CompanionStore {
    async fn lid_of(&self, pn_user: &str) -> Result<Option<String>, StoreError> {
        let pn = pn_user.to_owned();
        self.read(move |db, key, _| load::lid_of(db, key, &pn)).await
    }

    async fn pn_of(&self, lid_user: &str) -> Result<Option<String>, StoreError> {
        let lid = lid_user.to_owned();
        self.read(move |db, key, _| load::pn_of(db, key, &lid)).await
    }

    async fn device_lists(&self, users: &[Jid]) -> Result<Vec<Option<DeviceList>>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let users: Vec<_> = users.iter().map(Jid::to_string).collect();
        self.read(move |db, key, _| load::device_lists(db, key, &users)).await
    }
}

#[async_trait]
impl Store for CompanionStore {
    async fn device(&self) -> Result<Option<Device>, StoreError> {
        self.read(load::device).await
    }

    async fn sent_message(&self, chat: &Jid, id: &str) -> Result<Option<SentMessage>, StoreError> {
        let (chat, id) = (chat.clone(), id.to_owned());
        self.read(move |db, key, _| sent::load(db, key, chat, &id)).await
    }

    /// Seals on the caller's thread, so that the writing thread only writes.
    fn commit(&self, changes: Changes) -> Commit {
        let instance = self.companion.instance;
        match changes::seal(changes, &self.companion.sealer) {
            Ok(sealed) => self.database.shared.queue.commit(move |tx| changes::store(tx, instance, &sealed)),
            Err(fault) => Box::pin(std::future::ready(Err(fault.into()))),
        }
    }
}

/// Where each kind of record is sealed to. The key of the sealer is the instance's, so the row needs no instance.
mod place {
    use super::{DeviceAddress, Place, Sealer, SenderKeyName};
    use crate::fault::Fault;

    type Sealed = Result<Vec<u8>, Fault>;
    type Opened = Result<zeroize::Zeroizing<Vec<u8>>, Fault>;

    pub(super) fn with_session<T>(address: &DeviceAddress, f: impl FnOnce(&Place<'_>) -> T) -> T {
        let device = address.device.to_be_bytes();
        f(&Place { column: "sessions.record", row: &[address.name.as_bytes(), &device] })
    }

    pub(super) fn with_sender_key<T>(name: &SenderKeyName, f: impl FnOnce(&Place<'_>) -> T) -> T {
        let device = name.sender.device.to_be_bytes();
        let row: &[&[u8]] = &[name.group.as_bytes(), name.sender.name.as_bytes(), &device];
        f(&Place { column: "sender_keys.record", row })
    }

    pub(super) fn seal_prekey(sealer: &Sealer, id: u32, key: &[u8]) -> Sealed {
        sealer.seal(&Place { column: "prekeys.private_key", row: &[&id.to_be_bytes()] }, key)
    }

    pub(super) fn open_prekey(sealer: &Sealer, id: u32, sealed: &[u8]) -> Opened {
        sealer.open(&Place { column: "prekeys.private_key", row: &[&id.to_be_bytes()] }, sealed)
    }

    pub(super) const DEVICE: Place<'static> = Place { column: "companions.record", row: &[] };
}
