//! Whose keys a companion knows.

use crate::inbox::{self, EventSource};
use wa_binary::Jid;
use wa_crypto::PublicKey;
use wa_store::{DeviceAddress, IdentityChange, IdentityChangeKind, Store, StoreError};

use super::Mirror;

impl Mirror {
    /// A session has to go, and the identity key known for it too.
    pub(crate) fn delete_session(&mut self, address: &DeviceAddress) {
        self.sessions.delete(address);
        self.must_commit();
        self.changes.identities.push((address.clone(), None));
    }

    /// Records the identity key of a peer's device; a new one replaces the old one (trust on first use).
    pub(crate) fn save_identity(&mut self, address: DeviceAddress, key: &PublicKey) {
        self.changes.identities.push((address, Some(*key.as_bytes())));
    }

    /// The identity behind a user's address is another one: told, and remembered for what is asked for again.
    pub(crate) fn identity_changed(&mut self, pn: Option<&Jid>, lid: Option<&Jid>, change: IdentityChange) {
        self.note_identity_change(lid.or(pn), change);
        let user = |jid: Option<&Jid>| jid.map(|jid| jid.user.clone()).unwrap_or_default();
        let (pn, lid) = (user(pn), user(lid));
        let event = inbox::identity_changed(&pn, &lid);
        self.inbox.push_once(Some(event), EventSource::IdentityChanged { pn, lid });
    }

    fn note_identity_change(&mut self, user: Option<&Jid>, change: IdentityChange) {
        let user = user.map(|user| user.to_user().unhosted());
        self.changes.identity_changes.extend(user.map(|user| (user, change)));
        self.must_commit();
    }

    /// When and how the identity of this user last changed.
    pub(crate) async fn identity_change(
        &self,
        store: &Store,
        user: &Jid,
    ) -> Result<Option<IdentityChange>, StoreError> {
        let mut newest_first = self.changes.identity_changes.iter().rev();
        match newest_first.find(|(changed, _)| changed == user) {
            Some((_, change)) => Ok(Some(*change)),
            None => store.identity_change(user).await,
        }
    }

    /// A phone number belongs to another LID than before. What is known of the person behind the number holds for the
    /// new LID, too, so that other keys of theirs are noticed.
    pub(crate) async fn number_moved(
        &mut self,
        store: &Store,
        pn: &Jid,
        (old, new): (&Jid, &Jid),
        at: i64,
    ) -> Result<(), StoreError> {
        let primaries = [old, new].map(|lid| DeviceAddress::from(&lid.to_user()));
        let known = self.identities(store, &primaries).await?;
        let change = IdentityChange { at, kind: IdentityChangeKind::Lid };
        match (known[0], known[1]) {
            (None, _) => {}
            (Some(key), Some(other)) if key == other => {}
            (Some(_), Some(_)) => self.identity_changed(Some(pn), Some(new), change),
            (Some(key), None) => {
                let [_, address] = primaries;
                self.changes.identities.push((address, Some(key)));
                self.note_identity_change(Some(new), change);
            }
        }
        Ok(())
    }

    /// Every address of this Signal name that has a session or an identity, stored or not yet.
    pub(crate) async fn addresses(
        &self,
        store: &Store,
        name: &str,
    ) -> Result<Vec<DeviceAddress>, StoreError> {
        let mut addresses = store.addresses(name).await?;
        addresses.extend(self.sessions.addresses(name));
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }

    /// The identity keys known for these addresses, stored or not yet.
    pub(crate) async fn identities(
        &self,
        store: &Store,
        addresses: &[DeviceAddress],
    ) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        let mut identities = store.identities(addresses).await?;
        for (address, identity) in addresses.iter().zip(&mut identities) {
            let mut newest_first = self.changes.identities.iter().rev();
            if let Some((_, unstored)) = newest_first.find(|(changed, _)| changed == address) {
                *identity = *unstored;
            }
        }
        Ok(identities)
    }
}
