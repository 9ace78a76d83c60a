//! The companion's own record.

use crate::event::Event;
use crate::inbox::EventSource;
use bytes::Bytes;
use rand::{CryptoRng, RngExt};
use wa_binary::Jid;
use wa_crypto::{KeyPair, PrivateKey, Secret, Signature};
use wa_signal::{LocalIdentity, SignedPreKey};
use wa_store::{Device, LidMigration, SignedPreKeyRecord};

use super::Mirror;

/// Longest name that is learnt, in bytes: WhatsApp takes 25 characters.
const LONGEST_NAME: usize = 256;

/// Longest salt that is kept, in bytes: WhatsApp's has 32.
const LONGEST_SALT: usize = 64;

impl Mirror {
    /// Whether this is the own account, by phone number or LID.
    pub(crate) fn is_own_user(&self, jid: &Jid) -> bool {
        let jid = jid.to_user().unhosted();
        [&self.device.jid, &self.device.lid].into_iter().flatten().any(|own| own.is_same_user(&jid))
    }

    /// The device record has changed; it is stored with the next commit.
    pub(crate) fn device_changed(&mut self) {
        self.changes.device = Some(self.device.clone());
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
            self.inbox.push_once(Some(Event::OwnName { name: name.clone() }), EventSource::OwnName(name));
        }
    }

    /// Whether the name is to be announced anew; true once.
    pub(crate) fn take_name_news(&mut self) -> bool {
        std::mem::take(&mut self.name_is_news)
    }

    /// The phone has shared the salt of the account's tokens.
    pub(crate) fn learn_salt(&mut self, salt: Bytes) {
        if !(1..=LONGEST_SALT).contains(&salt.len()) {
            return;
        }
        if self.device.nct_salt.as_ref() != Some(&salt) {
            self.device.nct_salt = Some(salt);
            self.device_changed();
            self.must_commit();
        }
    }

    /// The account has no salt any more.
    pub(crate) fn forget_salt(&mut self) {
        if self.device.nct_salt.take().is_some() {
            self.device_changed();
            self.must_commit();
        }
    }

    /// Notes how far the account has moved to LIDs.
    pub(crate) fn set_lid_migration(&mut self, migration: LidMigration) {
        if self.device.lid_migration != migration {
            self.device.lid_migration = migration;
            self.device_changed();
            self.must_commit();
        }
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

pub(super) fn new_device(now: i64, random: &mut impl CryptoRng) -> Device {
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
