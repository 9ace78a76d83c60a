use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use wa_binary::Jid;

use crate::store::translate;
use crate::{
    Alias, AppStateKey, AppStateRecord, AppStateVersion, Batch, ChatTimer, Device, DeviceAddress, DeviceList,
    IdentityChange, KeyHolders, Limits, MessageSecret, PeerData, PeerDataKey, PrivacyToken, Seal,
    SenderKeyName, SentMessage, StoreError,
};

/// Everything that one step of the companion changes. All of it is stored, or none.
///
/// Applied in this order: `wipe`, then the rest. Within a list a later entry for the same key wins; `None` deletes,
/// and deleting what isn't there is no error. `prekeys_removed` is applied after `prekeys_added`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The new device record, replacing the old one.
    pub device: Option<Device>,
    /// Session records by address.
    pub sessions: Vec<(DeviceAddress, Option<Bytes>)>,
    /// Identity public keys by address.
    pub identities: Vec<(DeviceAddress, Option<[u8; 32]>)>,
    /// One-time prekeys: id and private key.
    pub prekeys_added: Vec<(u32, [u8; 32])>,
    /// One-time prekeys that were used up.
    pub prekeys_removed: Vec<u32>,
    /// Sender key records by chat and device; `None` removes one.
    pub sender_keys: Vec<(SenderKeyName, Option<Bytes>)>,
    /// The devices that have the own sender key of a group, by the group's JID as text; `None` forgets them.
    pub key_holders: Vec<(CompactString, Option<KeyHolders>)>,
    /// (phone number user, LID user). A pair replaces every older pair that names either of the two.
    pub lid_mappings: Vec<(CompactString, CompactString)>,
    /// What accounts are called that were looked up by a number (digits only), or had another LID (as a JID).
    pub aliases: Vec<(CompactString, Alias)>,
    /// Device lists by user JID (without device).
    pub device_lists: Vec<(Jid, Option<DeviceList>)>,
    /// Messages that left, kept for retry receipts. The store keeps a bounded number of the newest.
    pub sent_messages: Vec<SentMessage>,
    /// App state keys, by their id.
    pub app_state_keys: Vec<AppStateKey>,
    /// How far collections of the app state are known, by their names.
    pub app_states: Vec<(CompactString, AppStateVersion)>,
    /// What stands for records of the app state.
    pub app_state_records: Vec<AppStateRecord>,
    /// How many items of pieces of the history have been told. `None`: all of them, and the piece is forgotten.
    pub history_progress: Vec<(PeerDataKey, Option<u64>)>,
    /// What the phone told, kept as it came. The store keeps the newest [`PeerData::KEPT`].
    pub peer_data: Vec<PeerData>,
    /// Tokens by LID user.
    pub privacy_tokens: Vec<(CompactString, PrivacyToken)>,
    /// New limits, replacing the old ones.
    pub limits: Option<Limits>,
    /// What was received and is not known to be recorded elsewhere, by a number that counts up. It stands in for what
    /// the sessions in the same change set can't decrypt a second time.
    pub inbox: Vec<(u64, Option<Bytes>)>,
    /// Users (without device) whose identity is another one from now on.
    pub identity_changes: Vec<(Jid, IdentityChange)>,
    /// Timers of chats, by user (without device).
    pub chat_timers: Vec<(Jid, ChatTimer)>,
    /// Secrets of polls and events. The store keeps the newest [`MessageSecret::KEPT`].
    pub message_secrets: Vec<MessageSecret>,
    /// Messages that could not be read and that the phone is asked for, by a number that counts up.
    pub missed: Vec<(u64, Option<Bytes>)>,
    /// A confirmed logout: forget everything first.
    pub wipe: bool,
}

impl Changes {
    /// A change set that only forgets everything.
    pub fn forget() -> Self {
        Self { wipe: true, ..Self::default() }
    }

    /// The batch that [`Store::commit`](crate::Store::commit) applies for it, apart from the removal of old sent messages: for
    /// a backend that takes over what was kept in another form.
    pub fn into_batch(self, seal: &dyn Seal) -> Result<Batch, StoreError> {
        translate::batch(self, seal, false)
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Appends a later change set to this one, so that both are stored together.
    pub fn append(&mut self, later: Self) {
        if later.wipe {
            *self = later;
            return;
        }
        self.device = later.device.or(self.device.take());
        self.sessions.extend(later.sessions);
        self.identities.extend(later.identities);
        // Removals win over additions within one change set, so one that an addition follows must go.
        self.prekeys_removed.retain(|removed| later.prekeys_added.iter().all(|(added, _)| added != removed));
        self.prekeys_added.extend(later.prekeys_added);
        self.prekeys_removed.extend(later.prekeys_removed);
        self.sender_keys.extend(later.sender_keys);
        self.key_holders.extend(later.key_holders);
        self.lid_mappings.extend(later.lid_mappings);
        self.aliases.extend(later.aliases);
        self.device_lists.extend(later.device_lists);
        self.sent_messages.extend(later.sent_messages);
        self.app_state_keys.extend(later.app_state_keys);
        self.app_states.extend(later.app_states);
        self.app_state_records.extend(later.app_state_records);
        // A piece that comes again after it was forgotten stays forgotten only until then.
        self.history_progress.retain(|(key, _)| later.peer_data.iter().all(|data| data.key() != *key));
        self.peer_data.extend(later.peer_data);
        self.history_progress.extend(later.history_progress);
        self.privacy_tokens.extend(later.privacy_tokens);
        self.limits = later.limits.or(self.limits.take());
        self.inbox.extend(later.inbox);
        self.identity_changes.extend(later.identity_changes);
        self.chat_timers.extend(later.chat_timers);
        self.message_secrets.extend(later.message_secrets);
        self.missed.extend(later.missed);
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("wipe", &self.wipe)
            .field("device", &self.device)
            .field("sessions", &self.sessions.len())
            .field("identities", &self.identities.len())
            .field("prekeys_added", &self.prekeys_added.len())
            .field("prekeys_removed", &self.prekeys_removed.len())
            .field("sender_keys", &self.sender_keys.len())
            .field("key_holders", &self.key_holders.len())
            .field("lid_mappings", &self.lid_mappings.len())
            .field("aliases", &self.aliases.len())
            .field("device_lists", &self.device_lists.len())
            .field("sent_messages", &self.sent_messages.len())
            .field("app_state_keys", &self.app_state_keys.len())
            .field("app_states", &self.app_states)
            .field("app_state_records", &self.app_state_records.len())
            .field("history_progress", &self.history_progress.len())
            .field("peer_data", &self.peer_data.len())
            .field("privacy_tokens", &self.privacy_tokens.len())
            .field("limits", &self.limits)
            .field("inbox", &self.inbox.len())
            .field("identity_changes", &self.identity_changes.len())
            .field("chat_timers", &self.chat_timers.len())
            .field("message_secrets", &self.message_secrets.len())
            .field("missed", &self.missed.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_wipe_drops_what_came_before() {
        let mut changes = Changes::default();
        changes.prekeys_added.push((1, [1; 32]));
        changes.append(Changes::forget());
        assert_eq!(changes, Changes::forget());
    }

    #[test]
    fn appended_changes_keep_their_order() {
        let address = DeviceAddress::new("1", 0);
        let mut changes = Changes::default();
        changes.sessions.push((address.clone(), Some(Bytes::from_static(b"old"))));
        let mut later = Changes::default();
        later.sessions.push((address.clone(), Some(Bytes::from_static(b"new"))));
        changes.append(later);
        assert_eq!(changes.sessions.last(), Some(&(address, Some(Bytes::from_static(b"new")))));
    }

    #[test]
    fn a_prekey_that_is_added_after_a_removal_stays() {
        let mut changes = Changes { prekeys_removed: vec![1, 2], ..Changes::default() };
        changes.append(Changes { prekeys_added: vec![(1, [7; 32])], ..Changes::default() });
        assert_eq!((changes.prekeys_added, changes.prekeys_removed), (vec![(1, [7; 32])], vec![2]));
    }

    #[test]
    fn debug_counts_and_shows_no_bytes() {
        let mut changes = Changes::default();
        changes.prekeys_added.push((1, [0xab; 32]));
        changes.sessions.push((DeviceAddress::new("15550000001", 0), Some(Bytes::from_static(b"ratchet"))));
        let text = format!("{changes:?}");
        assert!(text.contains("prekeys_added: 1") && text.contains("sessions: 1"));
        assert!(!text.contains("171") && !text.contains("ratchet") && !text.contains("1555"));
    }
}
