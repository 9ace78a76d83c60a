//! Name space `w:g2`: groups (PROTOCOL.md 23).

use std::sync::Arc;

use compact_str::CompactString;
use wa_binary::{Jid, Node, Server};

use super::{Answer, Answered, Context, IqError, Request, communities};
use crate::{
    Addressing,
    account::Account,
    group::{Change, Done, Group, GroupError, NewGroup, Rank, Settings, Switch},
    routing::Sender,
    stanza,
};

pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    if request.to.server != Server::Group {
        return Err(IqError::BadRequest("what is about groups goes to them, or to their server"));
    }
    match (request.is_get, child.tag()) {
        (true, "participating") => participating(context, child),
        (true, "invite") if !request.to.is_group() => by_link(context, child),
        (false, "create") => create(context, child),
        (false, "leave") => leave(context, child),
        (false, "invite") if !request.to.is_group() => join(context, child),
        (is_get, _) if request.to.is_group() => {
            let group = context.world.group(&request.to).ok_or(GroupError::NotFound)?;
            if is_get { shown(context, &group, child) } else { changed(context, &group, child) }
        }
        _ => Err(IqError::NotImplemented),
    }
}

impl Context<'_> {
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender { account: self.account, device: self.device }
    }

    fn rank_in(&self, group: &Group) -> Result<Rank, GroupError> {
        group.record().rank(self.account).ok_or(GroupError::Forbidden)
    }
}

/// The groups of the account, with what is asked for.
fn participating(context: &Context<'_>, asked: &Node<'_>) -> Answered {
    let shows_members = asked.get_child("participants").is_some();
    let groups = context.world.groups().into_iter().filter_map(|group| {
        let record = group.record();
        record.rank(context.account)?;
        Some(if shows_members { group.node(&record) } else { group.summary(&record) })
    });
    Ok(Node::new("groups").with_children(groups).into())
}

fn shown(context: &Context<'_>, group: &Arc<Group>, asked: &Node<'_>) -> Answered {
    let rank = context.rank_in(group)?;
    let record = group.record();
    match asked.tag() {
        "query" if stanza::text(&asked.attrs, "request") == "interactive" => Ok(group.node(&record).into()),
        "query" => Err(IqError::BadRequest("a group is queried interactively")),
        "sub_groups" => {
            drop(record);
            communities::groups(context, group)
        }
        "invite" if rank < Rank::Admin => Err(GroupError::NotAuthorized.into()),
        "invite" => Ok(Node::new("invite").attr("code", record.invite().clone()).into()),
        "membership_approval_requests" if rank < Rank::Admin => Err(GroupError::Forbidden.into()),
        "membership_approval_requests" => Ok(group.requests(&record).into()),
        _ => Err(IqError::NotImplemented),
    }
}

/// What is behind an invite link.
fn by_link(context: &Context<'_>, invite: &Node<'_>) -> Answered {
    let group = context.world.invited(&invite.require_text("code")?)?;
    let record = group.record();
    Ok(group.summary(&record).into())
}

fn join(context: &Context<'_>, invite: &Node<'_>) -> Answered {
    let group = context.world.invited(&invite.require_text("code")?)?;
    let done = context.world.change_group(context.sender(), &group, &Change::Join)?;
    let tag = if done.waits { "membership_approval_request" } else { "group" };
    Ok(Node::new(tag).attr("jid", group.jid()).into())
}

fn create(context: &Context<'_>, create: &Node<'_>) -> Answered {
    if let Some(parent) = create.get_child("parent") {
        return communities::create(context, create, parent);
    }
    let mut settings = Settings::default();
    let mut community = None;
    let mut members = Vec::new();
    let mut unknown = Vec::new();
    for child in create.children() {
        match child.tag() {
            "participant" => match account_of(context, child)? {
                Ok(account) => members.push(account),
                Err(jid) => unknown.push(jid),
            },
            "announcement" => settings.turn(Switch::Announcement, true),
            "locked" => settings.turn(Switch::Locked, true),
            "ephemeral" => settings.expiration = child.require_number("expiration")?,
            "member_add_mode" => settings.turn(Switch::AllAdd, all_add(child)?),
            "membership_approval_mode" => settings.turn(Switch::Approval, approval(child)?),
            "linked_parent" => {
                let found = context.world.group(child.require_jid("jid")?);
                community = Some(found.ok_or(GroupError::NotFound)?);
            }
            _ => return Err(IqError::BadRequest("a group has no such property")),
        }
    }
    let subject = create.require_text("subject")?.into_owned();
    // Today's groups are keyed by LID, as far as their makers are.
    let is_lid = context.account.directory().lid_migrated;
    let addressing = if is_lid { Addressing::Lid } else { Addressing::Pn };
    let wanted = NewGroup { subject, settings, ..NewGroup::default() };
    let (group, done) = match community {
        Some(community) => context.world.make_group_in(context.sender(), &community, wanted, members)?,
        None => context.world.make_group(context.sender(), addressing, wanted, members)?,
    };
    let refused = refusals(&group, &done, &unknown);
    let node = group.node(&group.record());
    Ok(node.with_children(refused).into())
}

fn leave(context: &Context<'_>, leave: &Node<'_>) -> Answered {
    let mut left = Node::new("leave");
    for wanted in leave.children_named("group") {
        let jid = wanted.require_jid("id")?;
        let group = context.world.group(jid).ok_or(GroupError::NotFound)?;
        context.world.change_group(context.sender(), &group, &Change::Leave)?;
        left = left.child(Node::new("group").attr("id", jid));
    }
    Ok(left.into())
}

fn changed(context: &Context<'_>, group: &Arc<Group>, wanted: &Node<'_>) -> Answered {
    // Whoever isn't in the group learns nothing else of it.
    context.rank_in(group)?;
    match wanted.tag() {
        "links" => return communities::link(context, group, wanted),
        "unlink" => return communities::unlink(context, group, wanted),
        _ => {}
    }
    let mut unknown = Vec::new();
    let accounts = |list: &Node<'_>, unknown: &mut Vec<Jid>| accounts(context, list, unknown);
    let change = match wanted.tag() {
        "add" => Change::Add(accounts(wanted, &mut unknown)?),
        "remove" => Change::Remove(accounts(wanted, &mut unknown)?),
        "promote" => Change::Promote(accounts(wanted, &mut unknown)?),
        "demote" => Change::Demote(accounts(wanted, &mut unknown)?),
        "membership_requests_action" => {
            let decision =
                wanted.first_child().ok_or(IqError::BadRequest("requests are approved or rejected"))?;
            let lets_in = match decision.tag() {
                "approve" => true,
                "reject" => false,
                _ => return Err(IqError::BadRequest("requests are approved or rejected")),
            };
            Change::Decide { accounts: accounts(decision, &mut unknown)?, lets_in }
        }
        "invite" => Change::Invite(context.world.new_invite()),
        _ => setting(wanted)?,
    };
    let done = context.world.change_group(context.sender(), group, &change)?;
    Ok(match &change {
        Change::Invite(code) => Node::new("invite").attr("code", code.clone()).into(),
        Change::Decide { lets_in, .. } => {
            let decision = outcome(group, if *lets_in { "approve" } else { "reject" }, &done, &unknown);
            Node::new("membership_requests_action").child(decision).into()
        }
        Change::Add(_) => outcome(group, "add", &done, &unknown).into(),
        Change::Remove(_) => outcome(group, "remove", &done, &unknown).into(),
        Change::Promote(_) => outcome(group, "promote", &done, &unknown).into(),
        Change::Demote(_) => outcome(group, "demote", &done, &unknown).into(),
        _ => Answer::empty(),
    })
}

/// A change that is about the group itself.
fn setting(wanted: &Node<'_>) -> Result<Change, IqError> {
    Ok(match wanted.tag() {
        "subject" => Change::Subject(text_in(wanted)?),
        "description" => description(wanted)?,
        "locked" => Change::Switch(Switch::Locked, true),
        "unlocked" => Change::Switch(Switch::Locked, false),
        "announcement" => Change::Switch(Switch::Announcement, true),
        "not_announcement" => Change::Switch(Switch::Announcement, false),
        "membership_approval_mode" => Change::Switch(Switch::Approval, approval(wanted)?),
        "member_add_mode" => Change::Switch(Switch::AllAdd, all_add(wanted)?),
        "ephemeral" => Change::Expiration(wanted.require_number("expiration")?),
        "not_ephemeral" => Change::Expiration(0),
        _ => return Err(IqError::NotImplemented),
    })
}

fn description(wanted: &Node<'_>) -> Result<Change, IqError> {
    let attribute = |name| wanted.attrs.text(name).map(|text| CompactString::from(&*text));
    let deletes = stanza::text(&wanted.attrs, "delete") == "true";
    let text = if deletes { None } else { Some(text_in(wanted.require_child("body")?)?) };
    let id = attribute("id").ok_or(IqError::BadRequest("a description has an id"))?;
    Ok(Change::Description { id, replaces: attribute("prev"), text })
}

fn text_in(node: &Node<'_>) -> Result<String, IqError> {
    let text = node.content_text().map(str::to_owned);
    text.ok_or(IqError::BadRequest("a text is UTF-8"))
}

fn approval(node: &Node<'_>) -> Result<bool, IqError> {
    match &*stanza::text(&node.require_child("group_join")?.attrs, "state") {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(IqError::BadRequest("approval is on or off")),
    }
}

fn all_add(node: &Node<'_>) -> Result<bool, IqError> {
    match node.content_text() {
        Some("all_member_add") => Ok(true),
        Some("admin_add") => Ok(false),
        _ => Err(IqError::BadRequest("members are added by administrators or by all")),
    }
}

/// The accounts in a list of `<participant jid>`; the addresses of nobody are put aside.
fn accounts(
    context: &Context<'_>,
    list: &Node<'_>,
    unknown: &mut Vec<Jid>,
) -> Result<Vec<Arc<Account>>, IqError> {
    let mut accounts = Vec::new();
    for participant in list.children() {
        match account_of(context, participant)? {
            Ok(account) => accounts.push(account),
            Err(jid) => unknown.push(jid),
        }
    }
    if accounts.is_empty() && unknown.is_empty() {
        return Err(IqError::BadRequest("participants are listed"));
    }
    Ok(accounts)
}

fn account_of(context: &Context<'_>, participant: &Node<'_>) -> Result<Result<Arc<Account>, Jid>, IqError> {
    let jid = participant.require_jid("jid")?;
    if !participant.is("participant") || Addressing::of(jid).is_none() || jid.device != 0 {
        return Err(IqError::BadRequest("participants are users"));
    }
    Ok(context.world.resolve(jid).ok_or_else(|| jid.clone()))
}

/// What became of each participant. Those whom it reached carry no code, as with the real server.
fn outcome(group: &Group, tag: &'static str, done: &Done, unknown: &[Jid]) -> Node<'static> {
    let reached = done.accounts.iter().map(|account| group.named(account));
    Node::new(tag).with_children(reached).with_children(refusals(group, done, unknown))
}

fn refusals(group: &Group, done: &Done, unknown: &[Jid]) -> Vec<Node<'static>> {
    let refused = done.refused.iter().map(|(account, code)| group.named(account).attr("error", *code));
    let nobody = unknown.iter().map(|jid| Node::new("participant").attr("jid", jid).attr("error", 404_u16));
    refused.chain(nobody).collect()
}
