//! Who is who: numbers that were asked for, numbers of accounts, and LIDs.

use crate::inbox::{self, EventSource};
use crate::request::Person;
use compact_str::CompactString;
use wa_binary::{Jid, Server};
use wa_store::{Alias, DeviceAddress, Store, StoreError};

use super::Mirror;

impl Mirror {
    /// What is known of a user. `oldest` (Unix seconds): what was looked up by number before that counts no more.
    pub(crate) async fn whereabouts(
        &mut self,
        store: &Store,
        user: &Jid,
        oldest: i64,
    ) -> Result<Whereabouts, StoreError> {
        let user = user.to_user();
        if user.is_pn() {
            return self.of_number(store, &user.user, oldest).await;
        }
        match self.lids.pn_of(store, &user).await? {
            Some(pn) if self.lids.is_stale(&pn.user) => Ok(Whereabouts::Ask(pn.user)),
            Some(pn) => Ok(Whereabouts::Known(Person { pn: Some(pn), lid: Some(user) })),
            None => match self.aliases.find(store, &user.to_string(), oldest).await? {
                Some(number) => self.of_number(store, &number, oldest).await,
                None => Ok(Whereabouts::Known(Person { pn: None, lid: Some(user) })),
            },
        }
    }

    async fn of_number(
        &mut self,
        store: &Store,
        number: &str,
        oldest: i64,
    ) -> Result<Whereabouts, StoreError> {
        let alias = self.aliases.find(store, number, oldest).await?;
        let pn = Jid::pn(alias.as_deref().unwrap_or(number));
        let lid = self.lids.lid_of(store, &pn).await?;
        let is_told = lid.is_some() || alias.is_some();
        Ok(if is_told && !self.lids.is_stale(&pn.user) {
            Whereabouts::Known(Person { pn: Some(pn), lid })
        } else {
            Whereabouts::Ask(pn.user)
        })
    }

    /// The server says that the number `asked` is `pn`'s.
    pub(crate) fn learn_alias(&mut self, asked: &CompactString, pn: &Jid, found_at: i64) {
        let alias = Alias { number: pn.user.clone(), found_at };
        self.aliases.remember(asked.clone(), alias.clone());
        self.changes.aliases.push((asked.clone(), alias));
    }

    /// A LID was this number's before it got another; it leads there for good.
    pub(crate) fn learn_former_lid(&mut self, lid: &Jid, pn: &Jid) {
        self.learn_alias(&lid.to_user().to_string().into(), pn, i64::MAX);
    }

    /// Learns that a phone number and a LID are the same user, tells so, and moves what is stored under the phone number
    /// to the LID, under which sessions live from now on (PROTOCOL.md 16).
    pub(crate) async fn learn_lid(&mut self, store: &Store, pn: &Jid, lid: &Jid) -> Result<(), StoreError> {
        if !pn.is_pn() || !lid.is_lid() || self.lids.knows(&pn.user, &lid.user) {
            return Ok(());
        }
        let (pn, lid) = (pn.to_user(), lid.to_user());
        let known = self.lids.lid_of(store, &pn).await?;
        if known.as_ref().is_some_and(|known| known.user == lid.user) {
            self.lids.remember(&pn.user, &lid.user);
            return Ok(());
        }
        self.lids.learn(&pn.user, &lid.user);
        let source = EventSource::SamePerson { pn: pn.user.clone(), lid: lid.user.clone() };
        self.inbox.push_once(Some(inbox::same_person(&pn.user, &lid.user)), source);
        if let Some(old) = known {
            self.move_lid(store, &pn, (&old, &lid)).await?;
        }
        self.move_sessions(store, &pn, &lid).await
    }

    /// What was agreed with a person under one LID holds under the next, and who writes to the old one means the new.
    async fn move_lid(
        &mut self,
        store: &Store,
        pn: &Jid,
        (old, new): (&Jid, &Jid),
    ) -> Result<(), StoreError> {
        self.learn_former_lid(old, pn);
        let signed_at = self.devices_signed_at(store, old).await?;
        self.saw_devices_signed(store, new, signed_at).await?;
        self.tokens.follow(store, &old.user, &new.user).await?;
        self.move_sessions(store, old, new).await
    }

    async fn move_sessions(&mut self, store: &Store, pn: &Jid, lid: &Jid) -> Result<(), StoreError> {
        for (old, new) in [(pn.clone(), lid.clone()), (hosted(pn), hosted(lid))] {
            self.move_named(store, &old.signal_name(), new.signal_name().into()).await?;
        }
        Ok(())
    }

    async fn move_named(
        &mut self,
        store: &Store,
        old_name: &str,
        new_name: CompactString,
    ) -> Result<(), StoreError> {
        let addresses = self.addresses(store, old_name).await?;
        if addresses.is_empty() {
            return Ok(());
        }
        self.must_commit();
        self.sessions.load(store, &addresses).await?;
        let identities = self.identities(store, &addresses).await?;
        for (old, identity) in addresses.into_iter().zip(identities) {
            let new = DeviceAddress::new(new_name.clone(), old.device);
            self.sessions.load(store, std::slice::from_ref(&new)).await?;
            let session = self.sessions.delete(&old);
            // What is already known under the LID is newer.
            let known = self.identities(store, std::slice::from_ref(&new)).await?.pop().flatten();
            let is_same = known.is_none() || known == identity;
            if let Some(session) = session.filter(|_| is_same && !self.sessions.contains(&new)) {
                self.sessions.put(&new, session);
            }
            if known.is_none() && identity.is_some() {
                self.changes.identities.push((new, identity));
            }
            self.changes.identities.push((old, None));
        }
        Ok(())
    }
}

/// What is known of a user before the server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Enough to write to them.
    Known(Person),
    /// The server has to be asked about this number.
    Ask(CompactString),
}

/// The same user's devices in Meta's cloud.
pub(crate) fn hosted(user: &Jid) -> Jid {
    let server = if user.is_lid() { Server::HostedLid } else { Server::Hosted };
    Jid { server, ..user.clone() }
}
