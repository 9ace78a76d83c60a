mod app_state;
mod chat_timers;
mod device;
mod device_lists;
mod groups;
mod identities;
mod people;
mod secrets;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use rand::CryptoRng;
use tokio::task::JoinHandle;
use wa_appstate::Collection;
use wa_binary::Jid;
use wa_crypto::{KeyPair, PrivateKey};
use wa_signal::{LocalIdentity, PreKey};
use wa_store::{
    Changes, ChatTimer, Device, DeviceList, KeyHolders, Limits, MessageSecret, SentMessage, Store, StoreError,
};

use crate::alias::Aliases;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::Event;
use crate::group::Group;
use crate::inbox::{EventSource, Inbox};
use crate::letters::Letters;
use crate::lid::Lids;
use crate::missed::Missed;
use crate::pieces::HistoryReader;
use crate::ratchets::{SenderKeys, Sessions};
use crate::retry::RetryCounts;
use crate::sent::RecentlySent;
use crate::status::StatusAudience;
use crate::tokens::Tokens;

pub(crate) use app_state::{Applied, told as app_state_told};
use chat_timers::CACHED_TIMERS;
use device::new_device;
pub(crate) use device::signed_prekey_record;
use device_lists::CACHED_DEVICE_LISTS;
use groups::CACHED_GROUPS;
pub(crate) use people::{Whereabouts, hosted};
use secrets::CACHED_SECRETS;
pub(crate) use secrets::Holder;

/// Messages that are known to have been told, of the latest: a server that missed a receipt delivers them again.
const REMEMBERED_ARRIVALS: usize = 256;

/// Messages of ours that are known to have arrived, of the latest: more than are sent again after a change of identity.
const REMEMBERED_DELIVERIES: usize = 1024;

/// A companion's records in memory, beyond a single connection: the device record, bounded caches over the store,
/// and what differs from what is stored.
pub(crate) struct Mirror {
    pub(crate) device: Device,
    pub(crate) local: LocalIdentity,
    pub(crate) sessions: Sessions,
    pub(crate) sender_keys: SenderKeys,
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
    pub(crate) fresh_prekeys: Option<JoinHandle<Option<Vec<PreKey>>>>,
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
    /// `None`: nothing is stored.
    chat_timers: Cache<Jid, Option<ChatTimer>>,
    /// Collections of the app state in which there is something new.
    pub(crate) stale_collections: BTreeSet<Collection>,
    /// Collections in the clear that the phone has sent: each a `SyncdSnapshotRecovery`.
    pub(crate) recoveries: Vec<Bytes>,
    /// Where the reading of the phone's history stands.
    pub(crate) history: HistoryReader,
    /// Questions to the own phone that have not left.
    pub(crate) letters: Letters,
    groups: Cache<Jid, Arc<Group>>,
    /// Whom posts to the status go to, while there are some under way.
    pub(crate) status: Option<Arc<StatusAudience>>,
    key_holders: Cache<Jid, KeyHolders>,
    /// Secrets of polls and events, by chat and id.
    secrets: Cache<(Jid, CompactString), Arc<MessageSecret>>,
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
            sender_keys: SenderKeys::new(config.session_cache),
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
            chat_timers: Cache::new(CACHED_TIMERS),
            stale_collections: BTreeSet::new(),
            recoveries: Vec::new(),
            history: HistoryReader::default(),
            letters: Letters::default(),
            groups: Cache::new(CACHED_GROUPS),
            status: None,
            key_holders: Cache::new(CACHED_GROUPS),
            secrets: Cache::new(CACHED_SECRETS),
            changes: Changes::default(),
            urgent: false,
        }
    }

    /// The server's clock in Unix milliseconds, as far as known.
    pub(crate) fn server_millis(&self, clock: &dyn Clock) -> i64 {
        clock.unix_millis().saturating_add(self.device.server_clock_offset.saturating_mul(1000))
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
        let is_changed = self.sessions.is_changed() || self.sender_keys.is_changed();
        let marks = self.inbox.accepted_marks();
        self.urgent |= !recorded.is_empty() || !marks.is_empty() || is_changed;
        self.changes.inbox.extend(recorded);
        self.changes.history_progress.extend(marks);
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
        changes.sender_keys.extend(self.sender_keys.records());
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
            let source = EventSource::Limits(limits.to_record().into());
            self.inbox.push_once(Some(Event::Limits(limits.clone())), source);
        }
        self.limits = limits;
    }

    /// Remembers a message for retry receipts.
    pub(crate) fn remember_sent(&mut self, sent: SentMessage) {
        self.sent.push(sent);
    }

    /// Forgets a one-time prekey that was used up.
    pub(crate) fn use_prekey(&mut self, id: u32) {
        self.changes.prekeys_removed.push(id);
    }

    /// Whether a one-time prekey was used up, though the store may not know it yet.
    pub(crate) fn has_used_prekey(&self, id: u32) -> bool {
        self.changes.prekeys_removed.contains(&id)
    }

    /// A device of the other side of this chat has the message.
    pub(crate) fn delivered(&mut self, chat: &Jid, id: &str) {
        self.delivered.put((chat.clone(), id.into()), ());
    }

    /// Whether a message is known to have arrived.
    pub(crate) fn is_delivered(&self, chat: &Jid, id: &str) -> bool {
        self.delivered.contains(&(chat.clone(), CompactString::from(id)))
    }

    /// Empties the caches of an idle companion; what is returned gives unused leases back and stores what waited.
    pub(crate) fn release(&mut self) -> Changes {
        let mut changes = self.take_changes();
        changes.sessions.extend(self.sessions.release());
        changes.sender_keys.extend(self.sender_keys.release());
        self.lids.release();
        self.aliases.release();
        self.tokens.release();
        drop(self.device_lists.take());
        drop(self.chat_timers.take());
        drop(self.groups.take());
        self.status = None;
        drop(self.key_holders.take());
        drop(self.secrets.take());
        drop(self.arrived.take());
        changes
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("device", &self.device).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
