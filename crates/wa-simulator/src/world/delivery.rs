//! Stanzas on their way to devices, through whatever fault strikes them.

use crate::{
    account::Account,
    faults::{FaultKind, Moment},
    queue::{Class, Stanza},
    stanza,
};
use std::sync::Arc;
use tokio::time::Instant;
use wa_binary::{Jid, Node};

use super::{
    World,
    damage::{changed_in, damaged, is_peer, shared_in, without_ciphertext},
};

impl World {
    /// Gives a stanza to a device, now or when it is there, through whatever fault strikes it.
    pub(crate) fn deliver(&self, account: &Arc<Account>, device: u16, mut stanza: Stanza) {
        let number = &account.number;
        if stanza.class == Class::Message {
            if let Some(kind) = self.faults.strike(number, device, |kind| delivery_ending(kind).cloned()) {
                self.hand_over(account, device, stanza);
                self.end_connections(account, Some(device), &kind);
                return;
            }
            let is_damage = |kind: &FaultKind| (*kind == FaultKind::Undecryptable).then_some(());
            if self.faults.strike(number, device, is_damage).is_some() {
                stanza.bytes = damaged(&stanza.bytes);
            }
            let changed = |kind: &FaultKind| match kind {
                FaultKind::Attribute { name, value } => Some((name.clone(), value.clone())),
                _ => None,
            };
            if let Some((name, value)) = self.faults.strike(number, device, changed) {
                stanza.bytes = changed_in(&stanza.bytes, &name, value);
            }
            let shared = |kind: &FaultKind| match kind {
                FaultKind::Shared { chat } => chat.parse::<Jid>().ok(),
                _ => None,
            };
            if let Some(chat) = self.faults.strike(number, device, shared) {
                stanza.bytes = shared_in(&stanza.bytes, &chat);
            }
            let emptied = |kind: &FaultKind| match kind {
                FaultKind::Empty { unavailable } if !is_peer(&stanza.bytes) => Some(unavailable.clone()),
                _ => None,
            };
            if let Some(unavailable) = self.faults.strike(number, device, emptied) {
                stanza.bytes = without_ciphertext(&stanza.bytes, unavailable);
            }
            let is_duplicate = |kind: &FaultKind| (*kind == FaultKind::Duplicate).then_some(());
            if self.faults.strike(number, device, is_duplicate).is_some() {
                self.hand_over(account, device, stanza.clone());
            }
            stanza = match self.faults.reorder(account, device, stanza) {
                Ok(due) => {
                    return due.into_iter().for_each(|(account, device, stanza)| {
                        self.hand_over(&account, device, stanza);
                    });
                }
                Err(stanza) => stanza,
            };
        }
        self.hand_over(account, device, stanza);
    }

    /// Delivers what a fault has held.
    pub(crate) fn hand_over(&self, account: &Arc<Account>, device: u16, stanza: Stanza) {
        let delay = self.faults.strike(&account.number, device, |kind| match kind {
            FaultKind::Delay { millis } => Some(std::time::Duration::from_millis(*millis)),
            _ => None,
        });
        let not_before = delay.map(|delay| Instant::now() + delay);
        let held = self.is_held(account, device);
        let played = account.directory().played.get(&device).cloned();
        let line =
            if device == 0 { Some(&account.phone) } else { played.as_ref().map(|played| &played.line) };
        if let Some(line) = line {
            return match held {
                true => line.hold(stanza.bytes),
                false => line.deliver(stanza.bytes, not_before),
            };
        }
        if let Some(companion) = account.directory().companions.get_mut(&device) {
            companion.deliver(stanza, held, not_before, self.options.limits.queue);
        }
    }

    /// Whether deliveries to the device wait because of a fault.
    pub(crate) fn is_held(&self, account: &Account, device: u16) -> bool {
        self.faults.holds(&account.number, device, |kind| *kind == FaultKind::Backlog)
    }

    /// Writes what has waited to every companion that is there.
    pub(crate) fn release(&self) {
        self.pairings.release();
        for account in self.accounts() {
            if !self.is_held(&account, 0) {
                account.phone.release();
            }
            let played: Vec<_> =
                account.directory().played.iter().map(|(id, it)| (*id, it.clone())).collect();
            for (_, played) in played.into_iter().filter(|(device, _)| !self.is_held(&account, *device)) {
                played.line.release();
            }
            let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
            for device in devices.into_iter().filter(|device| !self.is_held(&account, *device)) {
                let mut directory = account.directory();
                let Some(companion) = directory.companions.get_mut(&device) else { continue };
                let Some(link) = companion.live_link().cloned() else { continue };
                companion
                    .queue
                    .take_unsent(usize::MAX)
                    .into_iter()
                    .for_each(|stanza| link.send(stanza.bytes, None));
            }
        }
    }

    /// Queues a stanza for every companion of an account but one.
    pub(crate) fn notify(&self, account: &Arc<Account>, except: Option<u16>, kind: &str, node: &Node<'_>) {
        let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
        for device in devices.into_iter().filter(|device| Some(*device) != except) {
            self.notify_device(account, device, kind, node);
        }
    }

    /// Queues `<notification>` for one companion under an id of its own.
    pub(crate) fn notify_device(&self, account: &Arc<Account>, device: u16, kind: &str, node: &Node<'_>) {
        let id = self.next_id();
        let node =
            node.clone().attr("type", kind).attr("id", id.clone()).attr("t", self.clock.unix_seconds());
        let bytes = stanza::encode(&node);
        let stanza = Stanza { class: Class::Notification, id, kind: kind.into(), is_own_copy: false, bytes };
        self.deliver(account, device, stanza);
    }

    /// Ends the connections of a device, or of every companion, as `kind` says; returns how many.
    pub(crate) fn end_connections(&self, account: &Account, device: Option<u16>, kind: &FaultKind) -> usize {
        let last = match kind {
            FaultKind::StreamError { code, conflict, .. } => {
                let error = Node::new("stream:error").attr("code", code.as_str());
                let conflict = conflict.as_deref().map(|kind| Node::new("conflict").attr("type", kind));
                Some(stanza::encode(&error.with_children(conflict)))
            }
            _ => None,
        };
        let directory = account.directory();
        let struck = directory.companions.iter().filter(|(id, _)| device.is_none_or(|device| device == **id));
        let links = struck.filter_map(|(_, companion)| companion.connection.as_ref());
        links
            .map(|connection| match kind {
                FaultKind::Silence => connection.link.silence(),
                _ => connection.link.close(last.clone()),
            })
            .count()
    }
}

/// A fault that ends a connection when a message is delivered.
fn delivery_ending(kind: &FaultKind) -> Option<&FaultKind> {
    match kind {
        FaultKind::Drop { when: Moment::Deliver } | FaultKind::StreamError { when: Moment::Deliver, .. } => {
            Some(kind)
        }
        _ => None,
    }
}
