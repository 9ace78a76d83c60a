use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use wa_binary::Jid;
use zeroize::Zeroize;

use crate::file::FileRecords;
use crate::{
    Alias, AppStateKey, AppStateVersion, Changes, ChatTimer, Commit, Device, DeviceAddress, DeviceList,
    FileError, IdentityChange, Key, KeyHolders, Kind, Limits, MemoryRecords, MessageSecret, PeerData,
    PeerDataKey, Plain, PrivacyToken, Records, Seal, SenderKeyName, SentMessage, StoreError,
};

pub(crate) mod translate;

/// What one companion keeps, typed: written once above all backends. Clones share one store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    records: Arc<dyn Records>,
    seal: Arc<dyn Seal>,
    /// Sent messages stored through this store, so that old ones are removed once for many.
    sent: AtomicUsize,
}

impl Store {
    /// A store above a backend, with values sealed as `seal` does it.
    pub fn new(records: Arc<dyn Records>, seal: Arc<dyn Seal>) -> Self {
        Self { shared: Arc::new(Shared { records, seal, sent: AtomicUsize::new(0) }) }
    }

    /// A store in memory, lost with its last clone. For tests and experiments.
    pub fn memory() -> Self {
        Self::new(Arc::new(MemoryRecords::new()), Arc::new(Plain))
    }

    /// A store in a file of its own, created when it doesn't exist: for programs that have no database.
    ///
    /// Everything is in memory as well, so reads are quick. A commit holds up the thread that calls it for the time of
    /// one `fsync`; then it is on the disk. Private keys lie in the file in the clear, readable by the file's owner alone,
    /// and what is replaced or deleted stays there until the file has grown enough to be written anew. One process at a
    /// time can open it.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::file_sealed(path, Arc::new(Plain))
    }

    /// The same with values sealed.
    pub fn file_sealed(path: impl AsRef<Path>, seal: Arc<dyn Seal>) -> Result<Self, FileError> {
        Ok(Self::new(Arc::new(FileRecords::open(path.as_ref())?), seal))
    }

    /// The device record; `None` before the first start and after a wipe.
    pub async fn device(&self) -> Result<Option<Device>, StoreError> {
        let Some(record) = self.value(Kind::DEVICE, Key::FIRST).await? else { return Ok(None) };
        let device = Device::from_record(&record);
        wipe(record);
        Ok(Some(device?))
    }

    /// The session records of these addresses, in the order asked.
    pub async fn sessions(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.values(Kind::SESSION, addresses.iter().map(translate::address_key).collect()).await
    }

    /// The identity public keys of these addresses, in the order asked.
    pub async fn identities(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        let keys = addresses.iter().map(translate::address_key).collect();
        let found = self.values(Kind::IDENTITY, keys).await?;
        found.into_iter().map(|value| value.map(|value| thirty_two("identity", value)).transpose()).collect()
    }

    /// Every address of this Signal name that has a session or an identity, by device number.
    pub async fn addresses(&self, name: &str) -> Result<Vec<DeviceAddress>, StoreError> {
        let mut found = Vec::new();
        for kind in [Kind::SESSION, Kind::IDENTITY] {
            let records = self.shared.records.scan(kind, Key::below([name]), usize::MAX).await?;
            for (key, _) in records {
                found.push(DeviceAddress::new(name, translate::device_of(&key)?));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// When and how the identity of this user (without device) last changed, as far as it was told.
    pub async fn identity_change(&self, user: &Jid) -> Result<Option<IdentityChange>, StoreError> {
        let value = self.value(Kind::IDENTITY_CHANGE, translate::user_key(user)).await?;
        value.map(|value| IdentityChange::from_record(&value)).transpose()
    }

    /// The timer of the chat with this user (without device), as it was stored under this name.
    pub async fn chat_timer(&self, user: &Jid) -> Result<Option<ChatTimer>, StoreError> {
        let value = self.value(Kind::CHAT_TIMER, translate::user_key(user)).await?;
        value.map(|value| ChatTimer::from_record(&value)).transpose()
    }

    /// The private key of a one-time prekey that has not been used up.
    pub async fn prekey(&self, id: u32) -> Result<Option<[u8; 32]>, StoreError> {
        let value = self.value(Kind::PREKEY, translate::prekey_key(id)).await?;
        value.map(|value| thirty_two("prekey", value)).transpose()
    }

    /// Up to `limit` one-time prekeys with this id or a higher one, in ascending order: what is to be uploaded.
    pub async fn prekeys(&self, from_id: u32, limit: usize) -> Result<Vec<(u32, [u8; 32])>, StoreError> {
        let range = translate::prekey_key(from_id)..Key::END;
        let records = self.shared.records.scan(Kind::PREKEY, range, limit).await?;
        let prekey = |(key, sealed)| {
            let value = self.shared.seal.open(Kind::PREKEY, &key, sealed)?;
            Ok((translate::prekey_of(&key)?, thirty_two("prekey", value)?))
        };
        records.into_iter().map(prekey).collect()
    }

    /// How many one-time prekeys are stored.
    pub async fn prekey_count(&self) -> Result<usize, StoreError> {
        let count = self.shared.records.count(Kind::PREKEY).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A sender key record.
    pub async fn sender_key(&self, name: &SenderKeyName) -> Result<Option<Bytes>, StoreError> {
        self.value(Kind::SENDER_KEY, translate::sender_key_key(name)).await
    }

    /// The devices that have the own sender key of this group (its JID as text).
    pub async fn key_holders(&self, group: &str) -> Result<Option<KeyHolders>, StoreError> {
        let value = self.value(Kind::KEY_HOLDERS, Key::new([group])).await?;
        value.map(|value| Ok(KeyHolders::from_record(&value)?)).transpose()
    }

    /// The groups whose own sender key a device with one of these Signal names has, each with all that have it.
    ///
    /// Looks through all groups, which happens only when somebody's keys have changed; so storing one needs no index.
    pub async fn keys_held_by(&self, names: &[&str]) -> Result<Vec<(String, KeyHolders)>, StoreError> {
        let mut found = Vec::new();
        let mut from = Key::FIRST;
        loop {
            let page = self.shared.records.scan(Kind::KEY_HOLDERS, from..Key::END, GROUPS_AT_ONCE).await?;
            let last = page.last().map(|(key, _)| key.next());
            let is_last = page.len() < GROUPS_AT_ONCE;
            for (key, sealed) in page {
                let holders = self.shared.seal.open(Kind::KEY_HOLDERS, &key, sealed)?;
                let holders = KeyHolders::from_record(&holders)?;
                if holders.iter().any(|holder| names.contains(&holder.name.as_str())) {
                    found.push((key.as_str().to_owned(), holders));
                }
            }
            match last {
                Some(next) if !is_last => from = next,
                _ => return Ok(found),
            }
        }
    }

    /// The LID user of a phone number user.
    pub async fn lid_of(&self, pn_user: &str) -> Result<Option<String>, StoreError> {
        self.other_half(Kind::LID_OF_PN, Kind::PN_OF_LID, pn_user).await
    }

    /// The phone number user of a LID user.
    pub async fn pn_of(&self, lid_user: &str) -> Result<Option<String>, StoreError> {
        self.other_half(Kind::PN_OF_LID, Kind::LID_OF_PN, lid_user).await
    }

    /// What the account is called that was looked up by this number (digits only), and when that was told.
    pub async fn alias(&self, number: &str) -> Result<Option<Alias>, StoreError> {
        let found = self.value(Kind::ALIAS, Key::new([number])).await?;
        found.map(|value| Ok(Alias::from_record(&value)?)).transpose()
    }

    /// The device lists of these users (JIDs without device), in the order asked.
    pub async fn device_lists(&self, users: &[Jid]) -> Result<Vec<Option<DeviceList>>, StoreError> {
        let keys = users.iter().map(translate::user_key).collect();
        let found = self.values(Kind::DEVICE_LIST, keys).await?;
        let list = |value: Bytes| Ok(DeviceList::from_record(&value)?);
        found.into_iter().map(|value| value.map(list).transpose()).collect()
    }

    /// A message that left recently, by the chat and the id under which it was committed.
    ///
    /// Looks through all that are kept, which happens for a retry receipt only; so storing one needs no index.
    pub async fn sent_message(&self, chat: &Jid, id: &str) -> Result<Option<SentMessage>, StoreError> {
        let wanted = translate::chat_and_id(chat, id);
        let is_wanted = |rest: &str| rest == wanted.as_str();
        let Some((key, sealed)) = self.found(Kind::SENT_MESSAGE, is_wanted).await?.pop() else {
            return Ok(None);
        };
        let timestamp = translate::time_of(&key)?;
        let (to, message) =
            SentMessage::from_record(self.shared.seal.open(Kind::SENT_MESSAGE, &key, sealed)?)?;
        Ok(Some(SentMessage { chat: chat.clone(), id: id.into(), to, message, timestamp }))
    }

    /// The secrets of all polls and events with this id, oldest first: one, unless ids of several chats are alike.
    pub async fn message_secrets(&self, id: &str) -> Result<Vec<MessageSecret>, StoreError> {
        let wanted = translate::with_id(id);
        let found = self.found(Kind::MESSAGE_SECRET, |rest| rest.starts_with(wanted.as_str())).await?;
        let secret = |(key, sealed): (Key, Bytes)| {
            let opened = self.shared.seal.open(Kind::MESSAGE_SECRET, &key, sealed)?;
            Ok(MessageSecret::from_record(opened, id, translate::time_of(&key)?)?)
        };
        found.into_iter().map(secret).collect()
    }

    /// The app state keys with these ids, in the order asked.
    pub async fn app_state_keys(&self, ids: &[Bytes]) -> Result<Vec<Option<AppStateKey>>, StoreError> {
        let keys = ids.iter().map(|id| translate::app_state_key_key(id)).collect();
        let found = self.values(Kind::APP_STATE_KEY, keys).await?;
        let key = |value| Ok(AppStateKey::from_record(value)?);
        found.into_iter().map(|value| value.map(key).transpose()).collect()
    }

    /// All app state keys, whatever their number; a phone makes few.
    pub async fn all_app_state_keys(&self) -> Result<Vec<AppStateKey>, StoreError> {
        let records = self.shared.records.scan(Kind::APP_STATE_KEY, Key::FIRST..Key::END, usize::MAX).await?;
        let key = |(key, sealed)| {
            Ok(AppStateKey::from_record(self.shared.seal.open(Kind::APP_STATE_KEY, &key, sealed)?)?)
        };
        records.into_iter().map(key).collect()
    }

    /// How far a collection of the app state is known; `None` where nothing is.
    pub async fn app_state(&self, collection: &str) -> Result<Option<AppStateVersion>, StoreError> {
        let value = self.value(Kind::APP_STATE, Key::new([collection])).await?;
        value.map(|value| AppStateVersion::from_record(&value)).transpose()
    }

    /// What stands for these records of a collection, by the MACs of their indexes, in the order asked.
    pub async fn app_state_records(
        &self,
        collection: &str,
        indexes: &[[u8; 32]],
    ) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        let keys = indexes.iter().map(|index| translate::app_state_record_key(collection, index)).collect();
        let found = self.values(Kind::APP_STATE_RECORD, keys).await?;
        found
            .into_iter()
            .map(|value| value.map(|value| thirty_two("app state record", value)).transpose())
            .collect()
    }

    /// The MACs of the indexes of all records of a collection.
    pub async fn app_state_indexes(&self, collection: &str) -> Result<Vec<[u8; 32]>, StoreError> {
        let range = Key::below([collection]);
        let records = self.shared.records.scan(Kind::APP_STATE_RECORD, range, usize::MAX).await?;
        records.iter().map(|(key, _)| translate::app_state_index(key)).collect()
    }

    /// How many items of a piece of the history have been told.
    pub async fn history_progress(&self, piece: &PeerDataKey) -> Result<u64, StoreError> {
        let value = self.value(Kind::HISTORY_PROGRESS, translate::peer_data_key(piece)).await?;
        let Some(value) = value else { return Ok(0) };
        let count = value[..].try_into().map(u64::from_be_bytes);
        count
            .map_err(|error| StoreError::Corrupt { what: "progress of the history", source: Box::new(error) })
    }

    /// Up to `limit` of what the phone told, oldest first; only what comes after `after`, if one is given.
    pub async fn peer_data(
        &self,
        after: Option<&PeerData>,
        limit: usize,
    ) -> Result<Vec<PeerData>, StoreError> {
        let from = after.map_or(Key::FIRST, |data| translate::peer_data_key(&data.key()).next());
        let records = self.shared.records.scan(Kind::PEER_DATA, from..Key::END, limit).await?;
        let data = |(key, sealed)| {
            Ok(PeerData::from_record(self.shared.seal.open(Kind::PEER_DATA, &key, sealed)?)?)
        };
        records.into_iter().map(data).collect()
    }

    /// The tokens exchanged with this LID user.
    pub async fn privacy_token(&self, lid_user: &str) -> Result<Option<PrivacyToken>, StoreError> {
        let value = self.value(Kind::PRIVACY_TOKEN, Key::new([lid_user])).await?;
        value.map(|value| Ok(PrivacyToken::from_record(value)?)).transpose()
    }

    /// What WhatsApp last said of the account's limits.
    pub async fn limits(&self) -> Result<Option<Limits>, StoreError> {
        let value = self.value(Kind::LIMITS, Key::FIRST).await?;
        value.map(|value| Ok(Limits::from_record(&value)?)).transpose()
    }

    /// What was received and not recorded, in the order of its numbers.
    pub async fn inbox(&self) -> Result<Vec<(u64, Bytes)>, StoreError> {
        self.numbered(Kind::INBOX).await
    }

    /// Messages that could not be read and that the phone is asked for, in the order of their numbers.
    pub async fn missed(&self) -> Result<Vec<(u64, Bytes)>, StoreError> {
        self.numbered(Kind::MISSED).await
    }

    /// Stores the changes: all of them, or on an error none.
    ///
    /// The call itself queues them: commits are applied in the order of their calls, whichever future is polled first.
    /// A read that starts after the future resolved sees them.
    pub fn commit(&self, changes: Changes) -> Commit {
        let sent = changes.sent_messages.len();
        let before = self.shared.sent.fetch_add(sent, Ordering::Relaxed);
        let trims = sent > 0 && crosses(before, sent, SentMessage::TRIMMED_EVERY);
        match translate::batch(changes, &*self.shared.seal, trims) {
            Ok(batch) => self.shared.records.apply(batch),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// All of a kind that has keys which begin with a time, whose keys go on like this. Looks through the whole kind.
    async fn found(
        &self,
        kind: Kind,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let mut found = Vec::new();
        let mut from = Key::FIRST;
        loop {
            let page = self.shared.records.scan(kind, from..Key::END, SCANNED_AT_ONCE).await?;
            let last = page.last().map(|(key, _)| key.next());
            let is_last = page.len() < SCANNED_AT_ONCE;
            found.extend(page.into_iter().filter(|(key, _)| key.rest().is_some_and(&is_wanted)));
            match last {
                Some(next) if !is_last => from = next,
                _ => return Ok(found),
            }
        }
    }

    /// All of a kind whose keys are numbers.
    async fn numbered(&self, kind: Kind) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let records = self.shared.records.scan(kind, Key::FIRST..Key::END, usize::MAX).await?;
        let entry =
            |(key, sealed)| Ok((translate::number_of(&key)?, self.shared.seal.open(kind, &key, sealed)?));
        records.into_iter().map(entry).collect()
    }

    async fn value(&self, kind: Kind, key: Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.values(kind, vec![key]).await?.pop().flatten())
    }

    async fn values(&self, kind: Kind, keys: Vec<Key>) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.shared.records.get(kind, &keys).await?;
        let open = |(sealed, key): (Option<Bytes>, &Key)| {
            sealed.map(|sealed| self.shared.seal.open(kind, key, sealed)).transpose()
        };
        found.into_iter().zip(&keys).map(open).collect()
    }

    /// Follows one half of a pair and believes it if the other half leads back. A newer pair writes both of its halves
    /// over what they said before, so that the other halves of older pairs are left without an answer.
    async fn other_half(&self, kind: Kind, back: Kind, user: &str) -> Result<Option<String>, StoreError> {
        let Some(other) = self.value(kind, Key::new([user])).await? else { return Ok(None) };
        let other = translate::user_of(&other)?;
        let returned = self.value(back, Key::new([other.as_str()])).await?;
        Ok(returned.filter(|returned| *returned == *user.as_bytes()).map(|_| other))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Groups read at once when one is looked for: each may have thousands of devices.
const GROUPS_AT_ONCE: usize = 32;

/// Records read at once when one is looked for.
const SCANNED_AT_ONCE: usize = 256;

/// Whether counting on from `before` by `count` begins with 0 or passes a multiple of `every`.
fn crosses(before: usize, count: usize, every: usize) -> bool {
    before == 0 || before / every != before.wrapping_add(count) / every
}

fn thirty_two(what: &'static str, value: Bytes) -> Result<[u8; 32], StoreError> {
    let array = value[..].try_into();
    wipe(value);
    array.map_err(|error| StoreError::Corrupt { what, source: Box::new(error) })
}

/// Wipes what was opened, unless it is still shared with a store that keeps it in the clear anyway.
fn wipe(opened: Bytes) {
    if let Ok(mut bytes) = opened.try_into_mut() {
        bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
