use std::sync::Arc;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use wa_binary::{Jid, Node, phash};

use super::Registration;
use crate::{
    Addressing, ControlError,
    account::{Account, Companion},
    stanza,
    world::World,
};

impl World {
    /// Makes a client a companion, and tells those who know the account's devices.
    pub(crate) fn link(
        &self,
        account: &Arc<Account>,
        device: u16,
        (registration, key_index, identity): (Registration, u32, Bytes),
        rng: &mut ChaCha20Rng,
    ) -> Result<(), ControlError> {
        let companion = Companion::new(registration, key_index, identity, self.clock.unix_seconds());
        {
            let mut directory = account.directory();
            // Another pairing may have been faster.
            if directory.companions.len() >= self.options.max_companions {
                return Err(ControlError::DeviceLimit(self.options.max_companions));
            }
            directory.companions.insert(device, companion);
        }
        self.sign_key_indexes(account, rng);
        self.announce_devices(account, "add", device, Some(key_index));
        Ok(())
    }

    /// Unlinks a companion: its connection ends with `device_removed`, and others are told.
    pub(crate) fn unlink(&self, account: &Arc<Account>, device: u16, rng: &mut ChaCha20Rng) -> bool {
        let Some(key_index) = remove(account, device) else { return false };
        self.sign_key_indexes(account, rng);
        self.announce_devices(account, "remove", device, Some(key_index));
        true
    }

    /// `<notification type="devices">` to the accounts that know the devices, and `account_sync` to the own
    /// companions (PROTOCOL.md 17).
    pub(super) fn announce_devices(
        &self,
        account: &Arc<Account>,
        change: &'static str,
        device: u16,
        key_index: Option<u32>,
    ) {
        let (watchers, devices, list) = {
            let directory = account.directory();
            (directory.watchers(), directory.devices(), directory.key_index_list.clone())
        };
        let hash = |addressing| {
            let jids: Vec<Jid> = devices.iter().map(|(device, _)| account.jid(addressing, *device)).collect();
            phash(&jids)
        };
        let entry = Node::new("device")
            .attr("jid", account.jid(Addressing::Pn, device))
            .attr("lid", account.jid(Addressing::Lid, device))
            .opt_attr("key-index", key_index);
        let signed = Node::new("key-index-list").attr("ts", list.1).with_bytes(list.0.to_vec());
        let changed = Node::new(change)
            .attr("device_hash", hash(Addressing::Pn))
            .attr("device_lid_hash", hash(Addressing::Lid))
            .child(entry)
            .child(signed.clone());
        let notice =
            Node::new("notification").attr("from", account.pn()).attr("lid", account.lid()).child(changed);
        for number in watchers.iter().filter(|number| **number != account.number) {
            if let Some(watcher) = self.account(number) {
                self.notify(&watcher, None, "devices", &notice);
            }
        }
        self.notify(account, Some(device), "devices", &notice);

        let all = devices.iter().map(|(device, key_index)| {
            Node::new("device")
                .attr("jid", account.jid(Addressing::Pn, *device))
                .opt_attr("key-index", *key_index)
        });
        let sync = Node::new("devices").attr("dhash", hash(Addressing::Pn)).with_children(all).child(signed);
        let notice = Node::new("notification").attr("from", account.pn()).child(sync);
        self.notify(account, Some(device), "account_sync", &notice);
    }
}

/// Takes a device out of the server's record, and ends its connection; its key index.
fn remove(account: &Account, device: u16) -> Option<u32> {
    let mut directory = account.directory();
    if let Some(played) = directory.played.remove(&device) {
        return Some(played.key_index);
    }
    let companion = directory.companions.remove(&device)?;
    if let Some(connection) = companion.connection {
        connection.link.close(Some(stanza::encode(&stanza::device_removed())));
    }
    Some(companion.key_index)
}
