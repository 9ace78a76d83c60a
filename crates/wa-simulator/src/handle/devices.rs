//! The phone's companions.

use crate::{
    Addressing, ControlError, Impostor, InboxEntry,
    account::Played,
    phone::{KeyShare, Task},
};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::oneshot;

use super::{Outgoing, Phone};

/// A linked companion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its number, 1 to 99.
    pub id: u16,
    /// Its address by phone number.
    pub jid: String,
    /// Its address by LID.
    pub lid: String,
    /// Its number in the account's signed list of devices.
    pub key_index: u32,
    /// What it calls itself.
    pub name: String,
    /// When it was linked, in seconds since 1970.
    pub linked_at: u64,
    /// Whether it has a live connection.
    pub connected: bool,
    /// Whether it has asked for what comes.
    pub active: bool,
    /// How often it has logged in.
    pub logins: u32,
    /// How often it says it has: `lc` of its last login.
    pub login_counter: Option<i32>,
    /// One-time prekeys that the server has of it.
    pub prekeys: usize,
    /// Stanzas that it has not acknowledged.
    pub waiting: usize,
}

impl Phone {
    /// The linked companions.
    pub fn devices(&self) -> Vec<Device> {
        let directory = self.account.directory();
        let devices = directory.companions.iter().map(|(id, companion)| Device {
            id: *id,
            jid: self.account.jid(Addressing::Pn, *id).to_string(),
            lid: self.account.jid(Addressing::Lid, *id).to_string(),
            key_index: companion.key_index,
            name: companion.name.to_string(),
            linked_at: companion.linked_at,
            connected: companion.connection.is_some(),
            active: companion.is_active(),
            logins: companion.logins,
            login_counter: companion.login_counter,
            prekeys: companion.prekeys.len(),
            waiting: companion.queue.len(),
        });
        devices.collect()
    }

    /// Shares the keys of the app state with a companion, once more.
    pub fn share_keys(&self, device: u16, share: KeyShare) -> Result<(), ControlError> {
        if device == 0 || !self.account.directory().has_device(device) {
            return Err(ControlError::UnknownDevice(device));
        }
        self.account.phone.order(Task::ShareKeys { device, share });
        Ok(())
    }

    /// The server claims `what` to a companion, so as to read a message that the companion sent to `chat`.
    pub fn impersonate(&self, device: u16, what: Impostor, chat: &str, id: &str) -> Result<(), ControlError> {
        if !self.account.directory().companions.contains_key(&device) {
            return Err(ControlError::UnknownDevice(device));
        }
        let chat = self.recipient(chat)?;
        self.world.impersonate(&self.account, device, what, &chat, id);
        Ok(())
    }

    /// Links a companion that the simulator plays itself; returns its device number.
    pub fn play_companion(&self) -> Result<u16, ControlError> {
        self.world.play(&self.account, false)
    }

    /// Links the account's device in Meta's cloud, played by the simulator; returns its device number.
    pub fn play_cloud(&self) -> Result<u16, ControlError> {
        self.world.play(&self.account, true)
    }

    /// What a device that the simulator plays has received, oldest first.
    pub fn inbox_of(&self, device: u16) -> Result<Vec<InboxEntry>, ControlError> {
        let played = self.played(device)?;
        let entries = played.line.inbox.borrow().entries();
        Ok(entries)
    }

    /// Waits until the inbox of a device that the simulator plays is as wanted, and returns it.
    pub async fn wait_for_inbox_of(
        &self,
        device: u16,
        mut wanted: impl FnMut(&[InboxEntry]) -> bool,
    ) -> Result<Vec<InboxEntry>, ControlError> {
        let mut changes = self.played(device)?.line.inbox.subscribe();
        loop {
            let entries = changes.borrow_and_update().entries();
            if wanted(&entries) || changes.changed().await.is_err() {
                return Ok(entries);
            }
        }
    }

    /// Sends a text from a device that the simulator plays, and returns its id once the server has taken it.
    pub async fn send_from(&self, device: u16, to: &str, text: &str) -> Result<String, ControlError> {
        let played = self.played(device)?;
        let mut letters = self.prepared(&Outgoing::text(to, text))?;
        let Some(letter) = letters.pop() else { return Err(ControlError::Reset) };
        let id = letter.id.to_string();
        let (reply, sent) = oneshot::channel();
        played.line.order(Task::Send { letter, reply });
        sent.await.unwrap_or(Err(ControlError::Reset))?;
        Ok(id)
    }

    fn played(&self, device: u16) -> Result<Arc<Played>, ControlError> {
        let played = self.account.directory().played.get(&device).cloned();
        played.ok_or(ControlError::UnknownDevice(device))
    }

    /// Unlinks a companion.
    pub fn unlink(&self, device: u16) -> Result<(), ControlError> {
        match self.world.unlink(&self.account, device, &mut self.world.fork_rng()) {
            true => Ok(()),
            false => Err(ControlError::UnknownDevice(device)),
        }
    }
}
