//! Which records a change set becomes, and what keys look like.

use std::fmt::Write as _;

use bytes::Bytes;
use compact_str::CompactString;
use wa_binary::Jid;

use crate::{
    Alias, AppStateKey, AppStateRecord, AppStateVersion, Batch, Changes, ChatTimer, DeviceAddress,
    IdentityChange, Key, Kind, MessageSecret, PeerData, PeerDataKey, PrivacyToken, Seal, SenderKeyName,
    SentMessage, StoreError,
};

/// The change set as a batch, with every value sealed. `trims`: also remove sent messages that are too many.
pub(crate) fn batch(changes: Changes, seal: &dyn Seal, trims: bool) -> Result<Batch, StoreError> {
    // Destructured in full, so that a new field forces a decision.
    let Changes {
        device,
        sessions,
        identities,
        prekeys_added,
        prekeys_removed,
        sender_keys,
        key_holders,
        lid_mappings,
        aliases,
        device_lists,
        sent_messages,
        app_state_keys,
        app_states,
        app_state_records,
        history_progress,
        peer_data,
        privacy_tokens,
        limits,
        inbox,
        identity_changes,
        chat_timers,
        message_secrets,
        missed,
        wipe,
    } = changes;
    let mut sealed = Sealed { batch: Batch::new(), seal };
    if wipe {
        sealed.batch.wipe();
    }
    if let Some(device) = device {
        sealed.put(Kind::DEVICE, Key::FIRST, &device.to_record())?;
    }
    sealed.set_all(Kind::SESSION, sessions, address_key, |record| record)?;
    sealed.set_all(Kind::IDENTITY, identities, address_key, |key| key)?;
    sealed.put_all(Kind::PREKEY, &prekeys_added, |(id, _)| prekey_key(*id), |(_, key)| *key)?;
    for id in prekeys_removed {
        sealed.batch.delete(Kind::PREKEY, prekey_key(id));
    }
    sealed.set_all(Kind::SENDER_KEY, sender_keys, sender_key_key, |record| record)?;
    sealed.set_all(
        Kind::KEY_HOLDERS,
        key_holders,
        |group| Key::new([group.as_str()]),
        |holders| holders.to_record(),
    )?;
    sealed.put_names(&lid_mappings, &aliases)?;
    sealed.set_all(Kind::DEVICE_LIST, device_lists, user_key, |list| list.to_record())?;
    sealed.put_all(Kind::SENT_MESSAGE, &sent_messages, sent_message_key, SentMessage::to_record)?;
    if trims {
        sealed.batch.keep_last(Kind::SENT_MESSAGE, SentMessage::KEPT);
    }
    sealed.put_all(
        Kind::APP_STATE_KEY,
        &app_state_keys,
        |key| app_state_key_key(&key.id),
        AppStateKey::to_record,
    )?;
    sealed.put_app_state(&app_states, app_state_records)?;
    sealed.put_peer_data(&peer_data, history_progress)?;
    sealed.put_of_people(&privacy_tokens, &identity_changes, &chat_timers)?;
    if let Some(limits) = limits {
        sealed.put(Kind::LIMITS, Key::FIRST, &limits.to_record())?;
    }
    sealed.set_all(Kind::INBOX, inbox, |number| number_key(*number), |entry| entry)?;
    sealed.set_all(Kind::MISSED, missed, |number| number_key(*number), |message| message)?;
    sealed.put_all(Kind::MESSAGE_SECRET, &message_secrets, message_secret_key, MessageSecret::to_record)?;
    if !message_secrets.is_empty() {
        sealed.batch.keep_last(Kind::MESSAGE_SECRET, MessageSecret::KEPT);
    }
    Ok(sealed.batch)
}

/// A batch in the making.
struct Sealed<'a> {
    batch: Batch,
    seal: &'a dyn Seal,
}

impl Sealed<'_> {
    fn put(&mut self, kind: Kind, key: Key, plain: &[u8]) -> Result<(), StoreError> {
        let value = self.seal.seal(kind, &key, plain)?;
        self.batch.put(kind, key, value);
        Ok(())
    }

    /// Who is who.
    fn put_names(
        &mut self,
        lid_mappings: &[(CompactString, CompactString)],
        aliases: &[(CompactString, Alias)],
    ) -> Result<(), StoreError> {
        for (pn, lid) in lid_mappings {
            self.put(Kind::LID_OF_PN, Key::new([pn.as_str()]), lid.as_bytes())?;
            self.put(Kind::PN_OF_LID, Key::new([lid.as_str()]), pn.as_bytes())?;
        }
        let asked = |(asked, _): &(CompactString, Alias)| Key::new([asked.as_str()]);
        self.put_all(Kind::ALIAS, aliases, asked, |(_, alias)| alias.to_record())
    }

    /// What is known of single people.
    fn put_of_people(
        &mut self,
        tokens: &[(CompactString, PrivacyToken)],
        identity_changes: &[(Jid, IdentityChange)],
        timers: &[(Jid, ChatTimer)],
    ) -> Result<(), StoreError> {
        let of_lid = |(lid, _): &(CompactString, PrivacyToken)| Key::new([lid.as_str()]);
        self.put_all(Kind::PRIVACY_TOKEN, tokens, of_lid, |(_, token)| token.to_record())?;
        let of_user = |(user, _): &(Jid, IdentityChange)| user_key(user);
        self.put_all(Kind::IDENTITY_CHANGE, identity_changes, of_user, |(_, change)| change.to_record())?;
        self.put_all(Kind::CHAT_TIMER, timers, |(user, _)| user_key(user), |(_, timer)| timer.to_record())
    }

    fn put_app_state(
        &mut self,
        versions: &[(CompactString, AppStateVersion)],
        records: Vec<AppStateRecord>,
    ) -> Result<(), StoreError> {
        let name = |(name, _): &(CompactString, AppStateVersion)| Key::new([name.as_str()]);
        self.put_all(Kind::APP_STATE, versions, name, |(_, state)| state.to_record())?;
        let records = records
            .into_iter()
            .map(|record| (app_state_record_key(&record.collection, &record.index), record.value));
        self.set_all(Kind::APP_STATE_RECORD, records.collect(), Key::clone, |value| value)
    }

    /// What the phone told; pieces of the history go once all of them has been told.
    fn put_peer_data(
        &mut self,
        data: &[PeerData],
        progress: Vec<(PeerDataKey, Option<u64>)>,
    ) -> Result<(), StoreError> {
        self.put_all(Kind::PEER_DATA, data, |data| peer_data_key(&data.key()), PeerData::to_record)?;
        if !data.is_empty() {
            self.batch.keep_last(Kind::PEER_DATA, PeerData::KEPT);
        }
        for (piece, _) in progress.iter().filter(|(_, told)| told.is_none()) {
            self.batch.delete(Kind::PEER_DATA, peer_data_key(piece));
        }
        self.set_all(Kind::HISTORY_PROGRESS, progress, peer_data_key, u64::to_be_bytes)
    }

    fn put_all<T, V: AsRef<[u8]>>(
        &mut self,
        kind: Kind,
        entries: &[T],
        key: impl Fn(&T) -> Key,
        value: impl Fn(&T) -> V,
    ) -> Result<(), StoreError> {
        entries.iter().try_for_each(|entry| self.put(kind, key(entry), value(entry).as_ref()))
    }

    /// The same for entries that may be deletions.
    fn set_all<N, T, V: AsRef<[u8]>>(
        &mut self,
        kind: Kind,
        entries: Vec<(N, Option<T>)>,
        key: impl Fn(&N) -> Key,
        value: impl Fn(T) -> V,
    ) -> Result<(), StoreError> {
        for (name, entry) in entries {
            match entry {
                Some(entry) => self.put(kind, key(&name), value(entry).as_ref())?,
                None => self.batch.delete(kind, key(&name)),
            }
        }
        Ok(())
    }
}

pub(super) fn address_key(address: &DeviceAddress) -> Key {
    Key::new([address.name.as_str(), &decimal(address.device)])
}

pub(super) fn device_of(key: &Key) -> Result<u32, StoreError> {
    key.last_part().parse().map_err(|error| malformed("address", error))
}

pub(super) fn prekey_key(id: u32) -> Key {
    let mut text = CompactString::default();
    // Writing into a string can't fail.
    let _ = write!(text, "{id:08x}");
    Key::from_stored(text)
}

pub(super) fn prekey_of(key: &Key) -> Result<u32, StoreError> {
    u32::from_str_radix(key.as_str(), 16).map_err(|error| malformed("prekey", error))
}

pub(super) fn sender_key_key(name: &SenderKeyName) -> Key {
    Key::new([name.group.as_str(), name.sender.name.as_str(), &decimal(name.sender.device)])
}

pub(super) fn user_key(user: &Jid) -> Key {
    Key::new([user.to_string().as_str()])
}

pub(super) fn user_of(value: &Bytes) -> Result<String, StoreError> {
    String::from_utf8(value.to_vec()).map_err(|error| malformed("LID mapping", error))
}

/// What the keys of all secrets of messages with this id have behind their time.
pub(super) fn with_id(id: &str) -> Key {
    Key::new([id, ""])
}

/// The end of the key of every message with this chat and id.
pub(super) fn chat_and_id(chat: &Jid, id: &str) -> Key {
    Key::new([chat.to_string().as_str(), id])
}

pub(super) fn app_state_key_key(id: &[u8]) -> Key {
    let mut text = CompactString::default();
    for byte in id {
        let _ = write!(text, "{byte:02x}");
    }
    Key::from_stored(text)
}

pub(super) fn app_state_record_key(name: &str, index: &[u8; 32]) -> Key {
    let mut text = CompactString::default();
    for byte in index {
        let _ = write!(text, "{byte:02x}");
    }
    Key::new([name, text.as_str()])
}

pub(super) fn app_state_index(key: &Key) -> Result<[u8; 32], StoreError> {
    let wrong = || malformed("index of the app state", "no 32 bytes in hexadecimal");
    let text = key.last_part();
    let mut index = [0; 32];
    if text.len() != 2 * index.len() {
        return Err(wrong());
    }
    for (number, byte) in index.iter_mut().enumerate() {
        let digits = text.get(2 * number..2 * number + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(index)
}

pub(super) fn peer_data_key(data: &PeerDataKey) -> Key {
    let sort = decimal(data.sort.number());
    Key::new([time(data.timestamp).as_str(), &sort, data.id.as_str()])
}

pub(super) fn number_key(number: u64) -> Key {
    let mut text = CompactString::default();
    let _ = write!(text, "{number:016x}");
    Key::from_stored(text)
}

pub(super) fn number_of(key: &Key) -> Result<u64, StoreError> {
    u64::from_str_radix(key.as_str(), 16).map_err(|error| malformed("number", error))
}

pub(super) fn time_of(key: &Key) -> Result<i64, StoreError> {
    let time = key.as_str().split('/').next().unwrap_or_default();
    let moved = u64::from_str_radix(time, 16).map_err(|error| malformed("sent message", error))?;
    Ok((moved ^ SIGN).cast_signed())
}

fn sent_message_key(sent: &SentMessage) -> Key {
    Key::new([time(sent.timestamp).as_str(), sent.chat.to_string().as_str(), sent.id.as_str()])
}

fn message_secret_key(message: &MessageSecret) -> Key {
    let chat = message.chat.to_string();
    Key::new([time(message.timestamp).as_str(), message.id.as_str(), chat.as_str()])
}

/// A time as text that sorts like the time.
fn time(millis: i64) -> CompactString {
    let mut text = CompactString::default();
    let _ = write!(text, "{:016x}", millis.cast_unsigned() ^ SIGN);
    text
}

fn decimal(number: u32) -> CompactString {
    use compact_str::ToCompactString as _;
    number.to_compact_string()
}

fn malformed(what: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt { what, source: error.into() }
}

/// The sign bit, which sorts the wrong way round.
const SIGN: u64 = 1 << 63;
