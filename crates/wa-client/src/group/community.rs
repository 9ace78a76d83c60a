//! Groups that belong together (PROTOCOL.md 23).

use std::fmt;

use wa_binary::{Jid, Node};

/// Groups of one community that are read; WhatsApp lets in 100.
const MAX_GROUPS: usize = 1_000;

/// How a group stands to others.
#[derive(Clone, PartialEq, Eq)]
pub enum GroupKind {
    /// It stands alone.
    Single,
    /// It holds other groups together, and nobody writes in it.
    Community,
    /// The group of this community that all of its members are in, and in which administrators write.
    Announcements(Jid),
    /// Another group of this community.
    InCommunity(Jid),
}

/// A group of a community, as its list shows it. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubGroup {
    /// Its address.
    pub jid: Jid,
    /// What it is called.
    pub subject: String,
    /// Whether it is the one for announcements.
    pub is_announcements: bool,
}

/// What another group is to the one of which something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The community that it is in.
    Community,
    /// A group in it, which is a community.
    InIt,
    /// Another group of the same community.
    Sibling,
}

impl GroupKind {
    /// Reads what `<group>` says.
    pub(super) fn read(group: &Node<'_>) -> Self {
        let parent = group.get_child("linked_parent").and_then(|parent| parent.attrs.jid("jid"));
        match parent.filter(|parent| parent.is_group()).cloned() {
            _ if group.get_child("parent").is_some() => Self::Community,
            Some(community) if is_announcements(group) => Self::Announcements(community),
            Some(community) => Self::InCommunity(community),
            None => Self::Single,
        }
    }

    /// The community that the group is in.
    pub fn community(&self) -> Option<&Jid> {
        match self {
            Self::Single | Self::Community => None,
            Self::Announcements(community) | Self::InCommunity(community) => Some(community),
        }
    }
}

impl SubGroup {
    /// Reads `<sub_groups>`.
    pub(crate) fn list(node: &Node<'_>) -> Vec<Self> {
        node.children_named("group").take(MAX_GROUPS).filter_map(Self::read).collect()
    }

    /// Reads `<group id|jid [subject]>[<default_sub_group/>]</group>`.
    pub(super) fn read(group: &Node<'_>) -> Option<Self> {
        let by_id = || group.attrs.text("id").map(|id| Jid::group(&*id));
        let jid = group.attrs.jid("jid").cloned().or_else(by_id).filter(Jid::is_group)?;
        let subject = group.attrs.text("subject").unwrap_or_default().into_owned();
        Some(Self { jid, subject, is_announcements: is_announcements(group) })
    }
}

impl Relation {
    /// As a word, snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::InIt => "in_it",
            Self::Sibling => "sibling",
        }
    }

    /// Reads `link_type` or `unlink_type`.
    pub(super) fn read(kind: &str) -> Option<Self> {
        match kind {
            "parent_group" => Some(Self::Community),
            "sub_group" => Some(Self::InIt),
            "sibling_group" => Some(Self::Sibling),
            _ => None,
        }
    }
}

fn is_announcements(group: &Node<'_>) -> bool {
    group.get_child("default_sub_group").is_some()
}

impl fmt::Debug for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "Single",
            Self::Community => "Community",
            Self::Announcements(_) => "Announcements",
            Self::InCommunity(_) => "InCommunity",
        })
    }
}

impl fmt::Debug for SubGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubGroup").field("is_announcements", &self.is_announcements).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_how_it_stands_to_others() {
        let parent = Node::new("linked_parent").attr("jid", Jid::group("1"));
        for (group, kind) in [
            (Node::new("group"), GroupKind::Single),
            (Node::new("group").child(Node::new("parent")), GroupKind::Community),
            (Node::new("group").child(parent.clone()), GroupKind::InCommunity(Jid::group("1"))),
            (
                Node::new("group").child(parent).child(Node::new("default_sub_group")),
                GroupKind::Announcements(Jid::group("1")),
            ),
            (Node::new("group").child(Node::new("linked_parent")), GroupKind::Single),
        ] {
            let read = GroupKind::read(&group);
            assert_eq!(
                read.community().is_some(),
                group.get_child("linked_parent").is_some_and(|it| it.attrs.contains("jid"))
            );
            assert_eq!(read, kind);
        }
    }

    #[test]
    fn groups_are_listed_by_either_name() {
        let group = |name: &'static str, value: &'static str| Node::new("group").attr(name, value);
        let list = Node::new("sub_groups")
            .child(group("id", "1").attr("subject", "Tea").child(Node::new("default_sub_group")))
            .child(Node::new("group").attr("jid", Jid::group("2")))
            .child(Node::new("group").attr("jid", Jid::pn("3")))
            .child(Node::new("group"));
        let found: Vec<_> =
            SubGroup::list(&list).into_iter().map(|it| (it.jid, it.subject, it.is_announcements)).collect();
        assert_eq!(
            found,
            [(Jid::group("1"), "Tea".to_owned(), true), (Jid::group("2"), String::new(), false)]
        );
    }
}
