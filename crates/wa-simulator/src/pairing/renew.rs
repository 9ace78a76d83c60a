use std::sync::Arc;

use rand::Rng as _;
use wa_binary::Node;

use crate::{
    ControlError,
    account::{Account, CLOUD, Played, SignedKey},
    adv,
    phone::{self, PhoneKeys},
    world::World,
};

impl World {
    /// WhatsApp is installed anew on the phone: it has another identity and no companions. Who knows the account is told
    /// if `is_told` (PROTOCOL.md 17).
    pub(crate) fn reinstall(&self, account: &Arc<Account>, is_told: bool) {
        let mut rng = self.fork_rng();
        let keys = Arc::new(PhoneKeys::generate(&mut rng));
        let devices: Vec<u16> = account.directory().devices().into_iter().map(|(device, _)| device).collect();
        for device in devices.into_iter().filter(|device| *device > 0) {
            self.unlink(account, device, &mut rng);
        }
        let signed = SignedKey::of(&keys);
        account.directory().renew(keys.identity.registration_id, signed, rng.next_u32() >> 1);
        account.phone.renew(keys);
        // What the companions shared is gone with them.
        *account.app_state() = None;
        self.sign_key_indexes(account, &mut rng);
        if is_told {
            let notice = Node::new("notification").attr("from", account.lid()).child(Node::new("identity"));
            for number in account.directory().watchers() {
                if let Some(watcher) = self.account(&number).filter(|watcher| watcher != account) {
                    self.notify(&watcher, None, "encrypt", &notice);
                }
            }
        }
    }

    /// Links a device that the simulator plays itself: a companion, or the account's device in Meta's cloud.
    pub(crate) fn play(&self, account: &Arc<Account>, is_hosted: bool) -> Result<u16, ControlError> {
        let mut rng = self.fork_rng();
        let keys = Arc::new(PhoneKeys::generate(&mut rng));
        let limit = self.options.max_companions;
        let (device, key_index, raw_id) = {
            let mut directory = account.directory();
            let (device, key_index) = match is_hosted {
                true if directory.has_device(CLOUD) => return Err(ControlError::DeviceLimit(1)),
                true => (CLOUD, directory.next_key_index()),
                false => directory.reserve().ok_or(ControlError::DeviceLimit(limit))?,
            };
            (device, key_index, directory.raw_id)
        };
        let device_identity = adv::identity(
            &account.phone.keys().identity.key,
            &keys.identity.key,
            (raw_id, key_index),
            is_hosted,
            self.clock.unix_seconds(),
            &mut rng,
        );
        let (line, tasks) = phone::line(keys, self.options.limits.inbox, self.options.limits.sent);
        let played = Arc::new(Played { line, key_index, device_identity });
        account.directory().played.insert(device, played);
        self.sign_key_indexes(account, &mut rng);
        phone::spawn(self, (account, device), tasks, rng, self.age());
        self.announce_devices(account, "add", device, Some(key_index));
        Ok(device)
    }
}
