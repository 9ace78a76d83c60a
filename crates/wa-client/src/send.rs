//! Sending: resolve devices, encrypt for each, store what must be stored, transmit, await the ack
//! (protocol.md 11.1).

pub(crate) mod acks;
pub(crate) mod lanes;
pub(crate) mod resend;
pub(crate) mod stanza;

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use rand::RngExt;
use wa_binary::{Jid, Node};
use wa_crypto::PublicKey;
use wa_signal::{Ciphertext, Session, pad};
use wa_store::{DeviceAddress, SentMessage};

use crate::instance::End;
use crate::iq::encrypt::FetchedBundle;
use crate::look_up::{self, Answered, Found, Wanted, device_jid};
use crate::message::{Outgoing, SendError};
use crate::online::Online;
use crate::pairing::adv;
use acks::SendReply;
use lanes::Queued;
use stanza::Kind;

/// Where a message goes.
struct Recipients {
    /// The recipient by LID.
    chat: Jid,
    /// The recipient by phone number, where known.
    pn: Option<Jid>,
    /// All their devices and all own ones, this very one included.
    devices: Vec<Jid>,
}

/// Whether a message can be encrypted right away.
enum Plan {
    Ready(Recipients),
    LookUp(Wanted),
}

/// An encrypted message that may leave once the sessions are stored.
struct Prepared {
    node: Node<'static>,
    id: String,
    devices: Vec<Jid>,
    reply: SendReply,
}

impl Online<'_> {
    /// Sends what can leave at once, in one batch, and starts look-ups for the rest.
    pub(crate) async fn send_all(&mut self, messages: Vec<Queued>) -> Result<(), End> {
        if messages.is_empty() {
            return Ok(());
        }
        self.timers.in_use();
        let mut prepared = Vec::with_capacity(messages.len());
        for (message, reply) in messages {
            let lane = match self.lane_of(&message).await {
                Ok(lane) => lane,
                Err(error) => {
                    let _ = reply.send(Err(error));
                    continue;
                }
            };
            let Some(queued) = self.lanes.join(&lane, (message, reply)) else { continue };
            self.place(lane, queued, &mut prepared).await;
        }
        self.transmit(prepared).await
    }

    /// The chat whose order a message belongs to; refuses what can't be sent.
    async fn lane_of(&mut self, message: &Outgoing) -> Result<Jid, SendError> {
        if !message.to.is_user() || message.to.is_bot() {
            return Err(SendError::UnsupportedRecipient { server: message.to.server.to_string() });
        }
        let size = message.content.encoded_len();
        if size > self.shared.config.max_stanza {
            return Err(SendError::TooLarge { size });
        }
        let user = message.to.to_user();
        let lid = self.account.lids.lid_of(&*self.shared.store, &user).await.map_err(store_failed)?;
        Ok(lid.unwrap_or(user))
    }

    async fn place(&mut self, lane: Jid, queued: Queued, prepared: &mut Vec<Prepared>) {
        match self.plan(&lane).await {
            Ok(Plan::Ready(recipients)) => prepared.extend(self.prepare(recipients, queued)),
            Ok(Plan::LookUp(wanted)) => {
                self.lanes.open(lane.clone(), queued);
                let asker = self.requests.asker(self.shared.config.iq_timeout);
                let store = Arc::clone(&self.shared.store);
                let now = self.shared.clock.unix_millis() / 1000;
                self.look_ups.start(async move {
                    let found = look_up::recipients(asker, store, wanted, now).await;
                    Answered::Recipients { lane, found }
                });
            }
            Err(error) => drop(queued.1.send(Err(error))),
        }
    }

    /// What is known about a chat, or what has to be asked.
    async fn plan(&mut self, chat: &Jid) -> Result<Plan, SendError> {
        let Some(own) = self.account.device.lid.clone() else { return Err(SendError::NoLid) };
        let mut unknown = Vec::new();
        let mut devices = self.known_devices(chat, &mut unknown).await?;
        if !own.is_same_user(chat) {
            devices.extend(self.known_devices(&own.to_user(), &mut unknown).await?);
        }
        if !devices.contains(&own) && unknown.is_empty() {
            devices.push(own.clone());
        }
        let others: Vec<_> = devices.iter().filter(|device| **device != own).cloned().collect();
        let missing = self.without_session(&others).await?;
        if !unknown.is_empty() || !missing.is_empty() {
            let sid = self.requests.spare_id();
            return Ok(Plan::LookUp(Wanted { users: unknown, devices: missing, own, sid }));
        }
        let pn = self.account.lids.pn_of(&*self.shared.store, chat).await.map_err(store_failed)?;
        Ok(Plan::Ready(Recipients { chat: chat.clone(), pn, devices }))
    }

    /// The devices of a user by LID; a user who isn't known well enough is added to `unknown`.
    async fn known_devices(&mut self, user: &Jid, unknown: &mut Vec<Jid>) -> Result<Vec<Jid>, SendError> {
        let lifetime = i64::try_from(self.shared.config.device_list_lifetime.as_secs()).unwrap_or(i64::MAX);
        let oldest = (self.shared.clock.unix_millis() / 1000).saturating_sub(lifetime);
        let users = std::slice::from_ref(user);
        let lists = if user.is_lid() {
            self.account.device_lists(&*self.shared.store, users, oldest).await.map_err(store_failed)?
        } else {
            Vec::new()
        };
        match lists.into_iter().next().flatten() {
            Some(list) => Ok(list.devices.iter().map(|device| device_jid(user, device)).collect()),
            None => {
                unknown.push(user.clone());
                Ok(Vec::new())
            }
        }
    }

    /// Which of these devices have no session; those that have one are in memory afterwards.
    async fn without_session(&mut self, devices: &[Jid]) -> Result<Vec<Jid>, SendError> {
        let addresses: Vec<_> = devices.iter().map(DeviceAddress::from).collect();
        self.account.sessions.load(&*self.shared.store, &addresses).await.map_err(store_failed)?;
        let known = |address| self.account.sessions.contains(address);
        let missing = devices.iter().zip(&addresses).filter(|(_, address)| !known(address));
        Ok(missing.map(|(device, _)| device.clone()).collect())
    }

    /// Takes in what a look-up found and sends what waited for it.
    pub(crate) async fn on_recipients(
        &mut self,
        lane: Jid,
        found: Result<Found, SendError>,
    ) -> Result<(), End> {
        let waiting = self.lanes.close(&lane);
        let recipients = match found {
            Ok(found) => self.learn(&lane, found).await?,
            Err(error) => Err(error),
        };
        let mut prepared = Vec::with_capacity(waiting.len());
        for (message, reply) in waiting {
            match &recipients {
                Ok(Recipients { chat, pn, devices }) => {
                    let recipients =
                        Recipients { chat: chat.clone(), pn: pn.clone(), devices: devices.clone() };
                    prepared.extend(self.prepare(recipients, (message, reply)));
                }
                Err(error) => drop(reply.send(Err(error.clone()))),
            }
        }
        self.transmit(prepared).await
    }

    /// Records LIDs, devices and new sessions; the inner error is the message's, the outer the connection's.
    async fn learn(&mut self, lane: &Jid, found: Found) -> Result<Result<Recipients, SendError>, End> {
        let mut chat = lane.is_lid().then(|| lane.clone());
        for user in &found.users {
            let lid = user.lid.clone().or_else(|| user.user.is_lid().then(|| user.user.clone()));
            let pn = user.pn.clone().or_else(|| user.user.is_pn().then(|| user.user.clone()));
            if let (Some(pn), Some(lid)) = (&pn, &lid) {
                self.account.learn_lid(&*self.shared.store, pn, lid).await?;
            }
            if user.user.is_same_user(lane) {
                chat = chat.or_else(|| lid.clone());
                if user.devices.as_ref().is_none_or(|list| list.devices.is_empty()) {
                    return Ok(Err(SendError::NotOnWhatsApp));
                }
            }
            if let (Some(lid), Some(list)) = (lid, &user.devices) {
                self.account.save_device_list(lid, list.clone());
            }
        }
        let asked = |user: &Jid| found.users.iter().any(|known| known.user.is_same_user(user));
        let Some(chat) = chat else {
            return Ok(Err(if asked(lane) { SendError::NoLid } else { SendError::NotOnWhatsApp }));
        };
        // Primaries first: their identity keys vouch for the companions.
        let mut bundles: Vec<_> = found.bundles.iter().collect();
        bundles.sort_by_key(|fetched| fetched.device.device);
        for bundle in bundles {
            self.start_session(bundle).await?;
        }
        Ok(self.reachable(&chat).await)
    }

    /// The devices of a chat once everything has been asked: those still without session are left out.
    async fn reachable(&mut self, chat: &Jid) -> Result<Recipients, SendError> {
        match self.plan(chat).await? {
            Plan::Ready(recipients) => Ok(recipients),
            Plan::LookUp(wanted) if !wanted.users.is_empty() => Err(SendError::NotOnWhatsApp),
            Plan::LookUp(wanted) => {
                tracing::warn!(devices = wanted.devices.len(), "no keys for some devices; they are left out");
                let mut devices = self.known_devices(chat, &mut Vec::new()).await?;
                if !wanted.own.is_same_user(chat) {
                    devices.extend(self.known_devices(&wanted.own.to_user(), &mut Vec::new()).await?);
                }
                devices.retain(|device| !wanted.devices.contains(device));
                let pn = self.account.lids.pn_of(&*self.shared.store, chat).await.map_err(store_failed)?;
                Ok(Recipients { chat: chat.clone(), pn, devices })
            }
        }
    }

    /// Starts a session with a fetched bundle, unless one has come up meanwhile. A bundle that doesn't hold
    /// what it claims costs its device the message, nothing more.
    async fn start_session(&mut self, fetched: &FetchedBundle) -> Result<(), End> {
        let device = self.signal_jid(&fetched.device).await?;
        let address = DeviceAddress::from(&device);
        self.account.sessions.load(&*self.shared.store, std::slice::from_ref(&address)).await?;
        if self.account.sessions.contains(&address) {
            return Ok(());
        }
        self.replace_session(fetched, &device, address).await
    }

    /// Starts a session with a bundle in any case; an older one is archived in it.
    pub(crate) async fn replace_session(
        &mut self,
        fetched: &FetchedBundle,
        device: &Jid,
        address: DeviceAddress,
    ) -> Result<(), End> {
        if let Some(identity) = &fetched.device_identity
            && device.device != 0
        {
            let account_key = self.account_key(device).await?;
            if let Err(error) = adv::check_companion(identity, &fetched.bundle.identity, account_key.as_ref())
            {
                tracing::warn!(%error, "a bundle was refused");
                return Ok(());
            }
        }
        self.account.sessions.load(&*self.shared.store, std::slice::from_ref(&address)).await?;
        let previous = self.account.sessions.get_mut(&address).map(|session| session.clone());
        let random = &mut self.instance.random;
        match Session::initiate(&self.account.local, &fetched.bundle, previous, random) {
            Ok(session) => {
                self.account.sessions.put(&address, session);
                self.account.save_identity(address, &fetched.bundle.identity);
            }
            Err(error) => tracing::warn!(%error, "a bundle was refused"),
        }
        Ok(())
    }

    /// The identity key of a user's primary device, which vouches for the companions; `None` if it isn't known.
    async fn account_key(&mut self, device: &Jid) -> Result<Option<PublicKey>, End> {
        let primary = DeviceAddress::from(&device.to_user());
        let primary = std::slice::from_ref(&primary);
        self.account.sessions.load(&*self.shared.store, primary).await?;
        let session = primary.first().and_then(|address| self.account.sessions.get_mut(address));
        if let Some(session) = session {
            return Ok(Some(*session.remote_identity()));
        }
        let known = self.shared.store.identities(primary).await?;
        Ok(known.into_iter().flatten().next().map(PublicKey::from_bytes))
    }

    /// Encrypts for all devices; tells the caller if that fails for all.
    fn prepare(&mut self, recipients: Recipients, (message, reply): Queued) -> Option<Prepared> {
        match self.encrypt(&recipients, &message) {
            Ok(node) => {
                let id = message.id.as_str().to_owned();
                Some(Prepared { node, id, devices: recipients.devices, reply })
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        }
    }

    fn encrypt(&mut self, recipients: &Recipients, message: &Outgoing) -> Result<Node<'static>, SendError> {
        let Recipients { chat, pn, devices } = recipients;
        let kind = Kind::of(&message.content);
        let plain = Bytes::from(message.content.encode_to_vec());
        let theirs = self.padded(&plain);
        let mut ours = None;
        let mut enveloped = Vec::with_capacity(devices.len());
        let mut introduces = false;
        let for_self = self.account.is_own_user(chat);
        let reachable = |device: &Jid| self.account.sessions.contains(&DeviceAddress::from(device));
        if !for_self && !devices.iter().any(|device| device.is_same_user(chat) && reachable(device)) {
            return Err(SendError::NoDevice);
        }
        for device in devices {
            if self.account.is_own_device(device) {
                continue;
            }
            let plaintext = if for_self || !device.is_same_user(chat) {
                &*ours.get_or_insert_with(|| self.padded(&stanza::device_sent(chat, &message.content)))
            } else {
                &theirs
            };
            let Some(ciphertext) = self.seal(&DeviceAddress::from(device), plaintext) else { continue };
            introduces |= ciphertext.kind == wa_signal::Kind::PreKey;
            enveloped.push(Node::new("to").attr("jid", device).child(stanza::enc(ciphertext, &kind, None)));
        }
        if enveloped.is_empty() {
            return Err(SendError::NoDevice);
        }
        let now = self.shared.clock.unix_millis();
        let id = message.id.as_str();
        let sent = SentMessage {
            chat: chat.clone(),
            id: id.into(),
            to: chat.clone(),
            message: plain,
            timestamp: now,
        };
        self.account.remember_sent(sent);
        let participants = Node::new("participants").with_children(enveloped);
        let node = stanza::message(chat, id, &kind).opt_attr("peer_recipient_pn", pn.as_ref());
        Ok(self.introduced(node.child(participants), introduces))
    }

    /// Adds what vouches for this device where a session starts, and only there.
    pub(super) fn introduced(&self, node: Node<'static>, introduces: bool) -> Node<'static> {
        match &self.account.device.account {
            Some(account) if introduces => {
                node.child(Node::new("device-identity").with_bytes(account.to_vec()))
            }
            _ => node,
        }
    }

    pub(super) fn padded(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut padded = Vec::with_capacity(plain.len() + 16);
        padded.extend_from_slice(plain);
        pad(&mut padded, self.instance.random.random());
        padded
    }

    /// Encrypts with a session in memory; the session is stored before the result may leave.
    pub(super) fn seal(&mut self, address: &DeviceAddress, plaintext: &[u8]) -> Option<Ciphertext> {
        let session = self.account.sessions.get_mut(address)?;
        let ciphertext = session.encrypt(&self.account.local, plaintext);
        if session.needs_save() {
            self.account.sessions.mark(address);
        }
        ciphertext.map_err(|error| tracing::error!(%error, "a message could not be encrypted")).ok()
    }

    /// Stores the sessions if their leases ran out, then lets everything leave together.
    async fn transmit(&mut self, prepared: Vec<Prepared>) -> Result<(), End> {
        if prepared.is_empty() {
            // New sessions and device lists of a failed send are worth keeping, too.
            return self.commit_if_urgent().await;
        }
        if let Err(end) = self.commit_if_urgent().await {
            for Prepared { reply, .. } in prepared {
                let _ = reply.send(Err(SendError::Store("the sessions could not be stored".into())));
            }
            return Err(end);
        }
        if self.account.sent.is_full() {
            // Nobody waits for this one: only retry receipts after a crash would miss it.
            drop(self.shared.store.commit(self.account.take_changes()));
        }
        let mut nodes = Vec::with_capacity(prepared.len());
        for Prepared { node, id, devices, reply } in prepared {
            self.acks.insert(id, devices, reply);
            nodes.push(node);
        }
        for node in &nodes {
            self.link.feed(node).await?;
        }
        Ok(self.link.flush().await?)
    }

    /// The address under which the session with a device lives: by LID, where one is known.
    pub(crate) async fn signal_jid(&mut self, device: &Jid) -> Result<Jid, End> {
        let lid = self.account.lids.lid_of(&*self.shared.store, device).await?;
        Ok(lid.unwrap_or_else(|| device.clone()))
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn store_failed(error: wa_store::StoreError) -> SendError {
    SendError::Store(error.to_string())
}
