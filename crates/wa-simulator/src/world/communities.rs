//! Communities: groups that hold other groups together (PROTOCOL.md 23).

use std::sync::Arc;

use compact_str::CompactString;
use wa_binary::{Jid, Node};

use super::World;
use crate::{
    Addressing,
    account::Account,
    group::{Change, Done, Group, GroupError, NewGroup, Place, Rank, Settings},
    routing::Sender,
};

/// The most groups of a community, beside that for announcements: WhatsApp's bound.
const MAX_GROUPS: usize = 100;

impl World {
    /// Makes a community, and the group for its announcements.
    pub(crate) fn make_community(
        &self,
        by: Sender<'_>,
        addressing: Addressing,
        subject: String,
    ) -> Result<Arc<Group>, GroupError> {
        let wanted = NewGroup { subject: subject.clone(), is_community: true, ..NewGroup::default() };
        let (community, _) = self.make_group(by, addressing, wanted, Vec::new())?;
        let settings = Settings { is_announcement: true, ..Settings::default() };
        let place = Some(Place { community: community.id.clone(), is_default: true });
        let announcements = NewGroup { subject, settings, place, ..NewGroup::default() };
        self.make_group(by, addressing, announcements, Vec::new())?;
        Ok(community)
    }

    /// Makes a group in a community; its members are in the community, too.
    pub(crate) fn make_group_in(
        &self,
        by: Sender<'_>,
        community: &Arc<Group>,
        wanted: NewGroup,
        members: Vec<Arc<Account>>,
    ) -> Result<(Arc<Group>, Done), GroupError> {
        self.permits_linking(by, community)?;
        let place = Some(Place { community: community.id.clone(), is_default: false });
        let (group, done) =
            self.make_group(by, community.addressing, NewGroup { place, ..wanted }, members)?;
        self.bring(by, community, &done.accounts)?;
        self.tell_linked(by, (community, &group), "link", None);
        Ok((group, done))
    }

    /// Brings a group into a community, and its members with it.
    pub(crate) fn link_group(
        &self,
        by: Sender<'_>,
        community: &Arc<Group>,
        group: &Arc<Group>,
    ) -> Result<(), GroupError> {
        self.permits_linking(by, community)?;
        if group.is_community {
            return Err(GroupError::BadRequest("a community isn't part of another"));
        }
        {
            let mut record = group.record();
            if record.rank(by.account).is_none_or(|rank| rank < Rank::Admin) {
                return Err(GroupError::Forbidden);
            }
            if record.place.is_some() {
                return Err(GroupError::Conflict);
            }
            record.place = Some(Place { community: community.id.clone(), is_default: false });
        }
        let members: Vec<_> = group.members().into_iter().map(|member| member.account).collect();
        self.bring(by, community, &members)?;
        self.tell_linked(by, (community, group), "link", None);
        Ok(())
    }

    /// Takes a group out of a community; its members stay where they are.
    pub(crate) fn unlink_group(
        &self,
        by: Sender<'_>,
        community: &Arc<Group>,
        group: &Arc<Group>,
    ) -> Result<(), GroupError> {
        administers(by, community)?;
        {
            let mut record = group.record();
            let place = record.place.as_ref().filter(|place| place.community == community.id);
            if place.ok_or(GroupError::NotFound)?.is_default {
                return Err(GroupError::BadRequest("the group for announcements stays"));
            }
            record.place = None;
        }
        self.tell_linked(by, (community, group), "unlink", Some("unlink_group"));
        Ok(())
    }

    /// The groups of a community, oldest first.
    pub(crate) fn groups_in(&self, community: &Group) -> Vec<Arc<Group>> {
        let is_in = |group: &Arc<Group>| {
            group.record().place.as_ref().is_some_and(|place| place.community == community.id)
        };
        self.groups().into_iter().filter(is_in).collect()
    }

    /// Who has come into a group of a community is in the community, and gets what is announced there.
    pub(super) fn bring_along(
        &self,
        by: Sender<'_>,
        group: &Group,
        accounts: &[Arc<Account>],
    ) -> Result<(), GroupError> {
        let place = group.record().place.clone().filter(|place| !place.is_default);
        let community = place.and_then(|place| self.group_called(&place.community));
        community.map_or(Ok(()), |community| self.bring(by, &community, accounts))
    }

    fn bring(
        &self,
        by: Sender<'_>,
        community: &Arc<Group>,
        accounts: &[Arc<Account>],
    ) -> Result<(), GroupError> {
        let announcements = self.groups_in(community).into_iter().find(|group| is_default(group));
        for group in [Some(community.clone()), announcements].into_iter().flatten() {
            let new = accounts.iter().filter(|account| group.record().rank(account).is_none()).cloned();
            let new: Vec<_> = new.collect();
            if !new.is_empty() {
                self.change_group(by, &group, &Change::Bring(new))?;
            }
        }
        Ok(())
    }

    fn permits_linking(&self, by: Sender<'_>, community: &Group) -> Result<(), GroupError> {
        administers(by, community)?;
        if self.groups_in(community).len() > MAX_GROUPS { Err(GroupError::Full) } else { Ok(()) }
    }

    /// Tells the members of both what has become of a group.
    fn tell_linked(
        &self,
        by: Sender<'_>,
        (community, group): (&Arc<Group>, &Arc<Group>),
        tag: &'static str,
        reason: Option<&'static str>,
    ) {
        let kind = if tag == "link" { "link_type" } else { "unlink_type" };
        for (told, other, relation) in [(community, group, "sub_group"), (group, community, "parent_group")] {
            let what = Node::new(tag).attr(kind, relation).opt_attr("unlink_reason", reason);
            let what = what.child(other.linked());
            for member in told.members() {
                self.tell(by, told, &member.account, &what);
            }
        }
    }

    fn group_called(&self, id: &CompactString) -> Option<Arc<Group>> {
        self.group(&Jid::group(id))
    }
}

fn administers(by: Sender<'_>, community: &Group) -> Result<(), GroupError> {
    if !community.is_community {
        return Err(GroupError::NotFound);
    }
    let rank = community.record().rank(by.account);
    if rank.is_some_and(|rank| rank >= Rank::Admin) { Ok(()) } else { Err(GroupError::Forbidden) }
}

fn is_default(group: &Group) -> bool {
    group.record().place.as_ref().is_some_and(|place| place.is_default)
}
