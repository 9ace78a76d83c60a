use std::sync::Arc;

use bytes::Bytes;
use wa_binary::Node;
use wa_crypto::PublicKey;
use wa_signal::Bundle;

use crate::{account::Account, faults::FaultKind, stanza, world::World};

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
            0 => Some(account.identity),
            _ => Some(account.directory().companions.get(&device)?.identity),
        }
    }

    /// A device's bundle, with a one-time prekey that nobody else will get. Asks the device for more keys
    /// when they run low.
    pub(crate) fn take_bundle(&self, account: &Arc<Account>, device: u16) -> Option<TakenBundle> {
        let is_dry = self.faults.holds(&account.number, device, |kind| *kind == FaultKind::EmptyPrekeys);
        if device == 0 {
            return Some(self.phone_bundle(account, is_dry));
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
        let (registration_id, signed, prekey) = {
            let mut directory = account.directory();
            let prekey = (!is_dry).then(|| directory.take_phone_prekey());
            (directory.registration_id, directory.signed_prekey.clone(), prekey)
        };
        let keys = Bundle {
            registration_id,
            identity: account.identity,
            signed_prekey_id: signed.id,
            signed_prekey: signed.public,
            signed_prekey_signature: signed.signature,
            prekey: prekey.map(|id| (id, *account.phone.keys.prekey(id).public())),
        };
        TakenBundle { keys, device_identity: None }
    }
}
