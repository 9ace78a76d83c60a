use bytes::Bytes;
use compact_str::CompactString;
use rand::{CryptoRng, RngExt};
use tokio::task::JoinHandle;
use wa_binary::{Jid, Server};
use wa_crypto::{KeyPair, PrivateKey, PublicKey, Secret, Signature};
use wa_signal::{LocalIdentity, PreKey, SignedPreKey};
use wa_store::{
    Alias, Changes, Device, DeviceAddress, DeviceList, IdentityChange, IdentityChangeKind, LidMigration,
    Limits, SentMessage, SignedPreKeyRecord, Store, StoreError,
};

use crate::alias::Aliases;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::Event;
use crate::inbox::{self, Inbox, Record};
use crate::lid::Lids;
use crate::missed::Missed;
use crate::request::Person;
use crate::retry::RetryCounts;
use crate::sent::RecentlySent;
use crate::sessions::Sessions;
use crate::tokens::Tokens;

/// Device lists kept in memory per companion; the store has all.
const CACHED_DEVICE_LISTS: usize = 256;

/// Messages that are known to have been told, of the latest: a server that missed a receipt delivers them again.
const REMEMBERED_ARRIVALS: usize = 256;

/// Messages of ours that are known to have arrived, of the latest: more than are sent again after a change of identity.
const REMEMBERED_DELIVERIES: usize = 1024;

/// Longest name that is learnt, in bytes: WhatsApp takes 25 characters.
const LONGEST_NAME: usize = 256;

/// A companion's records in memory, beyond a single connection: the device record, bounded caches over the store,
/// and what differs from what is stored.
pub(crate) struct Mirror {
    pub(crate) device: Device,
    pub(crate) local: LocalIdentity,
    pub(crate) sessions: Sessions,
    pub(crate) lids: Lids,
    aliases: Aliases,
    /// Who trusts the account, and whom it trusts.
    pub(crate) tokens: Tokens,
    /// Whom WhatsApp lets the account write to.
    pub(crate) limits: Limits,
    /// Whether the account's name has changed and is not announced yet.
    name_is_news: bool,
    pub(crate) sent: RecentlySent,
    pub(crate) retries: RetryCounts,
    /// One-time keys that are being made for the first upload.
    pub(crate) fresh_prekeys: Option<JoinHandle<Vec<PreKey>>>,
    /// What could not be read and the phone is asked for.
    pub(crate) missed: Missed,
    /// What the embedder has yet to hear or to accept.
    pub(crate) inbox: Inbox,
    /// Messages that were read since this mirror was made, by chat, sending device and id.
    arrived: Cache<(Jid, Jid, CompactString), ()>,
    /// Messages of ours that are known to have arrived since this mirror was made, by chat (a LID where known) and id.
    delivered: Cache<(Jid, CompactString), ()>,
    /// `None`: out of date, though the store may not know it yet.
    device_lists: Cache<Jid, Option<DeviceList>>,
    /// Ride along with the next commit.
    pub(crate) changes: Changes,
    /// Whether something changed that must be stored before anything that follows from it may leave.
    urgent: bool,
}

impl Mirror {
    /// Reads the companion from the store, or makes a new one that is stored once it is paired.
    pub(crate) async fn load(
        store: &Store,
        config: &Config,
        now: i64,
        random: &mut impl CryptoRng,
    ) -> Result<Self, StoreError> {
        let device = match store.device().await? {
            Some(device) => device,
            None => new_device(now / 1000, random),
        };
        let limits = store.limits().await?.unwrap_or_default();
        let mut mirror = Self { limits, ..Self::new(device, config) };
        mirror.missed.load(store.missed().await?);
        Ok(mirror)
    }

    fn new(device: Device, config: &Config) -> Self {
        let key = KeyPair::from_private(PrivateKey::from_bytes(device.identity_key));
        Self {
            local: LocalIdentity { key, registration_id: device.registration_id },
            device,
            sessions: Sessions::new(config.session_cache),
            lids: Lids::new(),
            aliases: Aliases::new(),
            tokens: Tokens::new(),
            limits: Limits::default(),
            name_is_news: false,
            sent: RecentlySent::new(config.recent_sent),
            retries: RetryCounts::default(),
            fresh_prekeys: None,
            missed: Missed::default(),
            inbox: Inbox::default(),
            arrived: Cache::new(REMEMBERED_ARRIVALS),
            delivered: Cache::new(REMEMBERED_DELIVERIES),
            device_lists: Cache::new(CACHED_DEVICE_LISTS),
            changes: Changes::default(),
            urgent: false,
        }
    }

    /// Whether this is the own account, by phone number or LID.
    pub(crate) fn is_own_user(&self, jid: &Jid) -> bool {
        let jid = jid.to_user().unhosted();
        [&self.device.jid, &self.device.lid].into_iter().flatten().any(|own| own.is_same_user(&jid))
    }

    /// The server's clock in Unix milliseconds, as far as known.
    pub(crate) fn server_millis(&self, clock: &dyn Clock) -> i64 {
        clock.unix_millis().saturating_add(self.device.server_clock_offset.saturating_mul(1000))
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
        self.urgent
    }

    /// The embedder has recorded the batch under way. Whether what follows from it must be stored before the
    /// acknowledgements leave.
    pub(crate) fn accept(&mut self) -> bool {
        let recorded = self.inbox.accepted();
        self.urgent |= !recorded.is_empty() || self.sessions.is_changed();
        self.changes.inbox.extend(recorded);
        self.urgent
    }

    /// Whether something waits for a commit that happens anyway.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
            || self.lids.has_unstored()
            || self.tokens.has_unstored()
            || self.missed.has_changes()
    }

    /// Everything that is to be stored now; what was received and is not accepted yet goes with it.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sessions.extend(self.sessions.records());
        changes.lid_mappings = self.lids.take_unstored();
        changes.privacy_tokens = self.tokens.take_unstored();
        changes.sent_messages = self.sent.take();
        changes.inbox.extend(self.inbox.unstored());
        changes.missed.extend(self.missed.take_changes());
        self.urgent = false;
        changes
    }

    /// A message could be read, and is told if it holds anything for the embedder.
    pub(crate) fn arrived(&mut self, chat: &Jid, sender: &Jid, id: &str) {
        self.retries.arrived(sender, id);
        self.missed.arrived(chat, sender, id);
        self.arrived.put((chat.clone(), sender.clone(), id.into()), ());
    }

    /// Whether a message was read lately, so that it need not be told again.
    pub(crate) fn has_arrived(&self, chat: &Jid, sender: &Jid, id: &str) -> bool {
        self.arrived.contains(&(chat.clone(), sender.clone(), CompactString::from(id)))
    }

    /// The account's owner calls it so.
    pub(crate) fn learn_name(&mut self, name: &str) {
        if !(1..=LONGEST_NAME).contains(&name.len()) || self.device.push_name == name {
            return;
        }
        name.clone_into(&mut self.device.push_name);
        self.name_changed(self.device.chosen_name.is_none());
    }

    /// This companion is to show a name of its own, or none but its owner's.
    pub(crate) fn choose_name(&mut self, name: Option<String>) {
        if self.device.chosen_name != name {
            self.device.chosen_name = name;
            self.name_changed(true);
        }
    }

    fn name_changed(&mut self, is_shown: bool) {
        self.device_changed();
        self.must_commit();
        if is_shown {
            self.name_is_news = true;
            let name = self.device.shown_name().to_owned();
            self.inbox.push_once(Some(Event::OwnName { name: name.clone() }), Record::OwnName(name));
        }
    }

    /// Whether the name is to be announced anew; true once.
    pub(crate) fn take_name_news(&mut self) -> bool {
        std::mem::take(&mut self.name_is_news)
    }

    /// The phone has shared the salt of the account's tokens.
    pub(crate) fn learn_salt(&mut self, salt: Bytes) {
        if self.device.nct_salt.as_ref() != Some(&salt) {
            self.device.nct_salt = Some(salt);
            self.device_changed();
            self.must_commit();
        }
    }

    /// WhatsApp has told the account's limits; a change is told on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        if limits == self.limits {
            return;
        }
        let is_news =
            (&limits.time_lock, &limits.new_chats) != (&self.limits.time_lock, &self.limits.new_chats);
        self.changes.limits = Some(limits.clone());
        if is_news {
            self.must_commit();
            let record = Record::Limits(limits.to_record().into());
            self.inbox.push_once(Some(Event::Limits(limits.clone())), record);
        }
        self.limits = limits;
    }

    /// Remembers a message for retry receipts.
    pub(crate) fn remember_sent(&mut self, sent: SentMessage) {
        self.sent.push(sent);
    }

    /// A session has to go, and the identity key known for it too.
    pub(crate) fn delete_session(&mut self, address: &DeviceAddress) {
        self.sessions.delete(address);
        self.must_commit();
        self.changes.identities.push((address.clone(), None));
    }

    /// Forgets a one-time prekey that was used up.
    pub(crate) fn use_prekey(&mut self, id: u32) {
        self.changes.prekeys_removed.push(id);
    }

    /// Whether a one-time prekey was used up, though the store may not know it yet.
    pub(crate) fn has_used_prekey(&self, id: u32) -> bool {
        self.changes.prekeys_removed.contains(&id)
    }

    /// The identity behind a user's address is another one: told, and remembered for what is asked for again.
    pub(crate) fn identity_changed(&mut self, pn: Option<&Jid>, lid: Option<&Jid>, change: IdentityChange) {
        self.note_identity_change(lid.or(pn), change);
        let user = |jid: Option<&Jid>| jid.map(|jid| jid.user.clone()).unwrap_or_default();
        let (pn, lid) = (user(pn), user(lid));
        let event = inbox::identity_changed(&pn, &lid);
        self.inbox.push_once(Some(event), Record::IdentityChanged { pn, lid });
    }

    fn note_identity_change(&mut self, user: Option<&Jid>, change: IdentityChange) {
        let user = user.map(|user| user.to_user().unhosted());
        self.changes.identity_changes.extend(user.map(|user| (user, change)));
        self.must_commit();
    }

    /// When and how the identity of this user last changed.
    pub(crate) async fn identity_change(
        &self,
        store: &Store,
        user: &Jid,
    ) -> Result<Option<IdentityChange>, StoreError> {
        let mut newest_first = self.changes.identity_changes.iter().rev();
        match newest_first.find(|(changed, _)| changed == user) {
            Some((_, change)) => Ok(Some(*change)),
            None => store.identity_change(user).await,
        }
    }

    /// A phone number belongs to another LID than before. What is known of the person behind the number holds for the
    /// new LID, too, so that other keys of theirs are noticed.
    pub(crate) async fn number_moved(
        &mut self,
        store: &Store,
        pn: &Jid,
        (old, new): (&Jid, &Jid),
        at: i64,
    ) -> Result<(), StoreError> {
        let primaries = [old, new].map(|lid| DeviceAddress::from(&lid.to_user()));
        let known = self.identities(store, &primaries).await?;
        let change = IdentityChange { at, kind: IdentityChangeKind::Lid };
        match (known[0], known[1]) {
            (None, _) => {}
            (Some(key), Some(other)) if key == other => {}
            (Some(_), Some(_)) => self.identity_changed(Some(pn), Some(new), change),
            (Some(key), None) => {
                let [_, address] = primaries;
                self.changes.identities.push((address, Some(key)));
                self.note_identity_change(Some(new), change);
            }
        }
        Ok(())
    }

    /// A device of the other side of this chat has the message.
    pub(crate) fn delivered(&mut self, chat: &Jid, id: &str) {
        self.delivered.put((chat.clone(), id.into()), ());
    }

    /// Whether a message is known to have arrived.
    pub(crate) fn is_delivered(&self, chat: &Jid, id: &str) -> bool {
        self.delivered.contains(&(chat.clone(), CompactString::from(id)))
    }

    /// Records the identity key of a peer's device; a new one replaces the old one (trust on first use).
    pub(crate) fn save_identity(&mut self, address: DeviceAddress, key: &PublicKey) {
        self.changes.identities.push((address, Some(*key.as_bytes())));
    }

    /// The device list of this user, if it is known and was fetched at `oldest` (Unix seconds) or later.
    pub(crate) async fn device_list(
        &mut self,
        store: &Store,
        user: &Jid,
        oldest: i64,
    ) -> Result<Option<DeviceList>, StoreError> {
        if !self.device_lists.contains(user)
            && let Some(list) = store.device_lists(std::slice::from_ref(user)).await?.pop().flatten()
        {
            self.device_lists.put(user.clone(), Some(list));
        }
        let list = self.device_lists.get(user).and_then(Option::as_ref);
        Ok(list.filter(|list| list.fetched_at >= oldest).cloned())
    }

    /// Records a user's devices.
    pub(crate) fn save_device_list(&mut self, user: Jid, list: DeviceList) {
        self.changes.device_lists.push((user.clone(), Some(list.clone())));
        self.device_lists.put(user, Some(list));
    }

    /// Forgets a user's devices, so that they are asked again.
    pub(crate) fn drop_device_list(&mut self, user: &Jid) {
        self.device_lists.put(user.clone(), None);
        self.changes.device_lists.push((user.clone(), None));
    }

    /// What is known of a user. `oldest` (Unix seconds): what was looked up by number before that counts no more.
    pub(crate) async fn whereabouts(
        &mut self,
        store: &Store,
        user: &Jid,
        oldest: i64,
    ) -> Result<Whereabouts, StoreError> {
        let user = user.to_user();
        if !user.is_pn() {
            let pn = self.lids.pn_of(store, &user).await?;
            return Ok(match pn {
                Some(pn) if self.lids.is_stale(&pn.user) => Whereabouts::Ask(pn.user),
                pn => Whereabouts::Known(Person { pn, lid: Some(user) }),
            });
        }
        let alias = self.aliases.find(store, &user.user, oldest).await?;
        let pn = Jid::pn(alias.as_ref().unwrap_or(&user.user).as_str());
        let lid = self.lids.lid_of(store, &pn).await?;
        let is_told = lid.is_some() || alias.is_some();
        Ok(if is_told && !self.lids.is_stale(&pn.user) {
            Whereabouts::Known(Person { pn: Some(pn), lid })
        } else {
            Whereabouts::Ask(pn.user)
        })
    }

    /// The server says that the number `asked` is `pn`'s.
    pub(crate) fn learn_alias(&mut self, asked: &CompactString, pn: &Jid, found_at: i64) {
        let alias = Alias { number: pn.user.clone(), found_at };
        self.aliases.remember(asked.clone(), alias.clone());
        self.changes.aliases.push((asked.clone(), alias));
    }

    /// Notes how far the account has moved to LIDs.
    pub(crate) fn set_lid_migration(&mut self, migration: LidMigration) {
        if self.device.lid_migration != migration {
            self.device.lid_migration = migration;
            self.device_changed();
            self.must_commit();
        }
    }

    /// Learns that a phone number and a LID are the same user, tells so, and moves what is stored under the phone number
    /// to the LID, under which sessions live from now on (PROTOCOL.md 16).
    pub(crate) async fn learn_lid(&mut self, store: &Store, pn: &Jid, lid: &Jid) -> Result<(), StoreError> {
        if !pn.is_pn() || !lid.is_lid() || self.lids.knows(&pn.user, &lid.user) {
            return Ok(());
        }
        let known = self.lids.lid_of(store, &pn.to_user()).await?;
        if known.is_some_and(|known| known.user == lid.user) {
            self.lids.remember(&pn.user, &lid.user);
            return Ok(());
        }
        self.lids.learn(&pn.user, &lid.user);
        let record = Record::SamePerson { pn: pn.user.clone(), lid: lid.user.clone() };
        self.inbox.push_once(Some(inbox::same_person(&pn.user, &lid.user)), record);
        self.move_sessions(store, &pn.to_user(), &lid.to_user()).await
    }

    async fn move_sessions(&mut self, store: &Store, pn: &Jid, lid: &Jid) -> Result<(), StoreError> {
        for (old, new) in [(pn.clone(), lid.clone()), (hosted(pn), hosted(lid))] {
            self.move_named(store, &old.signal_name(), new.signal_name().into()).await?;
        }
        Ok(())
    }

    async fn move_named(
        &mut self,
        store: &Store,
        old_name: &str,
        new_name: CompactString,
    ) -> Result<(), StoreError> {
        let addresses = self.addresses(store, old_name).await?;
        if addresses.is_empty() {
            return Ok(());
        }
        self.must_commit();
        self.sessions.load(store, &addresses).await?;
        let identities = self.identities(store, &addresses).await?;
        for (old, identity) in addresses.into_iter().zip(identities) {
            let new = DeviceAddress::new(new_name.clone(), old.device);
            self.sessions.load(store, std::slice::from_ref(&new)).await?;
            let session = self.sessions.delete(&old);
            // What is already known under the LID is newer.
            let known = self.identities(store, std::slice::from_ref(&new)).await?.pop().flatten();
            let is_same = known.is_none() || known == identity;
            if let Some(session) = session.filter(|_| is_same && !self.sessions.contains(&new)) {
                self.sessions.put(&new, session);
                if identity.is_some() {
                    self.changes.identities.push((new, identity));
                }
            }
            self.changes.identities.push((old, None));
        }
        Ok(())
    }

    /// Every address of this Signal name that has a session or an identity, stored or not yet.
    pub(crate) async fn addresses(
        &self,
        store: &Store,
        name: &str,
    ) -> Result<Vec<DeviceAddress>, StoreError> {
        let mut addresses = store.addresses(name).await?;
        addresses.extend(self.sessions.addresses(name));
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }

    /// The identity keys known for these addresses, stored or not yet.
    pub(crate) async fn identities(
        &self,
        store: &Store,
        addresses: &[DeviceAddress],
    ) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        let mut identities = store.identities(addresses).await?;
        for (address, identity) in addresses.iter().zip(&mut identities) {
            let mut newest_first = self.changes.identities.iter().rev();
            if let Some((_, unstored)) = newest_first.find(|(changed, _)| changed == address) {
                *identity = *unstored;
            }
        }
        Ok(identities)
    }

    /// Empties the caches of an idle companion; what is returned gives unused leases back and stores what waited.
    pub(crate) fn release(&mut self) -> Changes {
        let mut changes = self.take_changes();
        changes.sessions.extend(self.sessions.release());
        self.lids.release();
        self.aliases.release();
        self.tokens.release();
        drop(self.device_lists.take());
        drop(self.arrived.take());
        changes
    }
}

/// What is known of a user before the server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Enough to write to them.
    Known(Person),
    /// The server has to be asked about this number.
    Ask(CompactString),
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("device", &self.device).finish_non_exhaustive()
    }
}

/// The same user's devices in Meta's cloud.
pub(crate) fn hosted(user: &Jid) -> Jid {
    let server = if user.is_lid() { Server::HostedLid } else { Server::Hosted };
    Jid { server, ..user.clone() }
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
        chosen_name: None,
        nct_salt: None,
        platform: String::new(),
        business_name: None,
        routing_info: None,
        server_clock_offset: 0,
        logins: 0,
        ban: None,
        lid_migration: LidMigration::Unknown,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use wa_signal::{Bundle, Session};

    use super::*;

    /// Device 1 of 15550001, LID 8001.
    pub(crate) fn mirror() -> Mirror {
        let mut device = new_device(0, &mut ChaCha20Rng::from_seed([1; 32]));
        device.jid = Some(Jid::pn("15550001").with_device(1));
        device.lid = Some(Jid::lid("8001").with_device(1));
        Mirror::new(device, &Config::default())
    }

    fn session(mirror: &Mirror) -> Session {
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
        Session::initiate(&mirror.local, &bundle, None, &mut random).unwrap()
    }

    #[tokio::test]
    async fn sessions_move_to_the_lid_once_it_is_known() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let old = DeviceAddress::new("15550002", 3);
        let new = DeviceAddress::new("9002_1", 3);
        let record: Bytes = session(&mirror).to_record(0).into();
        let before = Changes {
            sessions: vec![(old.clone(), Some(record))],
            identities: vec![(old.clone(), Some([5; 32]))],
            ..Changes::default()
        };
        store.commit(before).await.unwrap();
        mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
        assert!(mirror.sessions.contains(&new) && !mirror.sessions.contains(&old));
        assert!(mirror.is_urgent());
        store.commit(mirror.take_changes()).await.unwrap();
        let sessions = store.sessions(&[old.clone(), new.clone()]).await.unwrap();
        assert!(sessions[0].is_none() && sessions[1].is_some());
        assert_eq!(store.identities(&[old, new]).await.unwrap(), [None, Some([5; 32])]);
        assert_eq!(store.lid_of("15550002").await.unwrap().as_deref(), Some("9002"));
    }

    #[tokio::test]
    async fn a_session_that_is_not_stored_yet_moves_too() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let (old, new) = (DeviceAddress::new("15550002", 3), DeviceAddress::new("9002_1", 3));
        let (fresh, identity) = (session(&mirror), *mirror.local.key.public());
        mirror.sessions.put(&old, fresh);
        mirror.save_identity(old.clone(), &identity);
        mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
        assert!(mirror.sessions.contains(&new) && !mirror.sessions.contains(&old));
        store.commit(mirror.take_changes()).await.unwrap();
        let sessions = store.sessions(&[old.clone(), new.clone()]).await.unwrap();
        assert!(sessions[0].is_none() && sessions[1].is_some());
        assert_eq!(store.identities(&[old, new]).await.unwrap(), [None, Some(*identity.as_bytes())]);
    }

    #[tokio::test]
    async fn what_is_known_under_the_lid_already_is_not_replaced() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let (old, new) = (DeviceAddress::new("15550002", 0), DeviceAddress::new("9002_1", 0));
        let kept = session(&mirror);
        let base_key = *kept.base_key();
        mirror.sessions.put(&new, kept);
        let mut other = mirror_of_somebody_else();
        mirror.sessions.put(&old, session(&other));
        store.commit(mirror.take_changes()).await.unwrap();
        mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
        assert_eq!(mirror.sessions.get_mut(&new).map(|session| *session.base_key()), Some(base_key));
        assert!(!mirror.sessions.contains(&old));
        other.take_changes();
    }

    fn mirror_of_somebody_else() -> Mirror {
        Mirror::new(new_device(0, &mut ChaCha20Rng::from_seed([8; 32])), &Config::default())
    }

    #[tokio::test]
    async fn a_dropped_device_list_is_gone_before_the_store_knows() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let user = Jid::lid("9002");
        mirror.save_device_list(user.clone(), DeviceList { fetched_at: 100, ..DeviceList::default() });
        store.commit(mirror.take_changes()).await.unwrap();
        assert!(mirror.device_list(&store, &user, 100).await.unwrap().is_some());
        assert!(mirror.device_list(&store, &user, 101).await.unwrap().is_none(), "it is too old");
        mirror.drop_device_list(&user);
        assert!(mirror.device_list(&store, &user, 0).await.unwrap().is_none());
        assert!(!mirror.is_urgent());
    }

    #[tokio::test]
    async fn a_deleted_session_stays_deleted_before_the_store_knows() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let address = DeviceAddress::new("9002_1", 0);
        let fresh = session(&mirror);
        mirror.sessions.put(&address, fresh);
        store.commit(mirror.take_changes()).await.unwrap();
        mirror.delete_session(&address);
        mirror.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
        assert!(!mirror.sessions.contains(&address) && mirror.is_urgent());
        store.commit(mirror.take_changes()).await.unwrap();
        assert_eq!(store.sessions(&[address]).await.unwrap(), [None]);
    }

    #[tokio::test]
    async fn released_sessions_give_unused_counters_back() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let address = DeviceAddress::new("9002_1", 0);
        let mut fresh = session(&mirror);
        let mut twin = fresh.clone();
        fresh.encrypt(&mirror.local, b"one").unwrap();
        mirror.sessions.put(&address, fresh);
        store.commit(mirror.take_changes()).await.unwrap();
        store.commit(mirror.release()).await.unwrap();
        mirror.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
        let next = mirror.sessions.get_mut(&address).unwrap().encrypt(&mirror.local, b"two").unwrap();
        twin.encrypt(&mirror.local, b"one").unwrap();
        assert_eq!(next, twin.encrypt(&mirror.local, b"two").unwrap(), "no counter was skipped");
    }

    #[test]
    fn a_new_device_has_a_sound_signed_prekey() {
        let mirror = mirror();
        let signed = mirror.signed_prekey();
        let key = mirror.local.key.public();
        assert!(key.verify(&[&signed.key.public().to_signal()], &signed.signature).is_ok());
        assert!(mirror.is_own_user(&Jid::lid("8001")) && !mirror.is_own_user(&Jid::lid("9002")));
    }
}
