//! Groups in the server's words.

use std::sync::Arc;

use wa_binary::{Jid, Node};

use super::{Change, Done, Entrance, Group, Member, Rank, Record, Said, Settings, Switch};
use crate::{Addressing, account::Account};

impl Group {
    /// `<group>` with its members, as the server shows it to them (PROTOCOL.md 23).
    pub(crate) fn node(&self, record: &Record) -> Node<'static> {
        let members = record.members.values().map(|member| self.participant(member));
        self.summary(record).with_children(members)
    }

    /// `<group>` without its members, as the link shows it.
    pub(crate) fn summary(&self, record: &Record) -> Node<'static> {
        let is_lid = self.addressing == Addressing::Lid;
        let pn = |account: &Account| is_lid.then(|| account.pn());
        let subject = &record.subject;
        let node = Node::new("group")
            .attr("id", self.id.clone())
            .attr("subject", subject.text.clone())
            .attr("s_t", subject.at)
            .attr("s_o", self.address(&subject.by, 0))
            .opt_attr("s_o_pn", pn(&subject.by))
            .attr("creation", self.creation)
            .attr("creator", self.address(&self.creator, 0))
            .opt_attr("creator_pn", pn(&self.creator))
            .attr("addressing_mode", if is_lid { "lid" } else { "pn" })
            .attr("size", record.members.len() as u64)
            .attr("p_v_id", record.version);
        let description = record.description.as_ref();
        let description = description.map(|(id, said)| self.description(id, Some(said)).attr("t", said.at));
        node.with_children(description)
            .with_children(record.settings.nodes())
            .with_children(self.kinship(record))
    }

    /// What it is to a community, or that it is one.
    fn kinship(&self, record: &Record) -> Vec<Node<'static>> {
        let parent = Node::new("parent").attr("default_membership_approval_mode", "request_required");
        let place = record.place.as_ref();
        let linked = place.map(|place| Node::new("linked_parent").attr("jid", Jid::group(&place.community)));
        let is_default = place.is_some_and(|place| place.is_default);
        [self.is_community.then_some(parent), linked, is_default.then(|| Node::new("default_sub_group"))]
            .into_iter()
            .flatten()
            .collect()
    }

    /// `<group>` as the list of a community's groups has it.
    pub(crate) fn listed(&self) -> Node<'static> {
        let record = self.record();
        let is_default = record.place.as_ref().is_some_and(|place| place.is_default);
        Node::new("group")
            .attr("id", self.id.clone())
            .attr("subject", record.subject.text.clone())
            .attr("s_t", record.subject.at)
            .attr("size", record.members.len() as u64)
            .with_children(is_default.then(|| Node::new("default_sub_group")))
    }

    /// `<group>` as those are told of it who hear that it is linked, or no longer.
    pub(crate) fn linked(&self) -> Node<'static> {
        let record = self.record();
        Node::new("group")
            .attr("jid", self.jid())
            .attr("subject", record.subject.text.clone())
            .attr("s_t", record.subject.at)
    }

    fn description(&self, id: &str, said: Option<&Said>) -> Node<'static> {
        let node = Node::new("description").attr("id", id.to_owned());
        match said {
            None => node.child(Node::new("delete")),
            Some(said) => node
                .attr("participant", self.address(&said.by, 0))
                .child(Node::new("body").with_bytes(said.text.clone().into_bytes())),
        }
    }

    fn participant(&self, member: &Member) -> Node<'static> {
        let kind = match member.rank {
            Rank::Member => None,
            Rank::Admin => Some("admin"),
            Rank::Superadmin => Some("superadmin"),
        };
        self.named(&member.account).opt_attr("type", kind)
    }

    /// `<participant>`: somebody by both addresses, that of the group first.
    pub(crate) fn named(&self, account: &Account) -> Node<'static> {
        let node = Node::new("participant").attr("jid", self.address(account, 0));
        match self.addressing {
            Addressing::Lid => node.attr("phone_number", account.pn()),
            Addressing::Pn => node.attr("lid", account.lid()),
        }
    }

    /// Who asks to be let in, and since when.
    pub(crate) fn requests(&self, record: &Record) -> Node<'static> {
        let requests = record.requests.values().map(|(account, at)| {
            Node::new("membership_approval_request")
                .attr("jid", self.address(account, 0))
                .attr("request_time", *at)
        });
        Node::new("membership_approval_requests").with_children(requests)
    }

    /// What the members are told of a change: the child of `<notification type="w:gp2">`.
    pub(crate) fn notice(&self, change: &Change, done: &Done) -> Option<Node<'static>> {
        let record = self.record();
        let of = |tag: &'static str| self.list(tag, &done.accounts, record.version);
        Some(match change {
            Change::Add(_) | Change::Bring(_) => of("add")?,
            Change::Decide { lets_in: true, .. } => of("add")?,
            Change::Join if done.waits => return None,
            Change::Join => of("add")?.attr("reason", "invite"),
            Change::Remove(_) | Change::Leave => of("remove")?,
            Change::Promote(_) => of("promote")?,
            Change::Demote(_) => of("demote")?,
            Change::Decide { lets_in: false, .. } => return None,
            Change::Subject(text) => Node::new("subject")
                .attr("subject", text.clone())
                .attr("s_t", record.subject.at)
                .attr("s_o", self.address(&record.subject.by, 0)),
            Change::Description { id, .. } => {
                let said = record.description.as_ref().map(|(_, said)| said);
                self.description(id, said)
            }
            Change::Switch(switch, on) => told(*switch, *on),
            Change::Expiration(0) => Node::new("not_ephemeral"),
            Change::Expiration(seconds) => Node::new("ephemeral").attr("expiration", *seconds),
            Change::Invite(code) => Node::new("invite").attr("code", code.clone()),
        })
    }

    /// What those are told who have come in: the whole group.
    pub(crate) fn welcome(&self, entrance: Entrance) -> Node<'static> {
        let (kind, reason) = match entrance {
            Entrance::New => (Some("new"), None),
            Entrance::Added => (None, None),
            Entrance::Link => (None, Some("invite")),
        };
        let group = self.node(&self.record());
        Node::new("create").opt_attr("type", kind).opt_attr("reason", reason).child(group)
    }

    fn list(&self, tag: &'static str, accounts: &[Arc<Account>], version: u64) -> Option<Node<'static>> {
        let list = Node::new(tag).attr("v_id", version).attr("prev_v_id", version - 1);
        let list = list.with_children(accounts.iter().map(|account| self.named(account)));
        (!accounts.is_empty()).then_some(list)
    }
}

impl Settings {
    /// Each setting that is not what it is without saying, as a child of `<group>`.
    fn nodes(self) -> Vec<Node<'static>> {
        let mode = if self.all_add { "all_member_add" } else { "admin_add" };
        let ephemeral = Node::new("ephemeral").attr("expiration", self.expiration);
        [
            self.is_announcement.then(|| Node::new("announcement")),
            self.is_locked.then(|| Node::new("locked")),
            (self.expiration > 0).then_some(ephemeral),
            self.needs_approval.then(|| approval(true)),
            Some(Node::new("member_add_mode").text(mode)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn approval(on: bool) -> Node<'static> {
    let join = Node::new("group_join").attr("state", if on { "on" } else { "off" });
    Node::new("membership_approval_mode").child(join)
}

/// What members hear of a setting that was turned.
fn told(switch: Switch, on: bool) -> Node<'static> {
    match (switch, on) {
        (Switch::Announcement, true) => Node::new("announcement"),
        (Switch::Announcement, false) => Node::new("not_announcement"),
        (Switch::Locked, true) => Node::new("locked"),
        (Switch::Locked, false) => Node::new("unlocked"),
        (Switch::Approval, on) => approval(on),
        (Switch::AllAdd, true) => Node::new("member_add_mode").text("all_member_add"),
        (Switch::AllAdd, false) => Node::new("member_add_mode").text("admin_add"),
    }
}
