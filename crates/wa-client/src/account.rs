use compact_str::CompactString;
use lru::LruCache;
use rand::{CryptoRng, RngExt};
use wa_binary::Jid;
use wa_crypto::{KeyPair, PrivateKey, PublicKey, Secret, Signature};
use wa_signal::{LocalIdentity, SignedPreKey};
use wa_store::{
    Changes, Device, DeviceAddress, DeviceList, SentMessage, SignedPreKeyRecord, Store, StoreError,
};

use crate::config::Config;
use crate::lid::Lids;
use crate::retry::RetryCounts;
use crate::sent::SentMessages;
use crate::sessions::Sessions;

/// Device lists kept in memory per instance; the store has all.
const CACHED_DEVICE_LISTS: usize = 256;

/// What an instance knows about itself and its peers, beyond a single connection: the device record, bounded
/// caches over the store, and the changes that are not stored yet.
pub(crate) struct Account {
    pub(crate) device: Device,
    pub(crate) local: LocalIdentity,
    pub(crate) sessions: Sessions,
    pub(crate) lids: Lids,
    pub(crate) sent: SentMessages,
    pub(crate) retries: RetryCounts,
    /// `None`: out of date, though the store may not know it yet.
    device_lists: LruCache<Jid, Option<DeviceList>>,
    /// Ride along with the next commit.
    pub(crate) changes: Changes,
    /// Whether `changes` holds something that must be stored before anything that follows from it may leave.
    urgent: bool,
}

impl Account {
    /// Reads the companion from the store, or makes a new one that is stored once it is paired.
    pub(crate) async fn load(
        store: &dyn Store,
        config: &Config,
        now: i64,
        random: &mut impl CryptoRng,
    ) -> Result<Self, StoreError> {
        let device = match store.device().await? {
            Some(device) => device,
            None => new_device(now / 1000, random),
        };
        Ok(Self::new(device, config))
    }

    fn new(device: Device, config: &Config) -> Self {
        let key = KeyPair::from_private(PrivateKey::from_bytes(device.identity_key));
        Self {
            local: LocalIdentity { key, registration_id: device.registration_id },
            device,
            sessions: Sessions::new(config.session_cache),
            lids: Lids::new(),
            sent: SentMessages::new(config.recent_sent),
            retries: RetryCounts::default(),
            device_lists: LruCache::unbounded(),
            changes: Changes::default(),
            urgent: false,
        }
    }

    /// Whether this is the own account, by phone number or LID.
    pub(crate) fn is_own_user(&self, jid: &Jid) -> bool {
        [&self.device.jid, &self.device.lid].into_iter().flatten().any(|own| own.is_same_user(jid))
    }

    /// Whether this is this very device.
    pub(crate) fn is_own_device(&self, jid: &Jid) -> bool {
        [&self.device.jid, &self.device.lid].into_iter().flatten().any(|own| own == jid)
    }

    /// The current signed prekey.
    pub(crate) fn signed_prekey(&self) -> SignedPreKey {
        signed_prekey(&self.device.signed_prekey)
    }

    /// The key pair of a signed prekey, current or rotated out.
    pub(crate) fn signed_prekey_pair(&self, id: u32) -> Option<KeyPair> {
        let record = self.device.signed_prekey_by_id(id)?;
        Some(KeyPair::from_private(PrivateKey::from_bytes(record.private_key)))
    }

    /// The device record has changed; it is stored with the next commit.
    pub(crate) fn device_changed(&mut self) {
        self.changes.device = Some(self.device.clone());
    }

    /// The changes gathered so far must be stored before the next step.
    pub(crate) fn must_commit(&mut self) {
        self.urgent = true;
    }

    /// Whether something waits that must be stored before anything else leaves.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent || self.sessions.is_changed()
    }

    /// Everything that is to be stored now.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sessions.extend(self.sessions.records());
        changes.sent_messages = self.sent.take();
        self.urgent = false;
        changes
    }

    /// Remembers a message for retry receipts.
    pub(crate) fn remember_sent(&mut self, sent: SentMessage) {
        self.sent.push(sent);
    }

    /// A session has to go, and the identity key known for it too.
    pub(crate) fn delete_session(&mut self, address: &DeviceAddress) {
        self.sessions.delete(address);
        self.changes.identities.push((address.clone(), None));
    }

    /// Records the identity key of a peer's device; a new one replaces the old one (trust on first use).
    pub(crate) fn save_identity(&mut self, address: DeviceAddress, key: &PublicKey) {
        self.changes.identities.push((address, Some(*key.as_bytes())));
    }

    /// The device lists of these users, as far as known and fresh.
    pub(crate) async fn device_lists(
        &mut self,
        store: &dyn Store,
        users: &[Jid],
        oldest: i64,
    ) -> Result<Vec<Option<DeviceList>>, StoreError> {
        let missing: Vec<_> =
            users.iter().filter(|user| !self.device_lists.contains(user)).cloned().collect();
        if !missing.is_empty() {
            let lists = store.device_lists(&missing).await?;
            for (user, list) in missing.into_iter().zip(lists) {
                if list.is_some() {
                    self.cache_device_list(user, list);
                }
            }
        }
        let mut fresh = |user| {
            let list = self.device_lists.get(user)?.as_ref();
            list.filter(|list| list.fetched_at >= oldest).cloned()
        };
        Ok(users.iter().map(&mut fresh).collect())
    }

    /// Records a user's devices.
    pub(crate) fn save_device_list(&mut self, user: Jid, list: DeviceList) {
        self.changes.device_lists.push((user.clone(), Some(list.clone())));
        self.cache_device_list(user, Some(list));
    }

    /// Forgets a user's devices, so that they are asked again.
    pub(crate) fn drop_device_list(&mut self, user: &Jid) {
        self.cache_device_list(user.clone(), None);
        self.changes.device_lists.push((user.clone(), None));
    }

    fn cache_device_list(&mut self, user: Jid, list: Option<DeviceList>) {
        self.device_lists.put(user, list);
        if self.device_lists.len() > CACHED_DEVICE_LISTS {
            self.device_lists.pop_lru();
        }
    }

    /// Learns that a phone number and a LID are the same user, and moves what is stored under the phone number
    /// to the LID, under which sessions live from now on (protocol.md 16).
    pub(crate) async fn learn_lid(
        &mut self,
        store: &dyn Store,
        pn: &Jid,
        lid: &Jid,
    ) -> Result<(), StoreError> {
        if !pn.is_pn() || !lid.is_lid() || self.lids.knows(&pn.user, &lid.user) {
            return Ok(());
        }
        let known = self.lids.lid_of(store, &pn.to_user()).await?;
        self.lids.put(&pn.user, &lid.user);
        if known.is_some_and(|known| known.user == lid.user) {
            return Ok(());
        }
        self.changes.lid_mappings.push((pn.user.clone(), lid.user.clone()));
        self.move_sessions(store, &pn.to_user(), &lid.to_user()).await
    }

    async fn move_sessions(&mut self, store: &dyn Store, pn: &Jid, lid: &Jid) -> Result<(), StoreError> {
        let old_name = pn.signal_name();
        let new_name = CompactString::from(lid.signal_name());
        let addresses = store.addresses(&old_name).await?;
        if addresses.is_empty() {
            return Ok(());
        }
        self.sessions.load(store, &addresses).await?;
        let identities = store.identities(&addresses).await?;
        for (old, identity) in addresses.into_iter().zip(identities) {
            let new = DeviceAddress::new(new_name.clone(), old.device);
            self.sessions.load(store, std::slice::from_ref(&new)).await?;
            let session = self.sessions.delete(&old);
            // What is already known under the LID is newer.
            if let Some(session) = session.filter(|_| !self.sessions.contains(&new)) {
                self.sessions.put(&new, session);
                if identity.is_some() {
                    self.changes.identities.push((new, identity));
                }
            }
            self.changes.identities.push((old, None));
        }
        Ok(())
    }

    /// Empties the caches of an idle instance; what is returned gives unused leases back and stores what waited.
    pub(crate) fn release(&mut self) -> Changes {
        let mut changes = self.take_changes();
        changes.sessions.extend(self.sessions.release());
        self.lids.forget();
        self.device_lists = LruCache::unbounded();
        changes
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("device", &self.device).finish_non_exhaustive()
    }
}

/// A signed prekey as the Signal layer uses it.
pub(crate) fn signed_prekey(record: &SignedPreKeyRecord) -> SignedPreKey {
    SignedPreKey {
        id: record.id,
        key: KeyPair::from_private(PrivateKey::from_bytes(record.private_key)),
        signature: Signature::from_bytes(record.signature),
    }
}

/// The stored form of a signed prekey.
pub(crate) fn signed_prekey_record(signed: &SignedPreKey) -> SignedPreKeyRecord {
    SignedPreKeyRecord {
        id: signed.id,
        private_key: *signed.key.private().as_bytes(),
        signature: *signed.signature.as_bytes(),
    }
}

fn new_device(now: i64, random: &mut impl CryptoRng) -> Device {
    let identity = KeyPair::generate(random);
    let local = LocalIdentity { key: identity.clone(), registration_id: random.random_range(1..=0x3fff) };
    Device {
        noise_key: *KeyPair::generate(random).private().as_bytes(),
        identity_key: *identity.private().as_bytes(),
        registration_id: local.registration_id,
        adv_secret: *Secret::<32>::generate(random).expose(),
        signed_prekey: signed_prekey_record(&SignedPreKey::generate(&local, 1, random)),
        previous_signed_prekeys: Vec::new(),
        signed_prekey_rotated_at: now,
        next_prekey_id: 1,
        first_unuploaded_prekey_id: 1,
        jid: None,
        lid: None,
        account: None,
        push_name: String::new(),
        platform: String::new(),
        business_name: None,
        routing_info: None,
        server_clock_offset: 0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use wa_signal::{Bundle, Session};
    use wa_store::{AddressBook, MemoryStore, SignalStore};

    use super::*;

    /// Device 1 of 15550001, LID 8001.
    pub(crate) fn account() -> Account {
        let mut device = new_device(0, &mut ChaCha20Rng::from_seed([1; 32]));
        device.jid = Some(Jid::pn("15550001").with_device(1));
        device.lid = Some(Jid::lid("8001").with_device(1));
        Account::new(device, &Config::default())
    }

    fn session(account: &Account) -> Session {
        let mut random = ChaCha20Rng::from_seed([2; 32]);
        let peer = LocalIdentity { key: KeyPair::generate(&mut random), registration_id: 7 };
        let signed = SignedPreKey::generate(&peer, 1, &mut random);
        let bundle = Bundle {
            registration_id: 7,
            identity: *peer.key.public(),
            signed_prekey_id: 1,
            signed_prekey: *signed.key.public(),
            signed_prekey_signature: signed.signature,
            prekey: None,
        };
        Session::initiate(&account.local, &bundle, None, &mut random).unwrap()
    }

    #[tokio::test]
    async fn sessions_move_to_the_lid_once_it_is_known() {
        let (store, mut account) = (MemoryStore::new(), account());
        let old = DeviceAddress::new("15550002", 3);
        let new = DeviceAddress::new("9002_1", 3);
        let record: Bytes = session(&account).to_record(0).into();
        let before = Changes {
            sessions: vec![(old.clone(), Some(record))],
            identities: vec![(old.clone(), Some([5; 32]))],
            ..Changes::default()
        };
        store.commit(before).await.unwrap();
        account.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
        assert!(account.sessions.contains(&new) && !account.sessions.contains(&old));
        assert!(account.is_urgent());
        store.commit(account.take_changes()).await.unwrap();
        let sessions = store.sessions(&[old.clone(), new.clone()]).await.unwrap();
        assert!(sessions[0].is_none() && sessions[1].is_some());
        assert_eq!(store.identities(&[old, new]).await.unwrap(), [None, Some([5; 32])]);
        assert_eq!(store.lid_of("15550002").await.unwrap().as_deref(), Some("9002"));
    }

    #[tokio::test]
    async fn what_is_known_under_the_lid_already_is_not_replaced() {
        let (store, mut account) = (MemoryStore::new(), account());
        let (old, new) = (DeviceAddress::new("15550002", 0), DeviceAddress::new("9002_1", 0));
        let kept = session(&account);
        let base_key = *kept.base_key();
        account.sessions.put(&new, kept);
        let mut other = account_of_somebody_else();
        account.sessions.put(&old, session(&other));
        store.commit(account.take_changes()).await.unwrap();
        account.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
        assert_eq!(account.sessions.get_mut(&new).map(|session| *session.base_key()), Some(base_key));
        assert!(!account.sessions.contains(&old));
        other.take_changes();
    }

    fn account_of_somebody_else() -> Account {
        Account::new(new_device(0, &mut ChaCha20Rng::from_seed([8; 32])), &Config::default())
    }

    #[tokio::test]
    async fn a_dropped_device_list_is_gone_before_the_store_knows() {
        let (store, mut account) = (MemoryStore::new(), account());
        let user = Jid::lid("9002");
        account.save_device_list(user.clone(), DeviceList { fetched_at: 100, ..DeviceList::default() });
        store.commit(account.take_changes()).await.unwrap();
        let users = std::slice::from_ref(&user);
        assert!(account.device_lists(&store, users, 100).await.unwrap()[0].is_some());
        assert!(account.device_lists(&store, users, 101).await.unwrap()[0].is_none(), "it is too old");
        account.drop_device_list(&user);
        assert!(account.device_lists(&store, users, 0).await.unwrap()[0].is_none());
        assert!(!account.is_urgent());
    }

    #[tokio::test]
    async fn a_deleted_session_stays_deleted_before_the_store_knows() {
        let (store, mut account) = (MemoryStore::new(), account());
        let address = DeviceAddress::new("9002_1", 0);
        let fresh = session(&account);
        account.sessions.put(&address, fresh);
        store.commit(account.take_changes()).await.unwrap();
        account.delete_session(&address);
        account.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
        assert!(!account.sessions.contains(&address) && account.is_urgent());
        store.commit(account.take_changes()).await.unwrap();
        assert_eq!(store.sessions(&[address]).await.unwrap(), [None]);
    }

    #[tokio::test]
    async fn released_sessions_give_unused_counters_back() {
        let (store, mut account) = (MemoryStore::new(), account());
        let address = DeviceAddress::new("9002_1", 0);
        let mut fresh = session(&account);
        let mut twin = fresh.clone();
        fresh.encrypt(&account.local, b"one").unwrap();
        account.sessions.put(&address, fresh);
        store.commit(account.take_changes()).await.unwrap();
        store.commit(account.release()).await.unwrap();
        account.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
        let next = account.sessions.get_mut(&address).unwrap().encrypt(&account.local, b"two").unwrap();
        twin.encrypt(&account.local, b"one").unwrap();
        assert_eq!(next, twin.encrypt(&account.local, b"two").unwrap(), "no counter was skipped");
    }

    #[test]
    fn a_new_device_has_a_sound_signed_prekey() {
        let account = account();
        let signed = account.signed_prekey();
        let key = account.local.key.public();
        assert!(key.verify(&[&signed.key.public().to_signal()], &signed.signature).is_ok());
        assert!(account.is_own_device(&Jid::pn("15550001").with_device(1)));
        assert!(account.is_own_user(&Jid::lid("8001")) && !account.is_own_user(&Jid::lid("9002")));
    }
}
