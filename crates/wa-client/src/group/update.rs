//! What happens to groups (PROTOCOL.md 17, 23).

use std::fmt;

use wa_binary::{Jid, Node};

use super::{Group, Member, Relation, SubGroup};

/// People that one notification may name; more are not read.
const MAX_PEOPLE: usize = 10_000;

/// Something that happened to a group that the account is in, or was in until then. `Debug` shows nobody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupUpdate {
    /// The group.
    pub group: Jid,
    /// Who did it, as the group names them, without device; `None` where the server doesn't say.
    pub by: Option<Jid>,
    /// The same by phone number, where the server says so.
    pub by_pn: Option<Jid>,
    /// When: Unix seconds.
    pub timestamp: i64,
    /// What happened.
    pub what: GroupNews,
}

/// What happened to a group.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupNews {
    /// The account is in it from now on, with this reason if there is one (`invite` for the link).
    Joined(Box<Group>, Option<String>),
    /// These people are in it from now on; the reason as above.
    Added(Vec<Member>, Option<String>),
    /// These people are in it no longer: they left, if they are who did it, or were removed. One may be the account.
    Removed(Vec<Member>),
    /// These people are administrators from now on.
    Promoted(Vec<Member>),
    /// These people are administrators no longer.
    Demoted(Vec<Member>),
    /// It has another subject.
    Subject(String),
    /// It has another description; `None` means none.
    Description(Option<String>),
    /// Whether only administrators write.
    Announcement(bool),
    /// Whether only administrators change subject, description and timer.
    Locked(bool),
    /// Whether administrators let in who comes by the link.
    Approval(bool),
    /// Whether every member may add others.
    AllAdd(bool),
    /// How long messages are kept, in seconds; 0 means for ever.
    Expiration(u32),
    /// The code of the invite link is another.
    Invite(String),
    /// This group and the other one belong together from now on.
    Linked(Relation, SubGroup),
    /// They belong together no longer.
    Unlinked(Relation, SubGroup),
    /// The group is no more.
    Deleted,
    /// Anything else, by the tag that the server has for it.
    Other(String),
}

impl GroupUpdate {
    /// Reads `<notification type="w:gp2">` of this time: one update for each child.
    pub(crate) fn read(node: &Node<'_>, timestamp: i64) -> Vec<Self> {
        let Some(group) = node.attrs.jid("from").filter(|from| from.is_group()) else { return Vec::new() };
        let by = node.attrs.jid("participant").map(Jid::to_user);
        let by_pn = node.attrs.jid("participant_pn").map(Jid::to_user).filter(Jid::is_pn);
        let update = |child: &Node<'_>| Self {
            group: group.clone(),
            by: by.clone(),
            by_pn: by_pn.clone().or_else(|| by.clone().filter(Jid::is_pn)),
            timestamp,
            what: GroupNews::read(child),
        };
        node.children().iter().map(update).collect()
    }
}

impl GroupNews {
    /// What happened, as a word, snake case.
    pub fn name(&self) -> &str {
        match self {
            Self::Joined(..) => "joined",
            Self::Added(..) => "added",
            Self::Removed(_) => "removed",
            Self::Promoted(_) => "promoted",
            Self::Demoted(_) => "demoted",
            Self::Subject(_) => "subject",
            Self::Description(_) => "description",
            Self::Announcement(_) => "announcement",
            Self::Locked(_) => "locked",
            Self::Approval(_) => "approval",
            Self::AllAdd(_) => "all_add",
            Self::Expiration(_) => "expiration",
            Self::Invite(_) => "invite",
            Self::Linked(..) => "linked",
            Self::Unlinked(..) => "unlinked",
            Self::Deleted => "deleted",
            Self::Other(_) => "other",
        }
    }

    fn read(child: &Node<'_>) -> Self {
        let text = |name: &str| child.attrs.text(name).map(|text| text.into_owned());
        let other = || Self::Other(child.tag().to_owned());
        match child.tag() {
            "create" => {
                let group = child.get_child("group").and_then(|group| Group::read(group).ok());
                group.map_or_else(other, |group| Self::Joined(Box::new(group), text("reason")))
            }
            "add" => Self::Added(people(child), text("reason")),
            "remove" => Self::Removed(people(child)),
            "promote" => Self::Promoted(people(child)),
            "demote" => Self::Demoted(people(child)),
            "subject" => text("subject").map_or_else(other, Self::Subject),
            "description" => Self::Description(description(child)),
            "announcement" => Self::Announcement(true),
            "not_announcement" => Self::Announcement(false),
            "locked" => Self::Locked(true),
            "unlocked" => Self::Locked(false),
            "membership_approval_mode" => Self::Approval(super::is_on(child)),
            "member_add_mode" => {
                Self::AllAdd(child.content_text().is_some_and(|mode| mode == "all_member_add"))
            }
            "ephemeral" => {
                Self::Expiration(child.attrs.number("expiration").and_then(Result::ok).unwrap_or(0))
            }
            "not_ephemeral" => Self::Expiration(0),
            "invite" => text("code").map_or_else(other, Self::Invite),
            "link" => {
                other_group(child, "link_type").map_or_else(other, |(how, group)| Self::Linked(how, group))
            }
            "unlink" => other_group(child, "unlink_type")
                .map_or_else(other, |(how, group)| Self::Unlinked(how, group)),
            "delete" => Self::Deleted,
            _ => other(),
        }
    }
}

fn people(list: &Node<'_>) -> Vec<Member> {
    let participants = list.children().iter().filter(|child| child.is("participant")).take(MAX_PEOPLE);
    participants.filter_map(Member::read).collect()
}

/// `<link link_type><group …/></link>`.
fn other_group(node: &Node<'_>, kind: &str) -> Option<(Relation, SubGroup)> {
    let relation = Relation::read(&node.attrs.text(kind)?)?;
    Some((relation, SubGroup::read(node.get_child("group")?)?))
}

/// `<description id><body/></description>`, or `<description><delete/></description>`.
fn description(node: &Node<'_>) -> Option<String> {
    let body = node.get_child("body")?.bytes()?;
    Some(String::from_utf8_lossy(&body).into_owned())
}

impl fmt::Debug for GroupUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupUpdate").field("what", &self.what).finish_non_exhaustive()
    }
}

impl fmt::Debug for GroupNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(child: Node<'static>) -> Node<'static> {
        Node::new("notification")
            .attr("from", Jid::group("1203"))
            .attr("participant", Jid::lid("80001"))
            .attr("participant_pn", Jid::pn("15550001"))
            .child(child)
    }

    fn news(child: Node<'static>) -> GroupNews {
        GroupUpdate::read(&notification(child), 5).remove(0).what
    }

    #[test]
    fn what_happened_is_read_with_who_did_it() {
        let bob =
            Node::new("participant").attr("jid", Jid::lid("80002")).attr("phone_number", Jid::pn("15550002"));
        let update =
            GroupUpdate::read(&notification(Node::new("add").attr("reason", "invite").child(bob)), 5);
        let [GroupUpdate { group, by, by_pn, timestamp, what }] = &update[..] else { panic!("{update:?}") };
        assert_eq!(
            (group, by, by_pn),
            (&Jid::group("1203"), &Some(Jid::lid("80001")), &Some(Jid::pn("15550001")))
        );
        assert_eq!(*timestamp, 5);
        let GroupNews::Added(people, Some(reason)) = what else { panic!("{what:?}") };
        assert_eq!((people[0].pn.as_ref(), reason.as_str()), (Some(&Jid::pn("15550002")), "invite"));
    }

    #[test]
    fn settings_are_read_by_their_tags() {
        let body = Node::new("body").with_bytes(b"About tea".to_vec());
        let join = Node::new("group_join").attr("state", "on");
        for (child, expected) in [
            (Node::new("subject").attr("subject", "Tea"), GroupNews::Subject("Tea".into())),
            (Node::new("description").child(body), GroupNews::Description(Some("About tea".into()))),
            (Node::new("description").child(Node::new("delete")), GroupNews::Description(None)),
            (Node::new("not_announcement"), GroupNews::Announcement(false)),
            (Node::new("locked"), GroupNews::Locked(true)),
            (Node::new("ephemeral").attr("expiration", 86_400_u32), GroupNews::Expiration(86_400)),
            (Node::new("not_ephemeral"), GroupNews::Expiration(0)),
            (Node::new("membership_approval_mode").child(join), GroupNews::Approval(true)),
            (Node::new("invite").attr("code", "abc"), GroupNews::Invite("abc".into())),
            (Node::new("delete"), GroupNews::Deleted),
            (Node::new("suspended"), GroupNews::Other("suspended".into())),
            (Node::new("subject"), GroupNews::Other("subject".into())),
        ] {
            assert_eq!(news(child), expected);
        }
        assert!(GroupUpdate::read(&Node::new("notification").child(Node::new("locked")), 5).is_empty());
    }

    #[test]
    fn groups_come_together_and_part() {
        let other = Node::new("group").attr("jid", Jid::group("7")).attr("subject", "Tea");
        let link = |tag, kind, word: &'static str| Node::new(tag).attr(kind, word).child(other.clone());
        for (child, name, relation) in [
            (link("link", "link_type", "parent_group"), "linked", Relation::Community),
            (link("link", "link_type", "sub_group"), "linked", Relation::InIt),
            (link("unlink", "unlink_type", "sibling_group"), "unlinked", Relation::Sibling),
        ] {
            let told = news(child);
            assert_eq!(told.name(), name);
            let (GroupNews::Linked(how, group) | GroupNews::Unlinked(how, group)) = told else { panic!() };
            assert_eq!((how, group.jid, group.subject.as_str()), (relation, Jid::group("7"), "Tea"));
        }
        for child in [Node::new("link"), link("link", "link_type", "cousin"), Node::new("unlink")] {
            assert_eq!(news(child).name(), "other");
        }
    }

    #[test]
    fn debug_shows_nobody() {
        let text =
            format!("{:?}", GroupUpdate::read(&notification(Node::new("subject").attr("subject", "Tea")), 5));
        assert!(!text.contains("Tea") && !text.contains("8000"), "{text}");
    }
}
