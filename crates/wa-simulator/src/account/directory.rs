use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use crate::phone::Reuploads;

use super::{CLOUD, Companion, Played, Restriction, SignedKey, Standing, Trust};

/// Highest device id of companions: the next one, the last that clients take (PROTOCOL.md 6.2), is for the cloud.
const MAX_DEVICE: u16 = CLOUD - 1;
/// Accounts that are told when devices change; past that the ones with the lowest numbers are.
const MAX_WATCHERS: usize = 5_000;

/// The server's record of an account: its devices and their published keys, and its settings.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The name that others see.
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) picture: Option<Picture>,
    /// The phone's published keys. One-time keys of phones are made as they are asked for.
    pub(crate) registration_id: u32,
    pub(crate) signed_prekey: SignedKey,
    next_phone_prekey: u32,
    pub(crate) companions: BTreeMap<u16, Companion>,
    /// Devices that the simulator plays itself.
    pub(crate) played: BTreeMap<u16, Arc<Played>>,
    last_device: u16,
    last_key_index: u32,
    /// Random number of the account's device list.
    pub(crate) raw_id: u32,
    /// The signed list of valid key indexes, and when it was signed.
    pub(crate) key_index_list: (Bytes, u64),
    /// The devices when it was signed.
    listed: Vec<(u16, Option<u32>)>,
    /// The devices and the signed list before the last change.
    pub(crate) outdated: Option<Outdated>,
    /// Numbers of accounts that asked for the devices, and are told when they change.
    watchers: BTreeSet<CompactString>,
    /// Numbers of blocked users.
    pub(crate) blocked: BTreeSet<CompactString>,
    pub(crate) privacy: BTreeMap<CompactString, CompactString>,
    /// Who sees what the account posts to its status; nothing until its owner sets something.
    pub(crate) status_privacy: Option<StatusPrivacy>,
    /// Companions that subscribed to the presence, by number and device.
    pub(crate) subscribers: BTreeMap<(CompactString, u16), Subscription>,
    /// Whether its owner has accepted the terms for newsletters.
    pub(crate) has_agreed: bool,
    /// How long messages of new chats are kept, in seconds; 0 means for ever.
    pub(crate) default_expiration: u32,
    pub(crate) last_seen: Option<u64>,
    /// Tokens that were issued and received, and acquaintances.
    pub(crate) trust: Trust,
    /// Bans and limits.
    pub(crate) standing: Standing,
    /// Who may write to it.
    pub(crate) restriction: Restriction,
    /// Its phone tells companions nothing by itself, and answers nothing they ask.
    pub(crate) is_silent: bool,
    /// What the phone does when it is asked for files.
    pub(crate) reuploads: Reuploads,
    /// It is linked to companions only with a passkey.
    pub(crate) has_passkey: bool,
    /// What its phone shows while it is linked with a passkey, for the person to compare.
    pub(crate) passkey_code: Option<String>,
    /// Whether the account's chats are keyed by LID: it writes by LID then, and by phone number before.
    pub(crate) lid_migrated: bool,
    /// Whether nobody is told the account's LID.
    pub(crate) hides_lid: bool,
}

/// Devices as they were once, and the signed list of that time.
pub(crate) type Outdated = (Vec<(u16, Option<u32>)>, (Bytes, u64));

/// Who sees what an account posts to its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusPrivacy {
    /// Everybody in the address book.
    Contacts,
    /// Everybody in the address book but these numbers.
    AllBut(Vec<String>),
    /// These numbers alone.
    Only(Vec<String>),
}

/// A profile picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) id: CompactString,
    pub(crate) file: crate::media::Key,
}

/// Somebody wants to hear when an account comes and goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    /// The form of address that was used.
    pub(crate) addressing: super::Addressing,
    /// The connection that subscribed: with it the subscription ends.
    pub(crate) connection: u64,
}

/// What others may see of an account being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Available,
    Unavailable { last_seen: Option<u64> },
}

impl Directory {
    pub(crate) fn new(name: String, registration_id: u32, signed_prekey: SignedKey, raw_id: u32) -> Self {
        Self {
            name,
            about: "Hey there! I am using WhatsApp.".to_owned(),
            picture: None,
            registration_id,
            signed_prekey,
            next_phone_prekey: 1,
            companions: BTreeMap::new(),
            played: BTreeMap::new(),
            last_device: 0,
            last_key_index: 0,
            raw_id,
            key_index_list: (Bytes::new(), 0),
            listed: Vec::new(),
            outdated: None,
            watchers: BTreeSet::new(),
            blocked: BTreeSet::new(),
            privacy: default_privacy(),
            status_privacy: None,
            subscribers: BTreeMap::new(),
            has_agreed: false,
            default_expiration: 0,
            last_seen: None,
            trust: Trust::default(),
            standing: Standing::default(),
            restriction: Restriction::None,
            is_silent: false,
            reuploads: Reuploads::default(),
            has_passkey: false,
            passkey_code: None,
            lid_migrated: true,
            hides_lid: false,
        }
    }

    /// Device id and key index for a companion that is being paired. Ids are not reused until they run out.
    pub(crate) fn reserve(&mut self) -> Option<(u16, u32)> {
        let after = self.last_device + 1..=MAX_DEVICE;
        let device = after.chain(1..=MAX_DEVICE).find(|device| !self.has_device(*device))?;
        self.last_device = device;
        Some((device, self.next_key_index()))
    }

    /// The index of the next device that the account vouches for.
    pub(crate) fn next_key_index(&mut self) -> u32 {
        self.last_key_index += 1;
        self.last_key_index
    }

    /// A new installation on the phone: other keys, no devices beside it, and a list of devices that begins anew.
    pub(crate) fn renew(&mut self, registration_id: u32, signed_prekey: SignedKey, raw_id: u32) {
        self.registration_id = registration_id;
        self.signed_prekey = signed_prekey;
        self.raw_id = raw_id;
        self.next_phone_prekey = 1;
    }

    /// The id for the next one-time prekey of the phone.
    pub(crate) fn take_phone_prekey(&mut self) -> u32 {
        let id = self.next_phone_prekey;
        self.next_phone_prekey = if id >= 0xff_ffff { 1 } else { id + 1 };
        id
    }

    /// All devices: the phone, then the companions with their key indexes.
    pub(crate) fn devices(&self) -> Vec<(u16, Option<u32>)> {
        let companions = self.companions.iter().map(|(id, companion)| (*id, Some(companion.key_index)));
        let played = self.played.iter().map(|(id, played)| (*id, Some(played.key_index)));
        std::iter::once((0, None)).chain(companions).chain(played).collect()
    }

    /// The phone has signed a list of the devices as they are now.
    pub(crate) fn has_signed(&mut self, list: Bytes, at: u64) {
        let devices = self.devices();
        let before = std::mem::replace(&mut self.listed, devices);
        let list = std::mem::replace(&mut self.key_index_list, (list, at));
        self.outdated = Some((before, list)).filter(|(before, _)| !before.is_empty());
    }

    pub(crate) fn has_device(&self, device: u16) -> bool {
        device == 0 || self.companions.contains_key(&device) || self.played.contains_key(&device)
    }

    /// Highest key index and those that are valid, for the signed list.
    pub(crate) fn key_indexes(&self) -> (u32, Vec<u32>) {
        // The phone's own index is 0.
        let linked = self.devices().into_iter().filter_map(|(_, index)| index);
        let valid = std::iter::once(0).chain(linked);
        (self.last_key_index, valid.collect())
    }

    /// Remembers that `number` knows the devices.
    pub(crate) fn watch(&mut self, number: &CompactString) {
        if !self.watchers.contains(number) {
            self.watchers.insert(number.clone());
            if self.watchers.len() > MAX_WATCHERS {
                self.watchers.pop_last();
            }
        }
    }

    pub(crate) fn watchers(&self) -> Vec<CompactString> {
        self.watchers.iter().cloned().collect()
    }

    /// The name that what a device sends goes under: phones always have one, companions only what they announced
    /// (PROTOCOL.md 26). `-` stands for none.
    pub(crate) fn announced_name(&self, device: u16) -> CompactString {
        let connection = |companion: &Companion| companion.connection.as_ref()?.name.clone();
        match device {
            0 => self.name.as_str().into(),
            _ => self.companions.get(&device).and_then(connection).unwrap_or_else(|| "-".into()),
        }
    }

    pub(crate) fn presence(&self) -> Presence {
        let is_there =
            |companion: &Companion| companion.connection.as_ref().is_some_and(|live| live.is_available);
        if self.companions.values().any(is_there) {
            Presence::Available
        } else {
            Presence::Unavailable { last_seen: self.last_seen }
        }
    }
}

fn default_privacy() -> BTreeMap<CompactString, CompactString> {
    let settings = [
        ("groupadd", "all"),
        ("last", "all"),
        ("status", "all"),
        ("profile", "all"),
        ("readreceipts", "all"),
        ("online", "all"),
        ("calladd", "all"),
        ("messages", "all"),
        ("defense", "off"),
        ("stickers", "contacts"),
    ];
    settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}
