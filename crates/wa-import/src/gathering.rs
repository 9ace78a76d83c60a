//! What is found in a store, until all of it is known.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use compact_str::CompactString;
use wa_signal::Session;
use wa_signal::parts::SessionParts;
use wa_signal::sender_key::SenderKeyRecord;
use wa_store::{
    AppStateKey, AppStateRecord, AppStateVersion, Changes, Device, DeviceAddress, KeyHolders, PrivacyToken,
    SenderKeyName,
};

use crate::import::{Contact, Counts, Import, LeftOut};
use crate::{ImportError, MAX_TOTAL, MAX_VALUE, Problem};

#[derive(Default)]
pub(crate) struct Gathering {
    sessions: BTreeMap<DeviceAddress, (Bytes, [u8; 32])>,
    identities: BTreeMap<DeviceAddress, [u8; 32]>,
    prekeys: BTreeMap<u32, [u8; 32]>,
    sender_keys: BTreeMap<SenderKeyName, Bytes>,
    key_holders: BTreeMap<CompactString, KeyHolders>,
    app_state_keys: Vec<AppStateKey>,
    app_states: BTreeMap<CompactString, (AppStateVersion, Vec<AppStateRecord>)>,
    /// LID users by number.
    lids: BTreeMap<CompactString, CompactString>,
    /// Numbers by LID user.
    pns: BTreeMap<CompactString, CompactString>,
    tokens: Vec<(TokenOf, PrivacyToken)>,
    contacts: Vec<Contact>,
    left_out: Vec<LeftOut>,
    left_out_count: usize,
    passed_over: usize,
    bytes: usize,
}

/// Whose token it is.
pub(crate) enum TokenOf {
    /// A user by LID.
    Lid(CompactString),
    /// A user by number, whose LID has to be known.
    Pn(CompactString),
}

impl Gathering {
    /// Counts the bytes of a value.
    ///
    /// # Errors
    /// When it is too large. What a store has too much is told at the end.
    pub(crate) fn weigh(&mut self, value: &[u8]) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(value.len());
        if value.len() > MAX_VALUE { Err(Problem::TooLarge { most: MAX_VALUE }) } else { Ok(()) }
    }

    /// The same for a store that is one value.
    pub(crate) fn weigh_store(&mut self, value: &[u8]) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(value.len());
        if self.is_full() { Err(Problem::TooLarge { most: MAX_TOTAL }) } else { Ok(()) }
    }

    /// Whether the store is larger than one may be, so that nothing more is to be read.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes > MAX_TOTAL
    }

    pub(crate) fn session(&mut self, address: DeviceAddress, parts: SessionParts) {
        let identity = *parts.current.remote_identity.as_bytes();
        let record = Session::from_parts(parts).to_record(0);
        self.sessions.insert(address, (record.into(), identity));
    }

    pub(crate) fn identity(&mut self, address: DeviceAddress, key: [u8; 32]) {
        self.identities.insert(address, key);
    }

    pub(crate) fn prekey(&mut self, id: u32, key: [u8; 32]) {
        self.prekeys.insert(id, key);
    }

    pub(crate) fn last_prekey(&self) -> Option<u32> {
        self.prekeys.keys().next_back().copied()
    }

    pub(crate) fn sender_key(&mut self, name: SenderKeyName, mut record: SenderKeyRecord) {
        if !record.is_empty() {
            self.sender_keys.insert(name, record.to_record(0).into());
        }
    }

    pub(crate) fn key_holders(&mut self, group: CompactString, holders: KeyHolders) {
        self.key_holders.insert(group, holders);
    }

    pub(crate) fn app_state_key(&mut self, key: AppStateKey) {
        self.app_state_keys.push(key);
    }

    pub(crate) fn app_state(
        &mut self,
        name: CompactString,
        version: AppStateVersion,
        records: Vec<AppStateRecord>,
    ) {
        self.app_states.insert(name, (version, records));
    }

    pub(crate) fn lid(&mut self, pn: CompactString, lid: CompactString) {
        self.pns.insert(lid.clone(), pn.clone());
        self.lids.insert(pn, lid);
    }

    /// The LID of a number.
    pub(crate) fn lid_of(&self, pn: &str) -> Option<&CompactString> {
        self.lids.get(pn)
    }

    /// The number of a LID.
    pub(crate) fn pn_of(&self, lid: &str) -> Option<&CompactString> {
        self.pns.get(lid)
    }

    pub(crate) fn token(&mut self, of: TokenOf, token: PrivacyToken) {
        self.tokens.push((of, token));
    }

    pub(crate) fn contact(&mut self, contact: Contact) {
        self.contacts.push(contact);
    }

    pub(crate) fn leave_out(&mut self, place: impl Into<String>, problem: Problem) {
        self.left_out_count += 1;
        if self.left_out.len() < Import::MOST_LEFT_OUT {
            self.left_out.push(LeftOut { place: place.into(), problem });
        }
    }

    pub(crate) fn pass_over(&mut self) {
        self.passed_over += 1;
    }

    /// Everything together, with the device.
    ///
    /// # Errors
    /// When the store is larger than one may be.
    pub(crate) fn finish(mut self, device: Device) -> Result<Import, ImportError> {
        if self.is_full() {
            return Err(ImportError::TooLarge { most: MAX_TOTAL });
        }
        if let (Some(pn), Some(lid)) = (&device.jid, &device.lid) {
            self.lid(pn.user.clone(), lid.user.clone());
        }
        self.move_to_lids();
        for own in [&device.jid, &device.lid].into_iter().flatten().map(DeviceAddress::from) {
            self.forget_own(&own);
        }
        for (address, (_, identity)) in &self.sessions {
            self.identities.entry(address.clone()).or_insert(*identity);
        }
        let tokens = self.tokens_by_lid();
        let counts = self.counts(tokens.len());
        let mut changes = Changes { device: Some(device), ..Changes::default() };
        let sessions = self.sessions.into_iter().map(|(address, (record, _))| (address, Some(record)));
        changes.sessions.extend(sessions);
        changes.identities.extend(self.identities.into_iter().map(|(address, key)| (address, Some(key))));
        changes.prekeys_added.extend(self.prekeys);
        changes.sender_keys.extend(self.sender_keys.into_iter().map(|(name, key)| (name, Some(key))));
        changes.key_holders.extend(self.key_holders.into_iter().map(|(group, who)| (group, Some(who))));
        changes.lid_mappings.extend(self.lids);
        changes.app_state_keys = self.app_state_keys;
        for (name, (version, records)) in self.app_states {
            changes.app_states.push((name, version));
            changes.app_state_records.extend(records);
        }
        changes.privacy_tokens = tokens;
        Ok(Import { changes, contacts: self.contacts, left_out: self.left_out, counts })
    }

    /// Sessions, identities and sender keys of people whose LID is known are looked for there, in chats by number, too.
    fn move_to_lids(&mut self) {
        let lids = &self.lids;
        let moved = |address: &DeviceAddress| {
            let lid = lids.get(address.name.as_str())?;
            // 1 is the domain of LIDs in Signal's names.
            Some(DeviceAddress::new(format!("{lid}_1"), address.device))
        };
        rename(&mut self.sessions, moved);
        rename(&mut self.identities, moved);
        rename(&mut self.sender_keys, |name: &SenderKeyName| {
            Some(SenderKeyName::new(name.group.clone(), moved(&name.sender)?))
        });
        for holders in self.key_holders.values_mut() {
            *holders = holders.iter().map(|holder| moved(holder).unwrap_or_else(|| holder.clone())).collect();
        }
    }

    /// Baileys hands its own keys to itself, too.
    fn forget_own(&mut self, own: &DeviceAddress) {
        self.sessions.remove(own);
        self.identities.remove(own);
        for holders in self.key_holders.values_mut() {
            holders.remove(own);
        }
    }

    fn tokens_by_lid(&mut self) -> Vec<(CompactString, PrivacyToken)> {
        let mut taken = BTreeSet::new();
        let mut tokens = Vec::new();
        for (of, token) in std::mem::take(&mut self.tokens) {
            let lid = match of {
                TokenOf::Lid(lid) => Some(lid),
                TokenOf::Pn(pn) => self.lids.get(&pn).cloned(),
            };
            match lid {
                Some(lid) if taken.insert(lid.clone()) => tokens.push((lid, token)),
                _ => self.passed_over += 1,
            }
        }
        tokens
    }

    fn counts(&self, privacy_tokens: usize) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            identities: self.identities.len(),
            prekeys: self.prekeys.len(),
            sender_keys: self.sender_keys.len(),
            app_state_keys: self.app_state_keys.len(),
            app_states: self.app_states.len(),
            lid_mappings: self.lids.len(),
            privacy_tokens,
            contacts: self.contacts.len(),
            left_out: self.left_out_count,
            passed_over: self.passed_over,
        }
    }
}

/// Gives entries their new names, unless there is one under that.
fn rename<K: Clone + Ord, V>(entries: &mut BTreeMap<K, V>, name: impl Fn(&K) -> Option<K>) {
    let named: Vec<_> = entries.keys().filter_map(|old| Some((old.clone(), name(old)?))).collect();
    for (old, new) in named {
        if let Some(entry) = entries.remove(&old) {
            entries.entry(new).or_insert(entry);
        }
    }
}
