//! The keys that members of groups write with (PROTOCOL.md 10).

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use compact_str::CompactString;
use rand_chacha::ChaCha20Rng;
use wa_crypto::PublicKey;
use wa_signal::sender_key::{DecryptError, EncryptError, SenderKeyRecord};

use super::sessions::Address;

/// A phone's own keys, and those it was handed, by the group's id.
#[derive(Default)]
pub(super) struct SenderKeys {
    own: HashMap<CompactString, Own>,
    theirs: HashMap<(CompactString, Address), SenderKeyRecord>,
}

struct Own {
    key: SenderKeyRecord,
    /// The devices that have it, each with the identity that it had.
    holders: HashMap<Address, PublicKey>,
}

impl SenderKeys {
    /// Makes a new key for a group if somebody who has the present one is no longer among the `members`, by their numbers.
    pub(super) fn rotate(&mut self, group: &CompactString, members: &BTreeSet<CompactString>) {
        let is_left = |own: &mut Own| own.holders.keys().any(|holder| !members.contains(&holder.number));
        if self.own.get_mut(group).is_some_and(is_left) {
            self.own.remove(group);
        }
    }

    /// Whether a device has the present key of the group.
    pub(super) fn is_held_by(&self, group: &CompactString, holder: &Address, identity: &PublicKey) -> bool {
        self.own.get(group).is_some_and(|own| own.holders.get(holder) == Some(identity))
    }

    /// What hands the key of the group to others; made if there is none.
    pub(super) fn distribution(
        &mut self,
        group: &CompactString,
        rng: &mut ChaCha20Rng,
    ) -> Result<Bytes, EncryptError> {
        let own = self.own.entry(group.clone());
        let own = own.or_insert_with(|| Own { key: SenderKeyRecord::create(rng), holders: HashMap::new() });
        own.key.distribute().map(Bytes::from)
    }

    /// A device has been handed the key.
    pub(super) fn hand(&mut self, group: &CompactString, holder: Address, identity: PublicKey) {
        if let Some(own) = self.own.get_mut(group) {
            own.holders.insert(holder, identity);
        }
    }

    /// Encrypts a padded text for the group.
    pub(super) fn seal(
        &mut self,
        group: &CompactString,
        plaintext: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<u8>, EncryptError> {
        let own = self.own.get_mut(group).ok_or(EncryptError::NotOurs)?;
        own.key.encrypt(plaintext, rng)
    }

    /// Takes the key that a member hands out. What is no key is left alone.
    pub(super) fn take(&mut self, group: &CompactString, from: Address, distribution: &[u8]) {
        let theirs = self.theirs.entry((group.clone(), from)).or_insert_with(SenderKeyRecord::empty);
        if let Err(error) = theirs.process(distribution) {
            tracing::debug!(%error, "a sender key is malformed");
        }
    }

    /// Decrypts what a member wrote to the group.
    pub(super) fn open(
        &mut self,
        group: &CompactString,
        from: Address,
        message: &[u8],
    ) -> Option<Result<Vec<u8>, DecryptError>> {
        Some(self.theirs.get_mut(&(group.clone(), from))?.decrypt(message))
    }
}
