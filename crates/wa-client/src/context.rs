use wa_binary::Jid;

use crate::connection::link::Link;
use crate::end::End;
use crate::group::Member;
use crate::locate::Locator;
use crate::look_up::{Answered, Contact, Found, LookUps};
use crate::media::Reuploads;
use crate::message::SendError;
use crate::mirror::{Mirror, Whereabouts};
use crate::requests::{Asker, Requests};
use crate::shared::{Random, Shared};
use crate::timers::Timers;

/// What everything that goes on in a connection works with.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) mirror: &'a mut Mirror,
    pub(crate) link: &'a mut Link,
    pub(crate) random: &'a mut Random,
    pub(crate) requests: Requests,
    pub(crate) look_ups: LookUps,
    pub(crate) timers: Timers,
    pub(crate) reuploads: Reuploads,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        mirror: &'a mut Mirror,
        link: &'a mut Link,
        random: &'a mut Random,
    ) -> Self {
        Self {
            requests: Requests::new(rand::RngExt::random(random)),
            look_ups: LookUps::default(),
            reuploads: Reuploads::default(),
            timers: Timers::new(&shared.config, random),
            shared,
            mirror,
            link,
            random,
        }
    }

    /// Starts a flow that asks the server.
    pub(crate) fn look_up<F>(&mut self, flow: impl FnOnce(Asker) -> F)
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        self.look_ups.start(flow(self.requests.asker(self.shared.config.iq_timeout)));
    }

    /// Starts a flow that asks the server about people.
    pub(crate) fn locate<F>(&mut self, flow: impl FnOnce(Locator) -> F)
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        let sid = self.requests.spare_id();
        let now = self.shared.clock.unix_millis() / 1000;
        self.look_up(|asker| flow(Locator::new(asker, sid, now)));
    }

    /// What is known of a user, or the number that has to be asked about.
    pub(crate) async fn whereabouts(&mut self, user: &Jid) -> Result<Whereabouts, SendError> {
        let lifetime = i64::try_from(self.shared.config.alias_lifetime.as_secs()).unwrap_or(i64::MAX);
        let oldest = (self.shared.clock.unix_millis() / 1000).saturating_sub(lifetime);
        let found = self.mirror.whereabouts(&self.shared.store, user, oldest).await;
        found.map_err(|error| SendError::Store(error.to_string()))
    }

    /// Takes in what the server said of people's numbers and LIDs.
    pub(crate) async fn learn_addresses(&mut self, found: &Found) -> Result<(), End> {
        if let Some(contact) = &found.contact {
            self.learn_contact(contact).await?;
        }
        for user in &found.users {
            let asked = Some(&user.user);
            let lid = user.lid.as_ref().or(asked.filter(|asked| asked.is_lid()));
            let pn = if user.user.is_pn() { asked } else { user.pn.as_ref() };
            if let (Some(pn), Some(lid)) = (pn, lid) {
                self.learn_lid(pn, lid).await?;
                if user.user.is_lid() && user.user != *lid {
                    self.mirror.learn_former_lid(&user.user, pn);
                }
            }
        }
        Ok(())
    }

    /// Takes in the numbers and LIDs that a group tells of its members.
    pub(crate) async fn learn_members(&mut self, members: &[Member]) -> Result<(), End> {
        for member in members {
            if let (Some(pn), Some(lid)) = (&member.pn, &member.lid) {
                self.learn_lid(pn, lid).await?;
            }
        }
        Ok(())
    }

    /// Takes in what an account is called that has a number.
    pub(crate) async fn learn_contact(&mut self, contact: &Contact) -> Result<(), End> {
        let Contact { asked, pn, lid } = contact;
        self.mirror.lids.trust(&pn.user);
        if let Some(lid) = lid {
            self.learn_lid(pn, lid).await?;
        }
        // A number that is in the map of LIDs needs no second entry.
        if lid.is_none() || *asked != pn.user {
            self.mirror.learn_alias(asked, pn, self.shared.clock.unix_millis() / 1000);
        }
        Ok(())
    }

    /// Stores what must be stored before the next step; nothing if nothing must.
    pub(crate) async fn commit_if_urgent(&mut self) -> Result<(), End> {
        if self.mirror.is_urgent() { self.commit().await } else { Ok(()) }
    }

    /// Stores everything that is not stored yet.
    pub(crate) async fn commit(&mut self) -> Result<(), End> {
        let changes = self.mirror.take_changes();
        Ok(self.shared.store.commit(changes).await?)
    }

    /// The server's clock in Unix milliseconds, as far as known.
    pub(crate) fn server_millis(&self) -> i64 {
        self.mirror.server_millis(&*self.shared.clock)
    }

    /// Learns that a phone number and a LID are the same user.
    pub(crate) async fn learn_lid(&mut self, pn: &Jid, lid: &Jid) -> Result<(), End> {
        let store = &self.shared.store;
        let (pn, lid) = (pn.to_user(), lid.to_user());
        let is_pair = pn.is_pn() && lid.is_lid();
        let old = if is_pair { self.mirror.lids.lid_of(store, &pn).await? } else { None };
        if let Some(old) = old.filter(|old| *old != lid && !self.mirror.is_own_user(&pn)) {
            let at = self.server_millis();
            self.mirror.number_moved(store, &pn, (&old, &lid), at).await?;
        }
        Ok(self.mirror.learn_lid(store, &pn, &lid).await?)
    }

    /// The address under which the session with a device lives: by LID, where one is known.
    pub(crate) async fn signal_jid(&mut self, device: &Jid) -> Result<Jid, End> {
        let lid = self.mirror.lids.lid_of(&self.shared.store, device).await?;
        Ok(lid.unwrap_or_else(|| device.clone()))
    }
}
