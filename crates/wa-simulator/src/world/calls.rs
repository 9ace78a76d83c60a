//! Calls that ring (PROTOCOL.md 27). Nobody ever talks: they are declined, or ring for ever.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use serde::Serialize;
use wa_binary::Node;

use super::World;
use crate::{
    account::Account,
    queue::{Class, Stanza},
    routing::Sender,
    stanza,
};

/// Calls that are remembered; older ones are forgotten.
const MAX_CALLS: usize = 1_000;

/// The calls, oldest first.
#[derive(Default)]
pub(super) struct Calls(Mutex<VecDeque<CallInfo>>);

/// A call that a phone has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallInfo {
    /// Its id.
    pub id: String,
    /// The number that calls.
    pub from: String,
    /// The number that is called.
    pub to: String,
    /// Whether it is with pictures.
    pub video: bool,
    /// The number that declined it.
    pub declined_by: Option<String>,
}

impl Calls {
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl World {
    /// Rings on the companions of an account; returns the call's id.
    pub(crate) fn ring(&self, caller: &Arc<Account>, callee: &Arc<Account>, video: bool) -> String {
        let id = format!("{:032X}", u128::from(self.fork_rng().next_u64()));
        let call = CallInfo {
            id: id.clone(),
            from: caller.number.to_string(),
            to: callee.number.to_string(),
            video,
            declined_by: None,
        };
        {
            let mut calls = self.calls.0.lock();
            calls.truncate(MAX_CALLS - 1);
            calls.push_front(call);
        }
        let offer = Node::new("offer")
            .attr("call-id", id.as_str())
            .attr("call-creator", caller.lid())
            .attr("caller_pn", caller.pn())
            .child(Node::new("audio").attr("enc", "opus").attr("rate", "16000"))
            .with_children(video.then(|| Node::new("video")));
        let devices: Vec<u16> = callee.directory().companions.keys().copied().collect();
        for device in devices {
            let stanza_id = self.next_id();
            let node = Node::new("call")
                .attr("from", caller.lid())
                .attr("id", stanza_id.clone())
                .attr("t", self.clock.unix_seconds())
                .attr("notify", caller.directory().name.clone())
                .child(offer.clone());
            let (class, bytes) = (Class::named("call"), stanza::encode(&node));
            let stanza = Stanza { class, id: stanza_id, kind: "".into(), is_own_copy: false, bytes };
            self.deliver(callee, device, stanza);
        }
        id
    }

    /// Somebody declines a call. Only who is called may, and only while nobody has; anything else changes nothing.
    pub(crate) fn decline(&self, sender: Sender<'_>, reject: &Node<'_>) {
        let id = stanza::text(&reject.attrs, "call-id");
        let creator = reject.attrs.jid("call-creator").and_then(|creator| self.resolve(creator));
        let Some(creator) = creator else { return };
        let mut calls = self.calls.0.lock();
        let call = calls.iter_mut().find(|call| {
            call.id == *id && *call.from == *creator.number && *call.to == *sender.account.number
        });
        if let Some(call) = call.filter(|call| call.declined_by.is_none()) {
            call.declined_by = Some(sender.account.number.to_string());
        }
    }

    /// The calls that an account has made, newest first.
    pub(crate) fn calls_of(&self, account: &Account) -> Vec<CallInfo> {
        let calls = self.calls.0.lock();
        calls.iter().filter(|call| *call.from == *account.number).cloned().collect()
    }
}
