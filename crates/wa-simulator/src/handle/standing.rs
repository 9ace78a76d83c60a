//! Bans and limits of the account.

use crate::{
    ChatCap, TimeLock,
    faults::{FaultKind, Moment},
    iq,
};
use serde_json::json;
use std::time::Duration;
use wa_binary::{Jid, Node};

use super::Phone;

impl Phone {
    /// Bans the account for a while, `grows` longer with every login before the end, and ends its connections.
    pub fn ban(&self, lasts: Duration, grows: Duration) {
        let now = self.world.clock.uptime_seconds();
        self.account.directory().standing.ban(now, lasts, grows);
        self.world.end_connections(&self.account, None, &FaultKind::Drop { when: Moment::Now });
    }

    /// Locks the account, or lifts the lock; its companions are told.
    pub fn set_time_lock(&self, lock: Option<TimeLock>) {
        let told = json!({"data": {"xwa2_notify_account_reachout_timelock": iq::time_lock(lock.as_ref())}});
        self.account.directory().standing.set_time_lock(lock);
        self.tell_limit("NotificationUserReachoutTimelockUpdate", &told);
    }

    /// Limits how many people the account may write to for the first time, or lifts the limit; its companions are told.
    pub fn set_chat_cap(&self, cap: Option<ChatCap>) {
        let cap_told = iq::chat_cap(cap, self.world.clock.unix_seconds());
        let told = json!({"data": {"xwa2_notify_new_chat_messages_capping_info_update": cap_told}});
        self.account.directory().standing.set_chat_cap(cap);
        self.tell_limit("MessageCappingInfoNotification", &told);
    }

    fn tell_limit(&self, name: &'static str, told: &serde_json::Value) {
        let update = Node::new("update").attr("op_name", name).with_bytes(told.to_string().into_bytes());
        let notice = Node::new("notification").attr("from", Jid::server()).child(update);
        self.world.notify(&self.account, None, "mex", &notice);
    }
}
