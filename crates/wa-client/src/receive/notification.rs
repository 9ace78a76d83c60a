use wa_binary::{Jid, Node};
use wa_store::DeviceAddress;

use super::Batch;
use super::receipt::ack;
use crate::event::{Event, Notification};
use crate::instance::End;
use crate::iq::encrypt::parse_count;
use crate::online::{Chore, Online};
use crate::prekeys::FEW;

impl Online<'_> {
    /// Always acknowledged (protocol.md 17); what keys and devices need is done here, the rest is passed on.
    pub(super) async fn on_notification(&mut self, node: &Node<'_>, batch: &mut Batch) -> Result<(), End> {
        batch.answers.push(ack("notification", node));
        let from = node.attrs.jid("from").cloned();
        let kind = node.attrs.text("type").unwrap_or_default();
        match (&*kind, from) {
            ("encrypt", Some(from)) if from.is_server() => self.on_key_notification(node),
            ("encrypt", Some(from)) if node.get_child("identity").is_some() => {
                self.on_identity_change(&from).await?;
            }
            ("devices", Some(from)) => self.on_devices(&from, node).await?,
            ("account_sync", _) => {
                if node.get_child("devices").is_some() {
                    self.drop_own_devices();
                }
                batch.events.push(passed_on(node, &kind));
            }
            _ => batch.events.push(passed_on(node, &kind)),
        }
        Ok(())
    }

    /// The server runs out of our one-time keys, or asks us to compare what it holds.
    fn on_key_notification(&mut self, node: &Node<'_>) {
        if node.get_child("digest").is_some() {
            self.add_chore(Chore::CheckDigest);
        }
        if parse_count(node).is_ok_and(|count| count < FEW) {
            self.add_chore(Chore::RefillPreKeys);
        }
    }

    /// A contact has a new phone: its sessions, under either address, are void (protocol.md 16 notes that
    /// deleting those of the phone number alone is not enough).
    async fn on_identity_change(&mut self, from: &Jid) -> Result<(), End> {
        for user in self.both_addresses(from).await? {
            let addresses = self.shared.store.addresses(&user.signal_name()).await?;
            for address in addresses.into_iter().chain([DeviceAddress::from(&user)]) {
                self.account.delete_session(&address);
            }
            self.account.drop_device_list(&user);
        }
        self.account.must_commit();
        Ok(())
    }

    async fn on_devices(&mut self, from: &Jid, node: &Node<'_>) -> Result<(), End> {
        if let Some(lid) = node.attrs.jid("lid")
            && from.is_pn()
        {
            self.account.learn_lid(&*self.shared.store, &from.to_user(), &lid.to_user()).await?;
        }
        for user in self.both_addresses(from).await? {
            self.account.drop_device_list(&user);
        }
        Ok(())
    }

    fn drop_own_devices(&mut self) {
        let own = [&self.account.device.jid, &self.account.device.lid];
        let own: Vec<_> = own.into_iter().flatten().map(Jid::to_user).collect();
        own.iter().for_each(|user| self.account.drop_device_list(user));
    }

    /// A user by every address that is known.
    async fn both_addresses(&mut self, jid: &Jid) -> Result<Vec<Jid>, End> {
        let (user, store, lids) = (jid.to_user(), &*self.shared.store, &mut self.account.lids);
        let mut all: Vec<_> = [lids.pn_of(store, &user).await?, lids.lid_of(store, &user).await?]
            .into_iter()
            .flatten()
            .collect();
        if !all.contains(&user) {
            all.push(user);
        }
        Ok(all)
    }

    /// Adds a chore unless the same is waiting already.
    pub(crate) fn add_chore(&mut self, chore: Chore) {
        let same = |other: &Chore| std::mem::discriminant(other) == std::mem::discriminant(&chore);
        if !self.chores.iter().any(same) {
            self.chores.push_back(chore);
        }
    }
}

/// For the embedder, as it came.
pub(super) fn passed_on(node: &Node<'_>, kind: &str) -> Event {
    Event::Notification(Notification {
        kind: kind.to_owned(),
        from: node.attrs.jid("from").cloned(),
        timestamp: node.attrs.number("t").and_then(Result::ok).unwrap_or(0),
        node: node.clone().into_owned(),
    })
}
