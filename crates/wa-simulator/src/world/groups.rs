//! The groups, and what their members are told.

use std::{collections::HashMap, sync::Arc};

use compact_str::{CompactString, format_compact};
use parking_lot::RwLock;
use rand::{Rng, RngExt, distr::Alphanumeric};
use wa_binary::{Jid, Node};

use super::World;
use crate::{
    Addressing,
    account::Account,
    group::{Change, Done, Entrance, Group, GroupError, NewGroup},
    routing::Sender,
};

/// Characters of the code in an invite link.
const INVITE: usize = 22;

/// All groups, by the user part of their address.
#[derive(Default)]
pub(super) struct Groups(RwLock<HashMap<CompactString, Arc<Group>>>);

impl Groups {
    pub(super) fn clear(&self) {
        self.0.write().clear();
    }
}

impl World {
    pub(crate) fn group(&self, jid: &Jid) -> Option<Arc<Group>> {
        self.groups.0.read().get(&jid.user).filter(|_| jid.is_group()).cloned()
    }

    /// All groups, oldest first.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups: Vec<_> = self.groups.0.read().values().cloned().collect();
        groups.sort_by(|a, b| (a.creation, &a.id).cmp(&(b.creation, &b.id)));
        groups
    }

    /// The group that an invite link leads to.
    pub(crate) fn invited(&self, code: &str) -> Result<Arc<Group>, GroupError> {
        for group in self.groups() {
            let record = group.record();
            if record.invite() == code {
                drop(record);
                return Ok(group);
            }
            if record.has_revoked(code) {
                return Err(GroupError::Gone);
            }
        }
        Err(GroupError::NotAcceptable)
    }

    /// Makes a group and tells its members; also those who could not be added, each with the server's code.
    pub(crate) fn make_group(
        &self,
        by: Sender<'_>,
        addressing: Addressing,
        wanted: NewGroup,
        members: Vec<Arc<Account>>,
    ) -> Result<(Arc<Group>, Done), GroupError> {
        let mut rng = self.fork_rng();
        let id = format_compact!("120363{:012}", rng.next_u64() % 1_000_000_000_000);
        let now = self.clock.unix_seconds();
        let invite = invite_code(&mut rng);
        let group = Group::new(id.clone(), addressing, (by.account, now), wanted, invite)?;
        let others = members.into_iter().filter(|member| member != by.account).collect();
        let done = group.change(by.account, &Change::Add(others), now)?;
        let group = Arc::new(group);
        self.groups.0.write().insert(id, group.clone());
        for member in group.members() {
            self.tell(by, &group, &member.account, &group.welcome(Entrance::New));
        }
        Ok((group, done))
    }

    /// Changes a group and tells its members.
    pub(crate) fn change_group(
        &self,
        by: Sender<'_>,
        group: &Arc<Group>,
        change: &Change,
    ) -> Result<Done, GroupError> {
        let before = group.members();
        let done = group.change(by.account, change, self.clock.unix_seconds())?;
        let entrance = match change {
            Change::Add(_) | Change::Bring(_) | Change::Decide { lets_in: true, .. } => Some(Entrance::Added),
            Change::Join => Some(Entrance::Link),
            _ => None,
        };
        if let Some(notice) = group.notice(change, &done) {
            // Those who have gone are told so, too.
            for member in &before {
                self.tell(by, group, &member.account, &notice);
            }
        }
        if let Some(entrance) = entrance {
            let welcome = group.welcome(entrance);
            done.accounts.iter().for_each(|account| self.tell(by, group, account, &welcome));
            self.bring_along(by, group, &done.accounts)?;
        }
        Ok(done)
    }

    /// A code for an invite link.
    pub(crate) fn new_invite(&self) -> CompactString {
        invite_code(&mut self.fork_rng())
    }

    /// Tells a member's companions what has happened, but not the one that did it (PROTOCOL.md 23).
    pub(super) fn tell(&self, by: Sender<'_>, group: &Group, member: &Arc<Account>, what: &Node<'static>) {
        let is_lid = group.addressing == Addressing::Lid;
        let node = Node::new("notification")
            .attr("from", group.jid())
            .attr("participant", group.address(by.account, 0))
            .opt_attr("participant_pn", is_lid.then(|| by.account.pn()))
            .opt_attr("addressing_mode", is_lid.then_some("lid"))
            .attr("notify", by.account.directory().announced_name(by.device))
            .child(what.clone());
        let except = (member == by.account).then_some(by.device);
        self.notify(member, except, "w:gp2", &node);
    }
}

pub(super) fn invite_code(rng: &mut impl Rng) -> CompactString {
    (0..INVITE).map(|_| char::from(rng.sample(Alphanumeric))).collect()
}
