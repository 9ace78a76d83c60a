//! Communities, in name space `w:g2` (PROTOCOL.md 23).

use std::sync::Arc;

use wa_binary::Node;

use super::{Answered, Context, IqError, error::code_of_group};
use crate::{
    Addressing,
    group::{Group, GroupError},
    stanza,
};

/// How whoever comes by the link gets in.
const REQUEST_REQUIRED: &str = "request_required";

/// `<create subject><parent/></create>`: a community, without anybody else.
pub(super) fn create(context: &Context<'_>, create: &Node<'_>, parent: &Node<'_>) -> Answered {
    if create.children().len() > 1 {
        return Err(IqError::NotImplemented);
    }
    match &*stanza::text(&parent.attrs, "default_membership_approval_mode") {
        "" | REQUEST_REQUIRED => {}
        _ => return Err(IqError::BadRequest("who comes by the link has to ask")),
    }
    let subject = create.require_text("subject")?.into_owned();
    let is_lid = context.account.directory().lid_migrated;
    let addressing = if is_lid { Addressing::Lid } else { Addressing::Pn };
    let community = context.world.make_community(context.sender(), addressing, subject)?;
    let node = community.node(&community.record());
    Ok(node.into())
}

/// `<sub_groups/>`: the groups of a community, for its members.
pub(super) fn groups(context: &Context<'_>, community: &Group) -> Answered {
    if !community.is_community {
        return Err(GroupError::NotFound.into());
    }
    let groups = context.world.groups_in(community);
    Ok(Node::new("sub_groups").with_children(groups.iter().map(|group| group.listed())).into())
}

/// `<links><link link_type="sub_group"><group jid/>…</link></links>`.
pub(super) fn link(context: &Context<'_>, community: &Arc<Group>, links: &Node<'_>) -> Answered {
    let link = links.require_child("link")?;
    let done = each(context, link, "link_type", |group| {
        context.world.link_group(context.sender(), community, group)
    })?;
    Ok(Node::new("links").child(Node::new("link").attr("link_type", "sub_group").with_children(done)).into())
}

/// `<unlink unlink_type="sub_group"><group jid/>…</unlink>`.
pub(super) fn unlink(context: &Context<'_>, community: &Arc<Group>, unlink: &Node<'_>) -> Answered {
    let done = each(context, unlink, "unlink_type", |group| {
        context.world.unlink_group(context.sender(), community, group)
    })?;
    Ok(Node::new("unlink").attr("unlink_type", "sub_group").with_children(done).into())
}

/// Does something to each of the groups; those to which it wasn't done have a code.
fn each(
    context: &Context<'_>,
    list: &Node<'_>,
    kind: &str,
    change: impl Fn(&Arc<Group>) -> Result<(), GroupError>,
) -> Result<Vec<Node<'static>>, IqError> {
    if stanza::text(&list.attrs, kind) != "sub_group" || list.children().is_empty() {
        return Err(IqError::BadRequest("groups are linked to a community"));
    }
    let mut done = Vec::new();
    for named in list.children() {
        let jid = named.require_jid("jid")?;
        let found = context.world.group(jid).ok_or(GroupError::NotFound);
        let code = found.and_then(|group| change(&group)).err().map(code_of_group);
        done.push(Node::new("group").attr("jid", jid).opt_attr("error", code));
    }
    Ok(done)
}
