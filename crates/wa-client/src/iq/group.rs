//! Requests about groups (PROTOCOL.md 23).

use wa_binary::{Jid, Node, Server};

use crate::group::{Group, GroupChange, JoinRequest, Joined, NotReached, SubGroup};
use crate::request::RequestError;

/// Asks for a group with its members.
pub(crate) fn query(group: &Jid) -> Node<'static> {
    about(group, "get", Node::new("query").attr("request", "interactive"))
}

/// The group, from the answer to [`query`], [`create`] or [`look`].
pub(crate) fn read(answer: &Node<'_>) -> Result<Group, RequestError> {
    Ok(Group::read(answer.require_child("group")?)?)
}

/// Asks for all groups of the account.
pub(crate) fn list() -> Node<'static> {
    let wanted = [Node::new("participants"), Node::new("description")];
    about(&server(), "get", Node::new("participating").with_children(wanted))
}

/// The groups, from the answer to [`list`]. What is no group is left out.
pub(crate) fn read_list(answer: &Node<'_>) -> Result<Vec<Group>, RequestError> {
    let groups = answer.require_child("groups")?;
    Ok(groups.children_named("group").filter_map(|group| Group::read(group).ok()).collect())
}

/// Makes a group, in a community if one is named.
pub(crate) fn create(subject: &str, members: &[Jid], community: Option<&Jid>) -> Node<'static> {
    let create = Node::new("create").attr("subject", subject.to_owned()).with_children(participants(members));
    let parent = community.map(|community| Node::new("linked_parent").attr("jid", community));
    about(&server(), "set", create.with_children(parent))
}

/// Makes a community, into which administrators let who comes by the link.
pub(crate) fn create_community(subject: &str) -> Node<'static> {
    let parent = Node::new("parent").attr("default_membership_approval_mode", "request_required");
    about(&server(), "set", Node::new("create").attr("subject", subject.to_owned()).child(parent))
}

/// Asks for the groups of a community.
pub(crate) fn sub_groups(community: &Jid) -> Node<'static> {
    about(community, "get", Node::new("sub_groups"))
}

/// The groups, from the answer to [`sub_groups`].
pub(crate) fn read_sub_groups(answer: &Node<'_>) -> Result<Vec<SubGroup>, RequestError> {
    Ok(SubGroup::list(answer.require_child("sub_groups")?))
}

/// Brings a group into a community.
pub(crate) fn link(community: &Jid, group: &Jid) -> Node<'static> {
    let group = Node::new("group").attr("jid", group);
    let link = Node::new("link").attr("link_type", "sub_group").child(group);
    about(community, "set", Node::new("links").child(link))
}

/// Takes a group out of a community.
pub(crate) fn unlink(community: &Jid, group: &Jid) -> Node<'static> {
    let group = Node::new("group").attr("jid", group);
    about(community, "set", Node::new("unlink").attr("unlink_type", "sub_group").child(group))
}

/// The code that the group has in the answer to [`link`] or [`unlink`], if it wasn't done.
pub(crate) fn read_link_error(answer: &Node<'_>) -> Option<u32> {
    let links = answer.get_child("links").and_then(|links| links.get_child("link"));
    let group = links.or_else(|| answer.get_child("unlink"))?.get_child("group")?;
    group.attrs.number("error").and_then(Result::ok)
}

/// Asks for the code of a group's invite link, or has a new one made.
pub(crate) fn invite(group: &Jid, reset: bool) -> Node<'static> {
    about(group, if reset { "set" } else { "get" }, Node::new("invite"))
}

/// The code, from the answer to [`invite`].
pub(crate) fn read_code(answer: &Node<'_>) -> Result<String, RequestError> {
    Ok(answer.require_child("invite")?.require_text("code")?.into_owned())
}

/// Asks who wants to be let in.
pub(crate) fn requests(group: &Jid) -> Node<'static> {
    about(group, "get", Node::new("membership_approval_requests"))
}

/// Who wants to be let in, from the answer to [`requests`].
pub(crate) fn read_requests(answer: &Node<'_>) -> Result<Vec<JoinRequest>, RequestError> {
    let requests = answer.require_child("membership_approval_requests")?;
    let request = |node: &Node<'_>| {
        let at = node.attrs.number("request_time").and_then(Result::ok).unwrap_or(0);
        Some(JoinRequest { user: node.attrs.jid("jid")?.to_user(), at })
    };
    Ok(requests.children_named("membership_approval_request").filter_map(request).collect())
}

/// Asks which group an invite link leads to.
pub(crate) fn look(code: &str) -> Node<'static> {
    about(&server(), "get", Node::new("invite").attr("code", code.to_owned()))
}

/// Comes in by an invite link.
pub(crate) fn join(code: &str) -> Node<'static> {
    about(&server(), "set", Node::new("invite").attr("code", code.to_owned()))
}

/// Where one has come, from the answer to [`join`].
pub(crate) fn read_joined(answer: &Node<'_>) -> Result<Joined, RequestError> {
    if let Some(asked) = answer.get_child("membership_approval_request") {
        return Ok(Joined::Asked(asked.require_jid("jid")?.clone()));
    }
    Ok(Joined::Member(answer.require_child("group")?.require_jid("jid")?.clone()))
}

/// Asks for a change. `description`: the id of the new description, and of the one that it replaces.
pub(crate) fn change(group: &Jid, change: &GroupChange, description: (&str, Option<&str>)) -> Node<'static> {
    use GroupChange::{
        Add, AllAdd, Announcement, Approval, Approve, Demote, Description, Expiration, Leave, Locked,
        Promote, Reject, Remove, Subject,
    };
    let list = |tag: &'static str, users: &[Jid]| Node::new(tag).with_children(participants(users));
    let switch = |on: bool, yes: &'static str, no: &'static str| Node::new(if on { yes } else { no });
    let wanted = match change {
        Leave => {
            let left = Node::new("leave").child(Node::new("group").attr("id", group));
            return about(&server(), "set", left);
        }
        Add(users) => list("add", users),
        Remove(users) => list("remove", users),
        Promote(users) => list("promote", users),
        Demote(users) => list("demote", users),
        Approve(users) => Node::new("membership_requests_action").child(list("approve", users)),
        Reject(users) => Node::new("membership_requests_action").child(list("reject", users)),
        Subject(text) => Node::new("subject").with_bytes(text.clone().into_bytes()),
        Description(text) => describe(text.as_deref(), description),
        Announcement(on) => switch(*on, "announcement", "not_announcement"),
        Locked(on) => switch(*on, "locked", "unlocked"),
        Approval(on) => {
            let join = Node::new("group_join").attr("state", if *on { "on" } else { "off" });
            Node::new("membership_approval_mode").child(join)
        }
        AllAdd(all) => Node::new("member_add_mode").text(if *all { "all_member_add" } else { "admin_add" }),
        Expiration(0) => Node::new("not_ephemeral"),
        Expiration(seconds) => Node::new("ephemeral").attr("expiration", *seconds),
    };
    about(group, "set", wanted)
}

/// Those whom a change could not reach, from its answer.
pub(crate) fn read_refusals(answer: &Node<'_>) -> Vec<NotReached> {
    let mut refused = Vec::new();
    let mut lists: Vec<_> = answer.children().iter().collect();
    while let Some(list) = lists.pop() {
        for child in list.children() {
            if !child.is("participant") {
                lists.push(child);
            } else if let Some((Ok(code), user)) = child.attrs.number("error").zip(child.attrs.jid("jid")) {
                refused.push(NotReached { user: user.clone(), code });
            }
        }
    }
    refused
}

fn describe(text: Option<&str>, (id, replaced): (&str, Option<&str>)) -> Node<'static> {
    let node = Node::new("description").attr("id", id.to_owned());
    let node = node.opt_attr("prev", replaced.map(str::to_owned));
    match text {
        Some(text) => node.child(Node::new("body").with_bytes(text.as_bytes().to_vec())),
        None => node.attr("delete", "true"),
    }
}

fn participants(users: &[Jid]) -> impl Iterator<Item = Node<'static>> {
    users.iter().map(|user| Node::new("participant").attr("jid", user.to_user()))
}

fn about(to: &Jid, kind: &'static str, child: Node<'static>) -> Node<'static> {
    Node::new("iq").attr("to", to).attr("type", kind).attr("xmlns", "w:g2").child(child)
}

fn server() -> Jid {
    Jid::of_server(Server::Group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_form_that_others_send() {
        let group = Jid::group("1203");
        let bob = Jid::lid("80002");
        for (node, xml) in [
            (
                query(&group),
                r#"<iq to="1203@g.us" type="get" xmlns="w:g2"><query request="interactive"/></iq>"#,
            ),
            (
                create("Tea", std::slice::from_ref(&bob), None),
                r#"<iq to="g.us" type="set" xmlns="w:g2"><create subject="Tea"><participant jid="80002@lid"/></create></iq>"#,
            ),
            (
                create("Tea", &[], Some(&group)),
                r#"<iq to="g.us" type="set" xmlns="w:g2"><create subject="Tea"><linked_parent jid="1203@g.us"/></create></iq>"#,
            ),
            (
                create_community("Tea"),
                r#"<iq to="g.us" type="set" xmlns="w:g2"><create subject="Tea"><parent default_membership_approval_mode="request_required"/></create></iq>"#,
            ),
            (
                link(&group, &Jid::group("7")),
                r#"<iq to="1203@g.us" type="set" xmlns="w:g2"><links><link link_type="sub_group"><group jid="7@g.us"/></link></links></iq>"#,
            ),
            (
                unlink(&group, &Jid::group("7")),
                r#"<iq to="1203@g.us" type="set" xmlns="w:g2"><unlink unlink_type="sub_group"><group jid="7@g.us"/></unlink></iq>"#,
            ),
            (
                change(&group, &GroupChange::Add(vec![bob.with_device(3)]), ("", None)),
                r#"<iq to="1203@g.us" type="set" xmlns="w:g2"><add><participant jid="80002@lid"/></add></iq>"#,
            ),
            (
                change(&group, &GroupChange::Leave, ("", None)),
                r#"<iq to="g.us" type="set" xmlns="w:g2"><leave><group id="1203@g.us"/></leave></iq>"#,
            ),
            (
                change(&group, &GroupChange::Description(None), ("D2", Some("D1"))),
                r#"<iq to="1203@g.us" type="set" xmlns="w:g2"><description id="D2" prev="D1" delete="true"/></iq>"#,
            ),
            (
                change(&group, &GroupChange::Approval(true), ("", None)),
                r#"<iq to="1203@g.us" type="set" xmlns="w:g2"><membership_approval_mode><group_join state="on"/></membership_approval_mode></iq>"#,
            ),
        ] {
            assert_eq!(node.to_string(), xml);
        }
    }

    #[test]
    fn answers_say_whom_a_change_did_not_reach() {
        let participant = |jid: Jid| Node::new("participant").attr("jid", jid);
        let list = Node::new("approve")
            .child(participant(Jid::lid("1")))
            .child(participant(Jid::lid("2")).attr("error", 404_u32));
        let answer = Node::new("iq").child(Node::new("membership_requests_action").child(list));
        assert_eq!(read_refusals(&answer), [NotReached { user: Jid::lid("2"), code: 404 }]);
        assert!(matches!(read(&Node::new("iq")), Err(RequestError::Malformed(_))));
        let group = Node::new("group").attr("jid", Jid::group("7")).attr("error", 409_u32);
        for answer in [
            Node::new("links").child(Node::new("link").child(group.clone())),
            Node::new("unlink").child(group),
        ] {
            assert_eq!(read_link_error(&Node::new("iq").child(answer)), Some(409));
        }
        assert_eq!(read_link_error(&Node::new("iq")), None);
        let asked = Node::new("membership_approval_request").attr("jid", Jid::group("1203"));
        assert_eq!(read_joined(&Node::new("iq").child(asked)), Ok(Joined::Asked(Jid::group("1203"))));
    }
}
