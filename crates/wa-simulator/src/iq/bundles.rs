use std::sync::Arc;

use bytes::Bytes;
use wa_binary::Node;
use wa_crypto::PublicKey;
use wa_signal::Bundle;

use crate::{account::Account, faults::FaultKind, phone::PhoneKeys, stanza, world::World};

/// What the server hands out about a device.
pub(crate) struct TakenBundle {
    pub(crate) keys: Bundle,
    /// An encoded `ADVSignedDeviceIdentity`; phones have none.
    pub(crate) device_identity: Option<Bytes>,
}

impl World {
    /// The identity key that a device registered with.
    pub(crate) fn identity_of(&self, account: &Account, device: u16) -> Option<PublicKey> {
        match device {
            0 => Some(account.identity()),
            _ => {
                let directory = account.directory();
                let played = directory.played.get(&device);
                let played = played.map(|played| *played.line.keys().identity.key.public());
                played.or_else(|| Some(directory.companions.get(&device)?.identity))
            }
        }
    }

    /// A device's bundle, with a one-time prekey that nobody else will get. Asks the device for more keys
    /// when they run low.
    pub(crate) fn take_bundle(&self, account: &Arc<Account>, device: u16) -> Option<TakenBundle> {
        let is_dry = self.faults.holds(&account.number, device, |kind| *kind == FaultKind::EmptyPrekeys);
        if device == 0 {
            return Some(self.phone_bundle(account, is_dry));
        }
        let played = account.directory().played.get(&device).cloned();
        if let Some(played) = played {
            let prekey = (!is_dry).then(|| account.directory().take_phone_prekey());
            // Copies of the server lack the account's key only where it comes from a client; clients take both.
            let device_identity = Some(played.device_identity.clone());
            return Some(TakenBundle { keys: bundle_of(&played.line.keys(), prekey), device_identity });
        }
        let (bundle, left) = {
            let mut directory = account.directory();
            let companion = directory.companions.get_mut(&device)?;
            let prekey = if is_dry { None } else { companion.prekeys.take() };
            let keys = Bundle {
                registration_id: companion.registration_id,
                identity: companion.identity,
                signed_prekey_id: companion.signed_prekey.id,
                signed_prekey: companion.signed_prekey.public,
                signed_prekey_signature: companion.signed_prekey.signature,
                prekey,
            };
            let device_identity = Some(companion.device_identity.clone());
            let left = companion.prekeys.len();
            let is_low = left < self.options.prekeys_low && !companion.asked_for_prekeys;
            companion.asked_for_prekeys |= is_low;
            (TakenBundle { keys, device_identity }, is_low.then_some(left))
        };
        if let Some(left) = left {
            let count = Node::new("count").attr("value", left);
            self.notify_device(account, device, "encrypt", &stanza::from_server("notification").child(count));
        }
        Some(bundle)
    }

    fn phone_bundle(&self, account: &Account, is_dry: bool) -> TakenBundle {
        let prekey = (!is_dry).then(|| account.directory().take_phone_prekey());
        TakenBundle { keys: bundle_of(&account.phone.keys(), prekey), device_identity: None }
    }
}

/// What is published of these keys, with the one-time prekey of this id.
fn bundle_of(keys: &PhoneKeys, prekey: Option<u32>) -> Bundle {
    let PhoneKeys { identity, signed_prekey, .. } = keys;
    Bundle {
        registration_id: identity.registration_id,
        identity: *identity.key.public(),
        signed_prekey_id: signed_prekey.id,
        signed_prekey: *signed_prekey.key.public(),
        signed_prekey_signature: signed_prekey.signature,
        prekey: prekey.map(|id| (id, *keys.prekey(id).public())),
    }
}
