//! What a phone does with groups.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Phone;
use crate::{
    Addressing, ControlError,
    account::Account,
    group::{Change, Done, Group, GroupError, NewGroup, Rank, Switch},
    routing::Sender,
    simulator::canonical,
    world::World,
};

/// A group, as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupInfo {
    /// Its address: `120363…@g.us`.
    pub id: String,
    /// What it is called.
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// How its members are named in it.
    pub addressing: Addressing,
    /// Who is in it, by number.
    pub members: Vec<GroupMember>,
    /// Whether only administrators write.
    pub announcement: bool,
    /// Whether only administrators change it.
    pub locked: bool,
    /// Whether administrators let in who comes by the link.
    pub approval: bool,
    /// Whether every member may add others.
    pub all_add: bool,
    /// How long messages are kept, in seconds; 0 means for ever.
    pub expiration: u32,
    /// The code of its invite link.
    pub invite: String,
    /// Numbers of those who asked to be let in.
    pub requests: Vec<String>,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupMember {
    /// The account's number.
    pub number: String,
    /// What the member may do.
    pub rank: Rank,
}

/// What a phone changes about a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupChange {
    /// Adds these numbers.
    Add(Vec<String>),
    /// Removes these numbers.
    Remove(Vec<String>),
    /// Makes these numbers administrators.
    Promote(Vec<String>),
    /// Makes these administrators plain members.
    Demote(Vec<String>),
    /// Lets in these numbers, which asked for it.
    Approve(Vec<String>),
    /// Turns away these numbers, which asked to be let in.
    Reject(Vec<String>),
    /// Leaves the group.
    Leave,
    /// Comes in by the link.
    Join,
    /// Gives it another subject.
    Subject(String),
    /// Gives it another description; an empty one takes it away.
    Description(String),
    /// Says whether only administrators write.
    Announcement(bool),
    /// Says whether only administrators change it.
    Locked(bool),
    /// Says whether administrators let in who comes by the link.
    Approval(bool),
    /// Says whether every member may add others.
    AllAdd(bool),
    /// Says how long messages are kept, in seconds.
    Expiration(u32),
    /// Makes another invite link, and the present one worthless.
    ResetInvite,
}

impl Phone {
    /// Makes a group with these numbers in it; returns its address.
    ///
    /// # Errors
    /// When there is no such phone, or the server adds one of them not.
    pub fn create_group(
        &self,
        subject: &str,
        members: &[impl AsRef<str>],
        addressing: Addressing,
    ) -> Result<String, ControlError> {
        let members = accounts(&self.world, members)?;
        let wanted = NewGroup { subject: subject.to_owned(), ..NewGroup::default() };
        let made = self.world.make_group(self.sender(), addressing, wanted, members);
        let (group, done) = made.map_err(refused)?;
        complete(&done)?;
        Ok(group.jid().to_string())
    }

    /// Makes a community, and the group for its announcements; returns the address of the community.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_community(&self, subject: &str) -> Result<String, ControlError> {
        let made = self.world.make_community(self.sender(), Addressing::Lid, subject.to_owned());
        Ok(made.map_err(refused)?.jid().to_string())
    }

    /// Brings a group into a community, or takes it out.
    ///
    /// # Errors
    /// When one of them isn't there, or the server refuses.
    pub fn link_group(&self, community: &str, group: &str, is_in: bool) -> Result<(), ControlError> {
        let (community, group) = (find_group(&self.world, community)?, find_group(&self.world, group)?);
        let by = self.sender();
        let done = if is_in {
            self.world.link_group(by, &community, &group)
        } else {
            self.world.unlink_group(by, &community, &group)
        };
        done.map_err(refused)
    }

    /// Changes a group.
    ///
    /// # Errors
    /// When there is no such group or phone, or the server refuses.
    pub fn change_group(&self, group: &str, change: GroupChange) -> Result<GroupInfo, ControlError> {
        let group = find_group(&self.world, group)?;
        let change = self.prepared_change(&group, change)?;
        complete(&self.world.change_group(self.sender(), &group, &change).map_err(refused)?)?;
        Ok(described_group(&group))
    }

    fn prepared_change(&self, group: &Group, change: GroupChange) -> Result<Change, ControlError> {
        let accounts = |numbers: Vec<String>| accounts(&self.world, &numbers);
        Ok(match change {
            GroupChange::Add(numbers) => Change::Add(accounts(numbers)?),
            GroupChange::Remove(numbers) => Change::Remove(accounts(numbers)?),
            GroupChange::Promote(numbers) => Change::Promote(accounts(numbers)?),
            GroupChange::Demote(numbers) => Change::Demote(accounts(numbers)?),
            GroupChange::Approve(numbers) => Change::Decide { accounts: accounts(numbers)?, lets_in: true },
            GroupChange::Reject(numbers) => Change::Decide { accounts: accounts(numbers)?, lets_in: false },
            GroupChange::Leave => Change::Leave,
            GroupChange::Join => Change::Join,
            GroupChange::Subject(text) => Change::Subject(text),
            GroupChange::Description(text) => Change::Description {
                id: self.world.next_id(),
                replaces: group.record().description().map(|(id, _)| id.clone()),
                text: Some(text).filter(|text| !text.is_empty()),
            },
            GroupChange::Announcement(on) => Change::Switch(Switch::Announcement, on),
            GroupChange::Locked(on) => Change::Switch(Switch::Locked, on),
            GroupChange::Approval(on) => Change::Switch(Switch::Approval, on),
            GroupChange::AllAdd(on) => Change::Switch(Switch::AllAdd, on),
            GroupChange::Expiration(seconds) => Change::Expiration(seconds),
            GroupChange::ResetInvite => Change::Invite(self.world.new_invite()),
        })
    }

    fn sender(&self) -> Sender<'_> {
        Sender { account: &self.account, device: 0 }
    }
}

/// The group with this address.
pub(crate) fn find_group(world: &World, jid: &str) -> Result<Arc<Group>, ControlError> {
    let group = jid.parse().ok().and_then(|jid| world.group(&jid));
    group.ok_or_else(|| ControlError::UnknownGroup(jid.to_owned()))
}

/// A group as the control API shows it.
pub(crate) fn described_group(group: &Group) -> GroupInfo {
    let members = group
        .members()
        .into_iter()
        .map(|member| GroupMember { number: member.account.number.to_string(), rank: member.rank });
    let members = members.collect();
    let record = group.record();
    let settings = record.settings();
    GroupInfo {
        id: group.jid().to_string(),
        subject: record.subject().to_owned(),
        description: record.description().map(|(_, text)| text.to_owned()),
        addressing: group.addressing,
        members,
        announcement: settings.is_announcement,
        locked: settings.is_locked,
        approval: settings.needs_approval,
        all_add: settings.all_add,
        expiration: settings.expiration,
        invite: record.invite().to_string(),
        requests: record.requests().map(CompactString::to_string).collect(),
    }
}

pub(super) fn accounts(
    world: &World,
    numbers: &[impl AsRef<str>],
) -> Result<Vec<Arc<Account>>, ControlError> {
    numbers.iter().map(|number| world.phone(&canonical(number.as_ref())?)).collect()
}

/// An error if somebody was not reached.
fn complete(done: &Done) -> Result<(), ControlError> {
    match done.refused.first() {
        None => Ok(()),
        Some((account, code)) => Err(ControlError::GroupRefused(format!("{code} for {}", account.number))),
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn refused(error: GroupError) -> ControlError {
    ControlError::GroupRefused(error.to_string())
}
